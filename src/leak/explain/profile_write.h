/*
 * profile_write: a profile as others read it. All add to `out`; 0 or -ENOMEM. Samples are written in the order they have.
 */
#pragma once

#include "codec/doc.h"
#include "leak/explain/profile.h"

/* For `go tool pprof`, gzipped. Each sample has its kind, and the name and age of its oldest, as labels. */
int profile_write_pprof(const struct profile *p, const struct lines *l, struct buf *out);

/*
 * As Go's `debug=1`: "goroutine profile: total N", then each stack with its count. `go tool pprof` reads it too. At
 * most `most` stacks (0: all).
 */
int profile_write_text(const struct profile *p, const struct lines *l, size_t most, struct buf *out);

/*
 * For who looks at a terminal, at most `most` stacks (0: all):
 *
 *     3 reader, the oldest "a.log" 2 h 5 min
 *         file_begin      /src/in/files/file.c:97
 */
int profile_write_plain(const struct profile *p, const struct lines *l, size_t most, struct buf *out);

/*
 * An array under `key` (NULL: of the document itself): {"count" (or the names of the values), "kind", "oldest",
 * "oldest_age_seconds", "stack": [{"function", "file", "line"}]}, at most `most` (0: all).
 */
void profile_write_json(const struct profile *p, const struct lines *l, size_t most, struct doc *d, const char *key);

