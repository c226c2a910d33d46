/*
 * monitor: what the parts of the file monitor share: struct files itself. Only for src/in/files/.
 */
#pragma once

#include <limits.h>

#include "core/pipeline.h"
#include "in/files/file.h"
#include "in/files/files.h"
#include "in/files/gone.h"
#include "in/files/table.h"

struct group {
    const struct files_group *config;
    struct pipeline *pipeline;
    struct followed *followed; /* whose only group it is; NULL: the configuration's */
};

/* The groups of one configuration, with what is made of them. */
struct generation {
    struct scope scope;
    struct group *groups;
};

/* A directory that may hold files; wanted: globs reach it, else only a link points into it. */
struct directory {
    struct thing thing;
    struct directory *next, **prev;
    struct table_node by_path, by_wd;
    struct file *files; /* those whose name is in it now */
    uint64_t dev, ino;  /* ino 0: not seen yet, or vanished */
    int64_t mtime;      /* when it was listed last; -1: must be listed */
    uint64_t round;     /* of the listing, to find the names that are gone */
    int wd;             /* -1: not watched */
    bool wanted, root, said;
    uint32_t refs;      /* files whose path, now or last, lies in it */
    uint32_t links;     /* files elsewhere that are links into it */
    uint32_t followed;  /* logs in it that are followed: it is wanted because of them */
    uint32_t awaited;   /* logs that are followed, whose directory is to come below it */
    char path[];
};

/* What an earlier process knew of a file. */
struct known {
    struct table_node node; /* by device and inode */
    struct past_source *past;
    struct identity id;
    uint64_t size;
    enum identity_state state;
    bool sought;
};

enum { ARRIVALS = 16 };

/* See unseen.h. What left a directory, the first half of a rename: by the name it had at first. */
struct departure {
    uint32_t cookie;
    char directory[PATH_MAX], name[NAME_MAX + 1];
};

/* Where a name that was wanted went. */
struct arrival {
    char path[PATH_MAX]; /* "": none */
    struct departure from;
};

struct files {
    struct scope scope;
    struct loop *loop;
    const struct config *config;
    const struct files_config *options;
    struct dispatcher *dispatcher;
    struct past *past;
    struct generation *generation;
    struct group *groups; /* its */
    unsigned n_groups;    /* 0: not enabled */
    struct files_stats stats;
    struct followed *followed, *touched;
    struct table followed_by_path;
    struct nudge followed_news;
    struct pods_state *pods; /* NULL: they are not looked for */
    struct pipeline *plain_pipeline; /* of all that are followed without rules */
    struct gone *gone; /* a ring */
    size_t n_gone;
    unsigned wide_left; /* directories that siblings may still list in wide searches */

    struct directory *directories, **last_directory;
    struct table directories_by_path, directories_by_wd, files_by_name, files_by_id, known;
    struct known *knowns;
    size_t n_knowns;
    struct fd inotify;
    struct watch inotify_watch;
    struct departure departure;
    struct arrival arrivals[ARRIVALS]; /* the oldest makes room */
    unsigned next_arrival;
    struct timer scan;
    void (*usual_scan)(struct timer *); /* the first one is another */
    uint64_t round;
    bool first_scan, first_start, said_watches, said_descriptors, scan_all;
    struct facts own_output; /* the regular file behind stderr; ino 0: none */

    struct thing all_thing;            /* the memory of all files */
    struct file *all;                  /* newest first */
    struct file *recheck, *walk;       /* where the spread check goes on; the next one of a walk over all */
    struct file *ready, **last_ready;  /* take turns */
    struct file *waiting;              /* for a time: those with `due` */
    struct nudge work;
    struct timer tick;
    struct pool_waiter pool;
    struct file *open_newest, *open_oldest;
};

/* files.c: files of which sinks are not equally far get their turn when one that was passed over has room. */
void files_look_soon(struct files *f);
