/* dlq_show: dead letters for people (a table, one at length) and for programs (JSON lines), from a reader of the store. */
#pragma once

#include "core/letters/letter_ask.h"

enum dlq_form { DLQ_TABLE, DLQ_LONG, DLQ_JSON };

/*
 * Prints those that are meant, up to `limit`. *printed: how many. 0 or -errno. Nothing in a line or label that a terminal
 * would act on is printed as it is, but for DLQ_JSON, where JSON escapes it.
 */
int dlq_show(struct scope *scope, struct store *store, const struct letter_ask *ask, enum dlq_form form, uint64_t limit,
             uint64_t *printed);
