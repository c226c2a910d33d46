/*
 * letter_ask: which letters somebody asks for, as JSON: the body of POST /dlq/reprocess and /dlq/purge, and what
 * `logcap dlq` sends there.
 *
 *   {"sink": "loki", "reason": "too_old", "source": "/var/log/nginx/" "**", "older_than": "24h", "ids": [7, 9], "all": true,
 *    "dry_run": true}
 *
 * Every key may be left out; all that are there must hold. Nothing, or {}, is everything: for a purge that must be said
 * (`all`). Strict: an unknown key, a wrong type, too many ids are errors. Pure; any thread.
 */
#pragma once

#include "base/mem.h"
#include "core/letters/letter_filter.h"

struct letter_ask {
    struct letter_filter filter;
    bool all, dry_run;
};

/* NULL, or what is wrong, a sentence. */
const char *letter_ask_read(struct letter_ask *ask, const char *json, size_t n);
int letter_ask_write(const struct letter_ask *ask, struct buf *out);
/* One value by its key, as text: of a query's argument or an option. NULL, or what is wrong. */
const char *letter_ask_set(struct letter_ask *ask, const char *key, const char *value);
/* Whether something restricts it. */
bool letter_ask_restricts(const struct letter_ask *ask);
