/*
 * stream: an immutable set of labels, interned: equal sets are one object, so pointers compare.
 *
 * Sinks decide which labels stay labels and which become structured metadata; they keep what they
 * derive from a stream under its id, which is never used twice in a process.
 *
 * Ownership: reference counted; streams_begin()/streams_end() bracket the table, which must be empty at
 * the end. Any thread: the table is behind a lock, a stream itself is read without one.
 */
#pragma once

#include "base/scope.h"
#include "config/label.h"
#include "config/limits.h"

struct stream {
    uint64_t id;
    uint32_t n;
    struct label labels[]; /* sorted by name, no name twice, no empty value */
};

int streams_begin(struct scope *owner);
void streams_end(void);
uint64_t streams_count(void);

/*
 * The stream of these labels, in any order; of a name that comes twice the last wins, empty values are
 * left out, names are made valid ('_' for what is not), values that are too long are cut at a character.
 * Labels beyond STREAM_LABELS are left out and counted. NULL: out of memory.
 */
struct stream *stream_get(const struct label *labels, size_t n);
struct stream *stream_ref(struct stream *s);
void stream_unref(struct stream *s); /* NULL is allowed */
const char *stream_value(const struct stream *s, const char *name); /* NULL: not there */
