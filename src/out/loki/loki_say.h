/*
 * loki_say: what is said of how a Loki sink fares: in the log once when it begins to fail and once when it works again,
 * in the sink's error and its counters each time. Thread: the sink's.
 *
 * Entries that are refused fail nothing, and one request after the other may have some: the log has the first ones for
 * each reason (enum letter_code), and when LOKI_CALM has passed without any, how many they were.
 */
#pragma once

#include "out/loki/loki.h"

#define LOKI_CALM (1 * MINUTE)

int loki_say_begin(struct loki *k);

/* loud: nothing will be delivered until a person acts; it is tried again each `delay` ns. */
void loki_say_failing(struct loki *k, bool loud, const char *why, int64_t delay);
void loki_say_working(struct loki *k);
void loki_say_refused(struct loki *k, uint32_t entries, enum letter_code code, const char *why);
