/*
 * loki_body: the body of the request that a slot sends: its memory and its making. See loki.h for what it is.
 *
 * Reserved from the pool at its largest before it is made, then settled to what it takes. The encode buffer of the
 * sink grows as it must and is counted afterwards. Thread: the sink's.
 */
#pragma once

#include "out/loki/loki.h"

enum { LOKI_RAW_LIMIT = 1024 * 1024 * 1024 };

/* false: not now; another slot has a body, and its end will make room. */
bool loki_body_reserve(struct loki_slot *s);
/* Makes slot->send from the request's next span. 0 or -errno: release it then. */
int loki_body_make(struct loki_slot *s);
void loki_body_release(struct loki_slot *s);
/* Gives back the encode buffer. */
void loki_body_forget(struct loki *k);
