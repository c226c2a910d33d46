/*
 * entry: one entry of a batch (a record with what MORE joins to it) as a line for people or for
 * programs.
 *
 *     2026-11-21T05:07:58.123456Z {service="ssh", unit="ssh"} the line
 *     {"time":"2026-11-21T05:07:58.123456789Z","labels":{"service":"ssh","unit":"ssh"},"line":"the
 * line"}
 *
 * Both append to `out`, newline included. JSON is valid UTF-8 whatever the line holds: what is not
 * UTF-8 becomes U+FFFD. Errors: 0, -ENOMEM, -EFBIG; `out` is then as long as it was.
 */
#pragma once

#include "base/mem.h"
#include "core/batch.h"

/* The entry over marks [i, next). */
int entry_text(struct buf *out, const struct batch *b, uint32_t i, uint32_t next);
int entry_json(struct buf *out, const struct batch *b, uint32_t i, uint32_t next);
