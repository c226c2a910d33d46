/*
 * tap: a look at the records that pass, for people who watch. It may miss some, and counts them; it never holds anybody up.
 *
 * dispatch() shows each batch to the tap that its dispatcher has, which is none while nobody looks: that costs one branch a batch.
 * What fits is copied into a bounded buffer, which the one who looks takes away whole every now and then. A batch gets at
 * most half of the room that is left, so that a loud source leaves some to a quiet one; sources that nobody asked for get
 * none. So the cost for the agent is bounded by TAP_BYTES for each tap_take(), however much passes.
 *
 * Ownership: the agent's, and outlives whoever dispatches; its memory is there only while it is open.
 * Threads: tap_put() on any, the rest on one. The lock is held for the copying of at most TAP_BYTES.
 */
#pragma once

#include <pthread.h>

#include "core/batch.h"

enum {
    TAP_BYTES = 256 * 1024,
    TAP_LINE = 4096, /* bytes of a record that are shown; the rest is cut off */
    TAP_NAME = 256,
    TAP_PATTERNS = 32,
};

/* A record as copied. The bytes follow it, then come `name_n` of the source's name; the next one begins at the next 8. */
struct tapped {
    int64_t time; /* UTC ns */
    uint32_t n, whole; /* bytes shown; bytes that it has */
    uint16_t name_n, kind;
};

/* What passed in sources that are looked at since the last tap_take(). */
struct tap_counts {
    uint64_t passed, missed; /* records; missed are those of passed that are not in the buffer */
};

struct tap {
    pthread_mutex_t lock;
    char *filling, *taken; /* TAP_BYTES each, NULL while closed; `filling` and what follows under the lock */
    uint32_t used;
    struct tap_counts counts;
    const char *patterns[TAP_PATTERNS]; /* globs (codec/glob.h) or whole names of sources; the opener's */
    unsigned n_patterns;                /* 0: all */
};

struct dispatcher;

void tap_begin(struct tap *t);
void tap_end(struct tap *t); /* closed before */

/* From now on its dispatcher shows it what passes. 0 or -ENOMEM. The memory is born under `owner`. */
int tap_open(struct tap *t, struct scope *owner, struct dispatcher *d);
void tap_close(struct tap *t, struct dispatcher *d); /* nothing when not open */
/* Replaces what is looked at; the strings must stay until the next call. */
void tap_select(struct tap *t, const char *const *patterns, unsigned n);

/* Whether a source of this name is meant. */
bool tap_wants(const char *const *patterns, unsigned n, const char *name);

/* For dispatch(): a batch with so many records, joined ones counted once. */
void tap_put(struct tap *t, const struct batch *b, uint64_t records);
/* All that was copied since the last call, valid until the next one. The bytes in *n; never NULL while open. */
const char *tap_take(struct tap *t, uint32_t *n, struct tap_counts *counts);
/* The record at *at, which moves on; NULL at the end. */
const struct tapped *tap_next(const char *data, uint32_t n, uint32_t *at);
static inline const char *tapped_text(const struct tapped *r)
{
    return (const char *)(r + 1);
}
static inline const char *tapped_name(const struct tapped *r)
{
    return tapped_text(r) + r->n;
}
