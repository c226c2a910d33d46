/*
 * doc: a JSON document being written into a buf. It cannot come out malformed: commas and levels are
 * its own business, quotes and escapes codec/json.h's; what is not valid UTF-8 becomes U+FFFD.
 *
 * `key` is NULL for the elements of an array. Errors are sticky in the buf (buf.failed).
 */
#pragma once

#include <stdbool.h>

#include "base/mem.h"

struct doc {
    struct buf *out;
    bool follows; /* something stands before at this level: a comma is due */
};

void doc_object(struct doc *d, const char *key);
void doc_object_end(struct doc *d);
void doc_array(struct doc *d, const char *key);
void doc_array_end(struct doc *d);
void doc_string(struct doc *d, const char *key, const char *value); /* NULL: null */
void doc_uint(struct doc *d, const char *key, uint64_t value);
void doc_int(struct doc *d, const char *key, int64_t value);
void doc_real(struct doc *d, const char *key, double value); /* six digits, all of a whole number; not finite: null */
void doc_bool(struct doc *d, const char *key, bool value);
/* The shortest of two texts that is read back as the same number: 0.1, not 0.10000000000000001. Returns `text`. */
enum { NUMBER_TEXT = 32 };
const char *number_text(double value, char text[NUMBER_TEXT]);
/* UTC nanoseconds as RFC 3339 with milliseconds; 0 is null, for "never". */
void doc_time(struct doc *d, const char *key, int64_t ns);
/* What somebody else wrote: a whole value (key not NULL or in an array), or members of this object. */
void doc_raw(struct doc *d, const char *key, const char *json);
