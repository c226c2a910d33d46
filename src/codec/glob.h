/*
 * glob: shell patterns over whole paths.
 *
 *   *       any characters but '/'           ?     one character but '/'
 *   **      any characters, '/' too; where a component of the path begins, it and the '/' behind it
 *           may stand for nothing: no directory at all
 *   [a-z]   one of, [!a-z] or [^a-z] none of; never '/'
 *   {a,b}   either; they nest                \x    x itself
 *
 * A pattern without '/' is matched against the path's base name. A leading dot is nothing special.
 *
 * Pure; any thread; no allocation. The pattern is run as a set of states, so that a match costs at most
 * (bytes of path) * (bytes of pattern) steps, whatever the pattern. Bytes, not characters, are matched: '?'
 * takes one byte of a UTF-8 sequence.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { GLOB_MAX = 1024 }; /* bytes of a pattern */

/* NULL when the pattern is right, else what is wrong with it ("'[' without ']'"). */
const char *glob_check(const char *pattern);

/* false too for a pattern that is not right. */
bool glob_match(const char *pattern, const char *path);

/*
 * The directory below which everything lies that an absolute pattern can match, without a trailing '/': "/var/log"
 * for "/var/log/a*", "/" for "/a*", "" for a relative pattern that begins with a wildcard. Escapes are
 * resolved. Returns out, or NULL when it does not fit.
 */
char *glob_root(const char *pattern, char *out, size_t size);
