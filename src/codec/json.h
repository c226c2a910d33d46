/*
 * json: writing strings and numbers of JSON (RFC 8259) into a buf, and reading it without allocation.
 *
 * The reader is a pull scanner over bytes that stay the caller's: each call gives the next token, in the order of
 * the text. It is strict (no comments, no trailing commas, no NaN, nothing behind the value), bounded in
 * depth, and says at which byte an error is. Strings are given as they stand, between the quotes, checked
 * (valid UTF-8, complete escapes, surrogates in pairs); json_unescape() turns them into UTF-8.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* Adds `"text"` with quotes and escapes; invalid UTF-8 is repaired (utf8.h). 0, or as buf_add(), and nothing is added. */
int json_add_string(struct buf *out, const char *text, size_t n);
int json_add_cstring(struct buf *out, const char *text);

enum json_type {
    JSON_ERROR,
    JSON_END, /* behind the value */
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

enum { JSON_DEPTH = 64 };

struct json {
    const char *data;
    size_t size, at;
    enum json_type type;
    const char *text; /* keys and strings: between the quotes; numbers: their digits */
    size_t len;
    bool escaped; /* keys and strings: text has escapes */
    unsigned depth;
    uint64_t objects; /* one bit a level: an object, else an array */
    uint8_t state;
    const char *error; /* of JSON_ERROR; `at`: the offending byte (of a string that is not UTF-8 or has no end: its first) */
};

void json_begin(struct json *j, const char *data, size_t size);

/* The next token. After JSON_ERROR and JSON_END: the same again. */
enum json_type json_next(struct json *j);

/* Behind JSON_OBJECT_BEGIN, JSON_ARRAY_BEGIN: reads to its end. Behind JSON_KEY: reads over its value. Else nothing. */
bool json_skip(struct json *j);

/* Whether the key or string is `text` (without escapes). */
bool json_is(const struct json *j, const char *text);

/* Writes the text of a key or string, at most j->len bytes, to `out` (which may be j->text); returns how many. */
size_t json_unescape(const struct json *j, char *out);

/* The number as an integer; false when it has a fraction or exponent, or does not fit. */
bool json_int(const struct json *j, int64_t *value);
