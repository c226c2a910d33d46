/*
 * file: one file that is followed: who it is, how far it is read, and what it waits for.
 *
 *   listed    a name that the configuration matches leads to it
 *   orphan    no such name any more (renamed away, deleted, link switched): read to its end, then finished
 *   rest      what a truncated or compressed file had unread, in a copy: read in order to the end, then finished
 *   finished  waits until every sink has it; then it is let go of. If it still has a name somewhere it stays `away`
 *             (away.h), should its writer go on or the file come back under a name that matches.
 *   unwanted  the configuration does not name it any more: finished, and remembered should it be named again
 *   held      a copy that a rotator makes of a listed file: not read, since the original's source reads it
 *
 * Ownership: under the monitor's scope. One thread.
 */
#pragma once

#include "codec/plain.h"
#include "core/source.h"
#include "in/identity.h"
#include "in/table.h"
#include "loop/loop.h"

struct files;
struct group;
struct directory;

struct file {
    struct thing thing;
    struct file *next_all, *prev_all;
    struct file *next_ready;
    struct file *next_waiting, *prev_waiting;
    struct file *next_in, *prev_in; /* directory */
    struct file *newer_open, *older_open;
    struct table_node by_name, by_id;
    struct directory *directory;
    struct directory *target; /* the directory a link leads to, or NULL */
    char *name;               /* in the directory */
    struct group *group;
    struct source *source;
    struct stream *stream; /* NULL until something is read */
    struct identity id;
    uint64_t offset, tail_hash; /* how far it is dispatched */
    uint64_t size;              /* as last seen */
    uint64_t scanned;           /* bytes behind offset that hold no line end (or an unfinished multi-line record) */
    uint64_t round;             /* of the directory's listing */
    int64_t grown;              /* clock_mono() of the last growth */
    int64_t opened;             /* of the last use of the descriptor */
    int64_t due;
    int64_t last_time;          /* highest time given to a record: UTC ns */
    struct fd fd;
    struct task task;
    struct plain *plain; /* rest: what is read instead */
    struct buf *carry;   /* rest: the tail before offset, then what is read but not dispatched */
    uint64_t lost_hint;  /* rest: what must be there at least */
    bool listed, started, is_ready, is_waiting, in_id, orphan, rest, finished, away, unwanted, held, deleted;
    bool pending;        /* a multi-line record may go on */
    bool flush;          /* it has waited long enough: emit what is there */
    bool skipping;       /* in the rest of a line that was cut */
    bool failed;         /* its error was said */
    bool denied;         /* and it was that we may not read it */
};

extern const struct task_kind file_reader_kind;

/* Its path now, or the last known; returns path. */
const char *file_path(const struct file *file, char *path, size_t size);

/* A listed file, not opened yet; facts: what its name leads to. NULL: errno. */
struct file *file_new(struct files *f, struct directory *d, const char *name, struct group *group,
                      const struct facts *facts);
/* One without name and source, for rests. */
struct file *file_new_bare(struct files *f, struct directory *d, const char *name, struct group *group,
                           const struct identity *id);
void file_free(struct files *f, struct file *file);
/* What only a rest has: its reader and what that holds. */
void file_end_rest(struct file *file);

/* Puts a name to it or takes it away. */
int file_list(struct files *f, struct file *file, struct directory *d, const char *name);
void file_unlist(struct files *f, struct file *file);
/* Only remembers another path for one that is not listed. */
int file_renamed(struct files *f, struct file *file, const char *path);
/* Known by device and inode from now on. */
void file_identify(struct files *f, struct file *file);

struct file *file_by_name(struct files *f, const struct directory *d, const char *name);
struct file *file_by_facts(struct files *f, const struct facts *facts);

/* Finds its position: from the past, the end, or 0. The file is open. 0 or -errno. */
int file_start(struct files *f, struct file *file, const struct facts *facts);
/* A new source at offset 0: the next generation. 0 or -ENOMEM, and all is as it was. */
int file_next_generation(struct files *f, struct file *file);
/* Everything before `offset` counts as delivered. The file is open unless offset is 0. */
void file_set_position(struct file *file, uint64_t offset, uint64_t tail_hash);
void file_store_identity(struct file *file, enum identity_state state);
/* As far as is known. */
uint64_t file_unread(struct files *f, const struct file *file);
int file_ensure_stream(struct files *f, struct file *file);

/* Says once per file and reason why it is not read. */
void file_fail(struct files *f, struct file *file, const char *what, int err);
void file_well(struct file *file);
/* Bytes that are gone for good. */
void file_lost(struct files *f, struct file *file, uint64_t bytes, const char *why);

void file_ready(struct files *f, struct file *file);
void file_wait(struct files *f, struct file *file, int64_t delay); /* keeps an earlier due */
void file_unwait(struct files *f, struct file *file);
/* Nothing more will be read. */
void file_finish(struct files *f, struct file *file);
