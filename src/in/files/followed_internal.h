/*
 * followed_internal: what the parts of the file monitor ask of the logs that are followed. Only for src/in/files/.
 */
#pragma once

#include "in/files/followed.h"
#include "in/files/monitor.h"

struct followed {
    struct scope scope;
    struct files *f;
    struct followed *next, *prev; /* all */
    struct followed *next_touched;
    struct table_node by_path;
    struct directory *directory;
    struct directory *above;  /* while that is not there: the nearest that is (awaited.h) */
    char *path;
    const char *base;         /* the name in the directory */
    struct files_group config; /* what is made of its lines; its labels lie in `labels` */
    struct group group;       /* its files' */
    struct label *labels;     /* a block; NULL: held */
    struct file *files;       /* those of the group, by next_followed */
    enum followed_state told;
    void (*changed)(struct followed *, void *);
    void *arg;
    int error;
    bool runs, gone, at_end, found;
    int64_t stopped;          /* clock_mono(), when that was heard of; while it does not run */
    bool beginning; /* what is found now was there before it was followed */
    bool touched, by_pods /* nobody else ends it */;
    uint64_t records, bytes, malformed, torn;
    int64_t last_read;
};

extern const char followed_by[]; /* source.matched */
int followed_begin_all(struct files *f);
/* followed_begin() without a look at what is there. */
int followed_new(struct followed **out, struct files *f, const struct follow *what);
/* Whether a rotator added something to the name. */
bool followed_is_rotated(const char *name);
/* The group of the log that has this path, or had it before a rotation; NULL: none. */
struct group *followed_group(struct files *f, const char *path);
/* Something of it happened: its state is looked at soon. NULL is allowed. */
void followed_touch(struct followed *fl);

static inline struct followed *followed_of(const struct file *file)
{
    return file->group ? file->group->followed : NULL;
}
static inline bool followed_held(const struct file *file)
{
    struct followed *fl = followed_of(file);
    return fl && !fl->labels;
}
/* Whether it stopped, so that nothing need be waited for. What grew since then may belong to another start, that was not heard of yet. */
static inline bool followed_stopped(const struct file *file)
{
    struct followed *fl = followed_of(file);
    return fl && (fl->gone || (!fl->runs && file->grown <= fl->stopped));
}
/* Whether who writes it is at work, and finishes each line. */
bool followed_is_written(const struct file *file);
/* Whether it is not to be closed though it is idle. */
bool followed_keeps_open(const struct file *file);
/* Whether a file of the same log that is older has something to read: that gets its turn first. */
bool followed_waits_its_turn(struct files *f, struct file *file);
/* The next younger file of the same log, when this one gets no more: it was rotated. NULL: there is none. */
struct file *followed_next(const struct file *file);
/* A turn of a file of it is over: so much was read. */
void followed_turned(struct followed *fl);
/* All sinks have what was read of a file of a log that is gone. */
void followed_delivered(struct files *f, struct file *file);
