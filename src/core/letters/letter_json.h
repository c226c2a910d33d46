/*
 * letter_json: a dead letter as one JSON object, as /dlq, `logcap dlq show` and `export` give it: everything that is needed
 * to send it again elsewhere.
 *
 *   {"id":7,"sink":"loki","source":"/var/log/a.log","source_key":"file:...","place":120,"reason":"too_old","says":"...",
 *    "refused_at":"...","tried_at":"...","attempts":1,"next_try":null,"time":"2026-11-21T05:07:58.123456789Z",
 *    "time_ns":"1795237678123456789","labels":{"job":"a"},"line":"...","line_base64":"..."}
 *
 * line_base64 is there when the line is not UTF-8: `line` is then repaired, and this is what it was, to the byte. time_ns is a
 * string because many readers of JSON keep 53 bits of a number. Without labels and line (a row that was read without
 * them) `bytes` says how long the line is. Any thread.
 */
#pragma once

#include "base/mem.h"
#include "store/store_letters.h"

int letter_json(struct buf *out, const struct store_letter *l); /* 0 or as buf_add() */
/* UTC with nanoseconds, RFC 3339. */
enum { LETTER_TIME = 40 };
const char *letter_time(int64_t ns, char text[LETTER_TIME]);
