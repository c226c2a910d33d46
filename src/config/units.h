/*
 * units: sizes and times as people write them.
 *
 * Sizes: "48MiB", "1MB", "512", "0": KiB MiB GiB TiB are powers of 1024, kB KB MB GB TB of 1000, B and a bare
 * number are bytes. Times: "30s", "5m", "24h", "7d", "100ms", "250us", "1.5s", "1h30m", and "0".
 * A single letter such as "5M" is refused, since half the world reads it as the other one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool units_size_from(const char *text, uint64_t *bytes);
bool units_time_from(const char *text, int64_t *ns);   /* never negative */
bool units_count_from(const char *text, uint64_t *n); /* decimal digits, nothing else */

enum { UNITS_TEXT = 64 };
/* The shortest exact form that the functions above read back as the same; returns `text`. */
const char *units_size_text(uint64_t bytes, char text[UNITS_TEXT]);
const char *units_time_text(int64_t ns, char text[UNITS_TEXT]);
