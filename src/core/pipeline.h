/*
 * pipeline: gives records their time and joins lines to multi-line records, by changing marks in an
 * unsealed batch. One for each group of files; immutable after pipeline_new(), used by the collector's thread.
 *
 * Time: what the group's timestamp regex finds; else, and where it does not match, the batch's anchor plus
 * the record's offset in the batch (mark.off) in nanoseconds, so that no two records of a source share a time.
 */
#pragma once

#include "config/config.h"
#include "core/batch.h"

struct pipeline;

/* NULL: `error` says what is wrong with a regex or format, and where. */
struct pipeline *pipeline_new(struct scope *owner, const struct files_group *group, struct buf *error);

/*
 * Works on all marks of the batch; those that MORE connects are one line with one time. With multiline, the last record
 * may go on in what is not read yet: unless `flush`, it is taken out of the batch (b->n and b->to shrink, to where it
 * begins) and 1 is returned; the reader comes back to it when more bytes are there or multiline.timeout is over. A record
 * never exceeds max_lines or `max_bytes` (but for pieces of one line, which stay together), nor what the batch has marks
 * for. anchor: UTC ns, greater than any time this source got from an anchor before.
 */
int pipeline_run(struct pipeline *p, struct batch *b, int64_t anchor, uint64_t max_bytes, bool flush);
bool pipeline_is_multiline(const struct pipeline *p);
