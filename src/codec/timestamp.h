/*
 * timestamp: text to UTC nanoseconds.
 *
 * A format is strptime's, with %f for a fraction of a second of 1 to 9 digits. "auto" knows:
 *
 *   2026-11-21T03:54:00.123456Z   ISO 8601 and RFC 3339: 'T' or a space, '.' or ',', Z, +hh:mm, +hhmm or no zone
 *   2026/11/21 03:54:00           the same with slashes
 *   Nov 21 03:54:00               syslog; the year is the one that puts it nearest to `now`
 *   21/Nov/2026:03:54:00 +0000    web servers
 *   Sat Nov 21 03:54:00 2026      ctime
 *   Sat, 21 Nov 2026 03:54:00 +0000   RFC 5322
 *   1795233240, with 3, 6 or 9 digits more, or with a fraction: since the epoch
 *
 * Without a zone the time is local to the host. Any thread; no allocation. What follows the time in the
 * text is ignored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIMESTAMP_MAX = 128 }; /* bytes looked at */

/* NULL when the format can be used, else what is wrong with it. */
const char *timestamp_check(const char *format);

/*
 * now: UTC ns, for formats without a year. false: the text is no such time. unit: how finely the text tells it, from
 * 1 s to 1 ns, by its digits; may be NULL.
 */
bool timestamp_parse(const char *format, const char *text, size_t len, int64_t now, int64_t *out, int64_t *unit);
