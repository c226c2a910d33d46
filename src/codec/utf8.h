/*
 * utf8: is it UTF-8, and what to do when it is not (RFC 3629: no surrogates, nothing overlong, up to U+10FFFF).
 *
 * An invalid sequence becomes one U+FFFD (EF BF BD) for each maximal part of a character, as the Unicode
 * Standard recommends and browsers do: never less, so equal input gives equal output. NUL is valid.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const char *data, size_t n);

/* Bytes that `data` has after the repair: n if it is valid, at most 3 * n. */
size_t utf8_repaired_size(const char *data, size_t n);

/*
 * The longest prefix that ends between characters and has at most `max` bytes after the repair; *size is what it has
 * then. A character that starts within the first `max` bytes is judged whole: data[0, max + 3) decide.
 */
size_t utf8_fit(const char *data, size_t n, size_t max, size_t *size);

/*
 * Writes the repaired text to `out`, which has room for utf8_repaired_size() bytes; returns how many. `out` may
 * overlap `data` if it begins before it by at least what the repair adds.
 */
size_t utf8_repair(const char *data, size_t n, char *out);

/* The largest length up to `max` that does not cut a character of data[0, n) in two. Invalid bytes are cut anywhere. */
size_t utf8_cut(const char *data, size_t n, size_t max);
