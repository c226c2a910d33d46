/*
 * file: one file that is followed: who it is, how far it is read, and what it waits for.
 *
 *   listed    a name that the configuration matches leads to it
 *   orphan    no such name any more (renamed away, deleted, link switched): read to its end, then finished
 *   rest      what a truncated or compressed file had unread, in a copy: read in order to the end, then finished
 *   finished  waits until every sink has it; then it is let go of. If it still has a name somewhere it stays `away`
 *             (away.h), should its writer go on or the file come back under a name that matches.
 *   unwanted  the configuration does not name it any more: finished, and remembered should it be named again
 *   held      a copy that a rotator makes of a listed file, or a compressed file: not read, since the original's source
 *             reads what is in it
 *
 * Ownership: the files are one list, and all of them one thing under the monitor's scope, with the bytes of all: a birth
 * record for each would nearly double what an idle one costs. One thread.
 */
#pragma once

#include "codec/plain.h"
#include "core/pipeline.h"
#include "core/source.h"
#include "in/files/identity.h"
#include "in/files/outlets.h"
#include "in/files/table.h"
#include "loop/loop.h"

struct files;
struct group;
struct directory;

/* What only an open file has; a task. See descriptors.h. */
struct reader {
    struct fd fd;
    struct task task;
    struct file *newer, *older; /* by use */
    int64_t used;               /* clock_mono() */
    struct outlets outlets;     /* none until something is read */
    struct settings *settings;  /* by which it is read (again.h); NULL as long as the outlets, or without memory */
    struct plain *plain;        /* a rest: what is read instead */
    struct pipeline_tie tie;    /* of the last record */
    struct buf carry;           /* a rest: the tail before offset, then what is read but not dispatched */
};

/* There may be many thousands, most of them idle: what only some of them need is not in here. */
struct file {
    struct file *next_all, *prev_all;
    struct file *next_ready;
    struct file *next_waiting, *prev_waiting;
    struct file *next_in, *prev_in; /* directory */
    struct table_node by_name, by_id;
    struct directory *directory;
    struct directory *target; /* the directory a link leads to, or NULL */
    char *name;               /* in the directory */
    struct group *group;        /* file_set_group(); NULL: unwanted */
    struct file *next_followed; /* of the same log */
    struct source *source;
    struct reader *reader;      /* NULL: closed */
    struct identity id;
    uint64_t offset, tail_hash; /* how far it is dispatched */
    uint64_t size;              /* as last seen */
    uint64_t scanned;           /* bytes behind offset that hold no line end (or an unfinished multi-line record) */
    uint64_t round;             /* of the directory's listing */
    int64_t grown;              /* clock_mono() of the last growth */
    int64_t due;
    int64_t last_time;          /* highest time given to a record: UTC ns */
    bool listed : 1, started : 1, is_ready : 1, is_waiting : 1, in_id : 1, orphan : 1, rest : 1, finished : 1, away : 1,
        unwanted : 1, held : 1, deleted : 1;
    bool pending : 1;           /* a multi-line record may go on */
    bool flush : 1;             /* it has waited long enough: emit what is there */
    bool skipping : 1;          /* in the rest of a line that was cut */
    bool uneven : 1;            /* sinks may not be equally far: one came, or was passed over */
    bool wide : 1;              /* a container's log: a record did not fit into a usual chunk */
    bool failed : 1;            /* its error was said */
    bool denied : 1;            /* and it was that we may not read it */
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
/* Must be called before the first file is made; then the list ends with the scope. */
int file_begin_all(struct files *f);

/* What asks for it; NULL: nothing does any more. */
void file_set_group(struct file *file, struct group *group);
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
/* Reading goes on there. */
void file_move(struct file *file, uint64_t offset, uint64_t tail_hash);
/* The place behind which some sink does not have everything yet. */
uint64_t file_lowest(const struct file *file);
/* A sink that is not as far as the offset gets nothing more of it before. */
void file_level(struct file *file);
void file_store_identity(struct file *file, enum identity_state state);
/* As far as is known. */
uint64_t file_unread(struct files *f, const struct file *file);
int file_ensure_outlets(struct files *f, struct file *file);

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
