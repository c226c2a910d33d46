/*
 * reading: what is known while one batch of a file is read and marked; the parts of tail share it. Only for them.
 *
 *   tail.c           reads, and hands over
 *   tail_lines.c     marks bare lines
 *   tail_wrapped.c   marks a container's log
 */
#pragma once

#include "core/past.h"
#include "in/files/followed_internal.h"
#include "in/files/outlets.h"

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
static inline bool reading_is_plain(const struct reading *r)
{
    return r->file->reader->plain;
}

/* A multi-line record may be flushed earlier than a line without an end. */
static inline bool reading_partial_is_due(const struct reading *r)
{
    return r->file->flush && clock_mono() - r->file->grown >= r->f->options->partial_flush;
}

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
