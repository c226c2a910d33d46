/*
 * past: what the store knew when this process started: sources with identities and positions.
 *
 * Read once, before the keeper starts; immutable but for `claimed`, which the collector that recognised the
 * source sets. Owned by the scope given.
 */
#pragma once

#include "core/source.h"
#include "store/store.h"

/* At one sink. */
struct past_at {
    bool known; /* has a position */
    struct position position;
    struct counts counts;
};

struct past_source {
    struct past_source *next; /* in the list of all */
    const char *key, *name, *identity; /* identity may be NULL */
    int64_t seen;
    bool claimed;
    struct past_at at[]; /* in the order of past.sinks */
};

struct past {
    struct past_source *all;
    size_t n;
    struct sink *sinks[SINKS_MAX]; /* of the indices */
    unsigned n_sinks;
    bool store_was_lost; /* neither database nor fallback file: older files are read from their beginning */
    struct past_source **slots; /* by hash of key */
    size_t mask;
};

struct past *past_load(struct scope *owner, struct store *store, struct sink *const *sinks, unsigned n_sinks);
struct past_source *past_find(const struct past *p, const char *key); /* NULL: never seen */
/*
 * Gives a source its positions and counters, once in its life. A sink that was not there before begins where the
 * furthest of the others is: it gets what comes from now on.
 */
void past_resume(const struct past *past, const struct past_source *p, struct source *s);
/* The same for the collector that recognised it, also when the spool had it before. Sets claimed. */
void past_claim(const struct past *past, struct past_source *p, struct source *s);
/*
 * Obtains the sources of which records wait in the spool or among the dead letters, so that their accounts are there; they
 * stay as long as something waits. Before the keeper. 0 or -ENOMEM.
 */
int past_obtain_waiting(const struct past *p);
