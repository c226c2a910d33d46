/*
 * loki_encode: Loki's push request as protobuf, written straight from marks into one buffer.
 *
 *     PushRequest { 1: repeated Stream { 1: labels; 2: repeated Entry { 1: Timestamp { 1: s; 2: ns }; 2: line; 3: metadata } } }
 *
 * (pkg/push/push.proto of Loki.) The length of a stream is written into five bytes once it is known: a varint with
 * leading zero groups, which every decoder takes. Bytes depend on the records alone, so a record that is sent again is
 * the same to the byte, and Loki stores it once.
 *
 * Lines: pieces that MORE joins become one line; invalid UTF-8 becomes U+FFFD, a byte each; what exceeds max_line
 * bytes is cut off at a character and counted in `cut_bytes`.
 *
 * Errors are sticky: `failed` is -ENOMEM or -EFBIG and looked at once, at the end.
 */
#pragma once

#include "base/mem.h"
#include "core/batch.h"

struct loki_encoder {
    struct buf *out;
    struct buf *joined; /* scratch for records of several pieces */
    size_t max_line;
    size_t stream_at; /* of the open stream's length; 0: none open */
    uint64_t cut_bytes, entries;
    int failed;
};

void loki_encode_begin(struct loki_encoder *e, struct buf *out, struct buf *joined, size_t max_line);
void loki_encode_stream(struct loki_encoder *e, const char *labels, size_t n); /* ends the one before */
/* The record over marks [i, next); metadata: encoded fields 3. */
void loki_encode_entry(struct loki_encoder *e, const struct batch *b, uint32_t i, uint32_t next,
                       const char *metadata, size_t metadata_n);
int loki_encode_end(struct loki_encoder *e); /* 0 or `failed` */

/* How many bytes of the record would be cut off. */
uint64_t loki_cut(struct loki_encoder *e, const struct batch *b, uint32_t i, uint32_t next);

/* One LabelPair as field 3 of an Entry, appended. */
int loki_encode_pair(struct buf *out, const char *name, const char *value);

/* Length of the longest valid UTF-8 prefix. */
size_t loki_utf8_valid(const char *text, size_t n);
