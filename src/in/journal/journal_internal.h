/*
 * What the parts of the journal source share: reading (journal.c), one entry (journal_entry.c), the
 * places of the sinks (journal_place.c).
 */
#pragma once

#include "in/journal/journal.h"
#include "in/journal/libsystemd.h"

enum {
    JOURNAL_STREAMS = 256, /* remembered */
    JOURNAL_KEY = 400,
    JOURNAL_BATCH = 64 << 10, /* bytes a turn, beyond one message */
    JOURNAL_MARKS = 1024,
    SPLIT_MAX = 16, /* records of one message */
};

struct journal {
    struct scope scope;
    struct loop *loop;
    const struct config *config;
    struct dispatcher *dispatcher;
    struct source *source;
    struct thing handle; /* sd */
    sd_journal *sd;
    struct fd wake; /* sd's own: its inotify */
    struct watch ready;
    struct timer again; /* libsystemd's own timeout, or the next try to open it */
    struct nudge work;
    struct pool_waiter memory;
    bool at_entry; /* the entry at hand did not fit into the last batch */
    bool failed, said_missing, said_damaged;
    bool placed;                  /* the sinks have their places */
    struct past *past;            /* may be NULL */
    uint64_t next;                /* ordinal */
    uint32_t passed_over;         /* entries that are nobody's, since the last batch */
    char cursor[POSITION_CURSOR]; /* of the last entry read; "": none yet */
    char pid[16];
    struct known_stream {
        struct stream *stream;
        char key[JOURNAL_KEY];
    } * streams;
};

struct entry {
    const char *message; /* libsystemd's, until its next call */
    size_t len;          /* of what is taken */
    uint64_t cut;
    uint32_t records;
    int64_t time;
    char cursor[POSITION_CURSOR];
    char key[JOURNAL_KEY]; /* unit, priority, identifier: each NUL-terminated */
};

/* The entry at hand. 1: it is ours to read; 0: it is not wanted; -errno (EBADMSG: damaged). */
int entry_read(struct journal *j, struct entry *e);
/* Adds it: 0; -ENOSPC when the batch has no room for it. */
int entry_add(struct journal *j, struct batch *b, const struct entry *e);
void entry_forget_streams(struct journal *j);

/* Whether this host has files of a journal, or may have some where nobody lets us look. */
bool files_are_there(struct scope *scope);
/* Whether some are in the directory or in one below it; for the test too. */
bool files_are_below(struct scope *scope, const char *directory);

/*
 * After opening: goes to where reading starts and settles the sinks' positions. 0 or -errno;
 * -ENODATA: there is nothing at or behind the last place (yet).
 */
int place_first(struct journal *j);
/* The same place again, after the journal was opened anew. */
int place_again(struct journal *j);
/* The cursor of the entry at hand; keep: as the place of the last entry read. */
bool place_cursor(struct journal *j, char cursor[POSITION_CURSOR]);
bool place_keep_cursor(struct journal *j);
/* The number of its entry within its journal. */
uint64_t place_number(const char *cursor);

/* Says once for each file below the journal's directories that is none; libsystemd passes over it
 * in silence. */
void files_say_damaged(struct journal *j);
