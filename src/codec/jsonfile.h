/*
 * jsonfile: Docker's json-file, one object a line:
 *
 *     {"log":"text\n","stream":"stdout","attrs":{"tag":"web"},"time":"2026-11-21T10:50:09.123456789Z"}
 *
 * A text without "\n" at its end is a piece: the daemon splits messages at 16 KiB. `attrs` (of --log-opt labels, env, tag) are the same
 * for all lines of a container and are passed over. Keys may come in any order, unknown ones are passed over; without `log`, `stream`
 * or `time`, or when it is no JSON, the line is not in the form. Source: moby/daemon/logger/jsonfilelog/jsonlog.
 *
 * Texts are unescaped where they lie. A lone surrogate (which Docker never writes) becomes U+FFFD.
 */
#pragma once

#include "codec/wrapped.h"

/* As wrapped_mark(). */
uint32_t jsonfile_mark(char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed, bool *changed);
