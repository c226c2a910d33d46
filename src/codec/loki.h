/*
 * loki: a PushRequest (protobuf), written in one pass straight into memory that is already there.
 *
 *   PushRequest{1: repeated Stream}   Stream{1: labels, 2: repeated Entry}
 *   Entry{1: Timestamp{1: seconds, 2: nanos}, 2: line, 3: repeated LabelPair{1: name, 2: value}}
 * (grafana/loki pkg/push/push.proto.)
 *
 * A stream's length stands before its entries, and is known after them: it is written as a varint of
 * LOKI_LENGTH bytes, padded with continuation bits, which every protobuf decoder must take (it reads up
 * to 10). Hence a stream is at most 256 MiB. protobuf strings must be UTF-8: what is not is repaired (utf8.h).
 * Lines that are longer than `max_line` as sent are cut between two characters. Equal input gives equal bytes.
 *
 * Pure but for the encoder; one thread at a time. No allocation.
 *
 *     struct loki_encoder e = {.out = memory, .cap = size, .max_line = bytes};
 *     loki_stream_begin(&e, labels, n_labels);
 *     loki_entry(&e, time, line, len, metadata, n_metadata);   any number
 *     loki_stream_end(&e);
 *     ... send e.out[0, e.len)
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/mark.h"

enum {
    LOKI_LENGTH = 4,
    LOKI_STREAM_OVERHEAD = 1 + LOKI_LENGTH + 1 + 5, /* bytes, beside the labels */
    LOKI_ENTRY_OVERHEAD = 1 + 5 + 2 + 17 + 1 + 5,   /* bytes, beside line and metadata */
};

struct loki_encoder {
    char *out;
    size_t len, cap;
    size_t stream;   /* where the open stream's length lies; 0: none is open */
    size_t max_line; /* bytes of a line, as sent; 0: no limit */
    uint64_t cut;    /* bytes of lines that were left out so far */
};

/* Bytes that an entry takes at most, if its line is valid UTF-8; the line counts three times if it is not. */
static inline size_t loki_entry_bound(size_t line, size_t metadata)
{
    return LOKI_ENTRY_OVERHEAD + line + metadata;
}

/* labels: as loki_labels() wrote them. 0, or -ENOSPC when it does not fit: nothing was written then. */
int loki_stream_begin(struct loki_encoder *e, const char *labels, size_t n_labels);

/*
 * time: UTC ns, also before 1970. metadata: as loki_metadata() wrote it. 0; -ENOSPC when it does not fit; -EFBIG when
 * the stream would be too long: end it and begin it again. Nothing was written then, and nothing counted.
 */
int loki_entry(struct loki_encoder *e, int64_t time, const char *line, size_t len,
               const char *metadata, size_t n_metadata);

/* An entry from marks[0, n), joined. */
int loki_entry_marks(struct loki_encoder *e, int64_t time, const char *data, const struct mark *marks, uint32_t n,
                     const char *metadata, size_t n_metadata);

void loki_stream_end(struct loki_encoder *e);

struct loki_pair {
    const char *name, *value; /* NUL-terminated */
};

/* `{a="b", c="d"}`, values escaped and repaired. Bytes written (NUL behind them not counted), or -ENOSPC. */
long loki_labels(const struct loki_pair *pairs, size_t n, char *out, size_t cap);

/* Structured metadata of an entry, encoded once and copied into each entry. Bytes written, or -ENOSPC. */
long loki_metadata(const struct loki_pair *pairs, size_t n, char *out, size_t cap);
