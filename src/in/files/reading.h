/*
 * reading: what is known while one batch of a file is read and marked; the parts of tail share it. Only for them.
 *
 *   tail.c           says what is read in a turn
 *   reading.c        reads it into a batch, and hands that over
 *   tail_lines.c     marks bare lines
 *   tail_wrapped.c   marks a container's log
 *   tail_over.c      joins a record over a rotation
 */
#pragma once

#include "base/clock.h"
#include "core/past.h"
#include "in/files/followed_internal.h"
#include "in/files/outlets.h"
#include "in/files/tail.h"

struct again_next;

enum { CHUNK_MORE = 64 * 1024 }; /* bytes of a chunk beyond max_line_bytes */

struct reading {
    struct files *f;
    struct file *file;
    struct batch *b;
    /* By what lines are made of it: the group's, or those of the span. */
    const struct files_group *config;
    struct pipeline *pipeline;
    const struct outlets *outlets;
    uint64_t max_line;
    const struct past_span *span; /* that is read again; NULL: it is read for the first time */
    uint64_t limit;       /* a span begins there, and so a record */
    char tail[TAIL_BYTES];
    uint32_t tail_len, n; /* bytes before the offset, and read into the batch */
    uint32_t beyond;      /* of a rest: read into the batch behind the limit */
    bool at_end;          /* nothing lies behind what was read */
    bool last;            /* of a rest: that was all */
    int damage;           /* -errno: because it cannot be read any further */
    bool complete;        /* what has no end will get none: it is the last, or ends at the limit */

    /* What marking came to. */
    uint32_t used;        /* bytes that are taken */
    bool more;            /* what is not taken is more than the beginning of a record: the marks were full, or it is too long */
    uint32_t borrowed;    /* bytes of the next file, behind those */
    bool narrow;          /* nothing is: a wide chunk is needed */
    bool unwritten;       /* it ends within a line whose writer is at work */
    bool changed;         /* the batch does not hold the file's bytes as they were */
};

/* Read through `plain`: a rest. */
static inline bool file_is_plain(const struct file *file)
{
    return file->reader && file->reader->plain;
}

static inline bool reading_is_plain(const struct reading *r)
{
    return r->file->reader->plain;
}

/* A multi-line record may be flushed earlier than a line without an end. */
static inline bool reading_partial_is_due(const struct reading *r)
{
    return r->file->flush && clock_mono() - r->file->grown >= r->f->options->partial_flush;
}

/* The source waits for memory or a sink: TURN_BLOCKED. */
enum turn reading_blocked(struct files *f, struct file *file);
/* With the outlets' stream, if lines are bare. NULL: EDQUOT, and the pool will say when there is memory; ENOMEM. */
struct batch *reading_new_batch(struct reading *r, uint32_t size, uint32_t marks);
/* Fill the batch from the offset on. 0 or -errno; of a file -ESTALE: before the offset lies something else than was read. */
ssize_t reading_from_file(struct reading *r);
ssize_t reading_from_plain(struct reading *r);
/* What must be known to make the same records of the same bytes. */
void reading_write_recipe(struct reading *r);
/* Of a rest, which cannot be read again: the tail before the next offset, and what was read behind it. */
void reading_keep_carry(struct reading *r, uint32_t used);
/* The batch is not ours any more; the file is read on from `to`. */
void reading_hand_over(struct reading *r, uint64_t to);
/* Only the batch: it stands for bytes that were stepped over. */
void reading_give(struct files *f, struct file *file, struct batch *b);
/* How long what has no end yet waits for it. */
void reading_wait_for_end(struct reading *r);

/* Of a rotated file that ends within a record: the rest of it is in the next one. false: it is not, and the file is read by itself. */
bool reading_on_in_next(struct files *f, struct file *file, enum turn *turn);
/* The same as before a kill, as the span's settings say. false: it cannot be the same again. */
bool reading_join_again(struct reading *r, const struct again_next *it, enum turn *turn);

/* Mark what was read, as records with their times; 0, or -ENOMEM: not now. */
int reading_mark_lines(struct reading *r);
int reading_mark_wrapped(struct reading *r);
/*
 * Of a file that ends within a record, and was rotated: `own` bytes of the chunk are its, the rest the beginning of the next file. Marks as
 * far as all that begins in the file has its end, in r->used - own bytes of the next one; or nothing. exact: all of the chunk is that.
 */
int reading_mark_over(struct reading *r, uint32_t own, bool exact);

/* For wrapped lines: how many there may be in a batch of so many bytes, and how large a chunk may become for one record. */
uint32_t wrapped_lines_in(uint64_t size, bool wide);
uint64_t wrapped_wide_chunk(const struct files *f);
