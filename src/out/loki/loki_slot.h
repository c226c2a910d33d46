/*
 * loki_slot: one place for a request in flight: its way from leases to an answer, and what an answer means (loki.h).
 *
 * A slot collects leases until they are enough or old enough, makes a request of them, and sends it span by span until
 * nothing is left of it; then it collects the next. Whenever it lets go of a body, or of its last lease, it nudges
 * loki->let_go, so that those who wait for memory go on and a sink that stops sees when it is empty.
 *
 * Thread: the sink's.
 */
#pragma once

#include "out/loki/loki.h"

int loki_slot_begin(struct loki_slot *s, struct loki *k);
void loki_slot_take(struct loki_slot *s, struct lease *l);
/* Whatever happened, this does what is to be done next. */
void loki_slot_go(struct loki_slot *s);
/* Cancels what is under way and returns all leases. */
void loki_slot_give_up(struct loki_slot *s);
static inline bool loki_slot_empty(const struct loki_slot *s)
{
    return !s->request && !s->head;
}
