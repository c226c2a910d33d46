/*
 * spool: batches on disk for sinks that lag behind, each stored once however many of them need it.
 *
 * Segment files, <directory>/NNNNNNNNNN.seg, are appended to until they reach the segment's size, and never changed. A
 * segment is a row of records; a record is a head (where the batch came from, and for each sink that needs it what it
 * takes of it) and a body (the labels of its streams, its marks, its bytes), each with its own XXH3 checksum and so
 * trusted by itself: of a record whose body is damaged, the head still says exactly what is lost. Behind a head that
 * cannot be read nothing of that segment can be found: logs may contain anything, also what looks like a record,
 * so none is searched for.
 *
 * A place is `segment << 32 | offset` and names a record for ever: numbers are never used twice. Numbers are in the host's
 * order, little-endian on all that logcap is built for; elsewhere the magic does not match.
 *
 * What counts of it for whom is not known here but to state.db (core/spool/lane.h; store_put_spool()): only records whose sync succeeded
 * may be named there. After an error spool_undo() forgets what was not synced; the batches must be appended again.
 *
 * Threads: one at a time. Errors: 0 or -errno; -EUCLEAN for damage, -ENOENT for a segment that is not there.
 */
#pragma once

#include <stdbool.h>

#include "base/fd.h"
#include "base/mem.h"
#include "codec/mark.h"
#include "config/label.h"
#include "config/limits.h"

enum {
    SPOOL_SEGMENT = 16 << 20,
    SPOOL_STREAMS = 64,
    SPOOL_HEAD_MAX = 64 << 10,
    SPOOL_LABELS_MAX = 8 << 20, /* above SPOOL_STREAMS * STREAM_LABELS * (name and value) */
};

static inline uint32_t spool_segment(uint64_t place)
{
    return (uint32_t)(place >> 32);
}

static inline uint64_t spool_place(uint32_t segment, uint32_t offset)
{
    return (uint64_t)segment << 32 | offset;
}

/* What one sink takes of a record. */
struct spool_sink {
    const char *name;
    uint32_t first;  /* mark */
    uint64_t wanted; /* bit i: stream i */
    uint64_t records, bytes;
};

struct spool_head {
    uint64_t place, next; /* filled in by append and read; next: where the following record begins */
    unsigned kind;        /* of the source */
    bool ordinal;
    const char *key, *name, *cursor; /* of the source; cursor "" if it has none */
    uint64_t from, to, tail_hash;
    int64_t stored; /* clock_real() */
    unsigned n_sinks, n_streams;
    uint32_t labels_size, n_marks, data_size; /* of the body */
    uint64_t body_hash;                       /* filled in */
    struct spool_sink sinks[SINKS_MAX];
};

struct spool_segment {
    uint32_t number;
    uint64_t size;
};

struct spool {
    struct scope scope;
    const char *directory;
    struct fd directory_fd, writer;
    uint64_t segment_size;
    uint32_t next_number;
    uint64_t synced;    /* of the segment being written */
    bool unsynced_name; /* the segment's entry in the directory is not synced yet */
    uint64_t barrier;   /* no record before it may be joined with one behind it: something there may not count */
    struct buf segments; /* of struct spool_segment, ascending */
    struct buf head;     /* of the record being written */
    uint64_t bytes;      /* of all segments */
    uint64_t written;    /* since begin */
};

/* Creates the directory if need be and lists it. Numbers begin behind all that is there and behind `after` (a place). */
int spool_begin(struct spool *s, struct scope *owner, const char *directory, uint64_t segment_size, uint64_t after);
void spool_end(struct spool *s); /* nothing when not alive */

/* ---- writing ---- */

/* Adds a stream's labels to what becomes a body's `labels`. */
int spool_add_labels(struct buf *labels, const struct label *items, unsigned n);
/* Not yet safe: spool_sync(). On an error: spool_undo(). */
int spool_append(struct spool *s, struct spool_head *head, const char *labels, const struct mark *marks,
                 const char *data);
int spool_sync(struct spool *s);
/* The segment is cut back to what was synced; the next record begins a new one. */
void spool_undo(struct spool *s);
/* Free bytes of the disk, and its size. */
int spool_disk(const struct spool *s, uint64_t *available, uint64_t *size);

/* ---- segments ---- */

unsigned spool_count(const struct spool *s);
const struct spool_segment *spool_at(const struct spool *s, unsigned i);
/* The first with this number or a higher one; NULL: none. */
const struct spool_segment *spool_from(const struct spool *s, uint32_t number);
/* Nothing more is written into this segment. */
void spool_seal(struct spool *s, uint32_t number);
/* -ENOENT counts as done. */
int spool_remove(struct spool *s, uint32_t number);

/* ---- reading ---- */

struct spool_reader {
    struct spool *spool;
    struct fd file;
    uint32_t number; /* of the open segment */
    struct buf head;
};

int spool_reader_begin(struct spool_reader *r, struct spool *s, struct scope *owner);
void spool_reader_end(struct spool_reader *r);
/*
 * The head of the record at `place`; its strings live until the next call. 1: the segment ends there; head->next is
 * where the next segment there is begins, or UINT64_MAX.
 */
int spool_read_head(struct spool_reader *r, uint64_t place, struct spool_head *head);
/* Into room of head->labels_size, head->n_marks and head->data_size. What it gives is consistent in itself. */
int spool_read_body(struct spool_reader *r, const struct spool_head *head, char *labels, struct mark *marks, char *data);
/* The labels of the next stream in a body; they point into it. Returns how many, or -EUCLEAN. */
int spool_next_labels(const char **at, const char *end, struct label items[STREAM_LABELS]);

/* For the reader and its fuzzer: what stands at the beginning of `bytes`. -EAGAIN: head->next bytes are needed. */
int spool_parse_head(const char *bytes, size_t n, struct spool_head *head);

/* ---- looking ---- */

struct spool_found {
    uint64_t segments, bytes, records;
    uint64_t damaged;    /* records with a good head and a bad body */
    uint64_t unreadable; /* segments with a head that cannot be read */
    uint64_t unfinished; /* segments that end within a record: being written, or the writer died, or they were cut */
};
/* Reads all of it, changes nothing. -ENOENT: there is no spool. */
int spool_check(struct scope *owner, const char *directory, struct spool_found *found);
