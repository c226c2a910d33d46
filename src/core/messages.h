/*
 * messages: makes records of wrapped lines (codec/wrapped.h), by changing marks in an unsealed batch: joins the pieces of a message, and the
 * lines of a multi-line record, for each stream by itself, however the streams are mixed.
 *
 * Pieces of a record become neighbours, connected by MORE; between lines of a multi-line record stands the newline that was the first
 * one's. Records stand in the order in which they end, and all that mark.end says is in that order too.
 *
 * A batch must not end within a record: what is taken ends at the last place that no record lies across, and the reader comes back
 * to what is behind it. So a batch is a function of its bytes and its recipe alone, and whoever reads the same bytes again, and no
 * others (MESSAGES_FLUSH), gets the same records. Where there is no such place in all that can be held at once the records that are open end
 * there, torn.
 *
 * One thread; memory only for as long as a call takes, and only when streams are mixed within a record or one is too long.
 */
#pragma once

#include "core/pipeline.h"

enum messages_end {
    MESSAGES_WAIT,  /* nothing more is there now */
    MESSAGES_MORE,  /* there is more behind the chunk */
    MESSAGES_FORCE, /* there is, and no more room for it */
    MESSAGES_FLUSH, /* nothing more will come: what is open ends */
};

struct messages {
    uint64_t max_bytes; /* a longer record becomes several, each 1 ns after the one before it; or, cut_long, a shorter one */
    bool cut_long;
    enum messages_end end;
    uint32_t least;     /* not 0: only as far as must be, to the first such place not before this byte; or nothing */

    /* What came of it. */
    uint32_t to;        /* the end of what was taken, from the chunk's start; 0: nothing was */
    bool waits;         /* behind it something is open; */
    bool for_lines;     /* and that only because a multi-line record may go on */
    bool changed;       /* bytes of the chunk were changed: newlines */
    uint32_t malformed, torn;
};

/* How many marks so many lines may need in a chunk of `size` bytes, since long records become several; and the other way round. */
uint32_t messages_marks(uint32_t lines, uint32_t size, uint64_t max_bytes);
uint32_t messages_lines(uint32_t marks, uint32_t size, uint64_t max_bytes);

/*
 * Of b->marks as wrapped_mark() made them, no more than messages_lines(). Sets b->n. 0; or -ENOMEM: the batch is as it was. tie: the
 * source's, as for pipeline_run().
 */
int messages_make(struct messages *m, struct pipeline *p, struct batch *b, struct scope *scratch, int64_t anchor,
                  struct pipeline_tie *tie);
