/*
 * slots: the memory of birth records (birth.c): equal slots that any thread may read at any time, taken or not.
 *
 * A slot lies in a slab, which is never unmapped. Each thread takes slots from its own slabs and may give back anybody's;
 * when it ends, the next one inherits them. What lies in a slot that was given back stays until somebody takes it again,
 * or slots_trim() turns it to zeros: it gives the kernel the memory of all groups of slots of which none is taken, so that
 * a burst costs nothing once it is over but a page a slab.
 *
 * Threads: any. Nobody waits for anybody.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SLOT_BYTES = 192 };

/* What a slot begins with; the rest is its user's. */
struct slot {
    uint32_t index; /* in its slab */
};

struct slot *slot_take(void); /* NULL: ENOMEM */
void slot_give(struct slot *slot);
void slots_trim(void);

/* Calls fn for each slot that is taken, in no order; ends early when fn says false. */
void slots_walk(bool (*fn)(struct slot *slot, void *arg), void *arg);
