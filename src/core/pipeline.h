/*
 * pipeline: gives records their time and joins lines to multi-line records, by changing marks in an
 * unsealed batch. One for each group of files; immutable after pipeline_new(), used by the collector's thread.
 *
 * Time: what the group's timestamp regex finds; else, and where it does not match, the batch's anchor plus
 * the record's offset in the batch (mark.off) in nanoseconds, so that no two records of a source share a time.
 *
 * A time that was found is told apart from an equal one (Loki stores equal lines of one time once) without becoming
 * another to its reader: the record's place in the source is added as nanoseconds, modulo what the text leaves open. So
 * within one second of a text that tells seconds, records keep their order over a GB, and are the same for the same bytes
 * however they are read. Where the text leaves less open than it takes (it tells nanoseconds, or the place comes round),
 * the next equal one in a row gets 1 ns more. What is left: equal lines of one nanosecond that are no neighbours.
 */
#pragma once

#include "config/config.h"
#include "core/batch.h"

struct pipeline;

/* What a source's last record got, for the next one. */
struct pipeline_tie {
    int64_t found; /* UTC ns, with the place in it */
    uint32_t n;    /* how many before it, in a row, found the same */
};

/* NULL: `error` says what is wrong with a regex or format, and where. */
struct pipeline *pipeline_new(struct scope *owner, const struct files_group *group, struct buf *error);

/*
 * Works on all marks of the batch; those that MORE connects are one line with one time. With multiline, the last record
 * may go on in what is not read yet: unless `flush`, it is taken out of the batch (b->n and b->to shrink, to where it
 * begins) and 1 is returned; the reader comes back to it when more bytes are there or multiline.timeout is over. A record
 * never exceeds max_lines or `max_bytes` (but for pieces of one line, which stay together), nor what the batch has marks
 * for. anchor: UTC ns, greater than any time this source got from an anchor before. tie: the source's, zeroed at first.
 */
int pipeline_run(struct pipeline *p, struct batch *b, int64_t anchor, struct pipeline_tie *tie, uint64_t max_bytes,
                 bool flush);
bool pipeline_is_multiline(const struct pipeline *p);

/* ---- for wrapped lines (messages.h) ---- */

/* Whether this line begins a record. Multi-line only. */
bool pipeline_begins(struct pipeline *p, const char *text, size_t len);
uint32_t pipeline_max_lines(const struct pipeline *p);
/*
 * The time of a record whose first line is `m`: what the regex finds in it, else m->time; of one that has none (WRAPPED_NO_TIME) that of the
 * record before. Equal ones in a row are told apart as above.
 */
int64_t pipeline_time(struct pipeline *p, const struct batch *b, const struct mark *m, int64_t anchor, struct pipeline_tie *tie);
