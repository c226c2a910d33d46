/*
 * past: what the store knew when this process started: sources with identities and positions, and the spans of them that were
 * sent and may not have arrived (intents.h).
 *
 * Read once, before the keeper starts; immutable but for `claimed` and `spans`, which are the collector's that recognised the
 * source, for what a sink that comes or goes changes, and the counts of a source that ends, which are left here (under the
 * registry's lock) for when it comes back. Owned by the scope given; it outlives the sources.
 */
#pragma once

#include "core/source.h"
#include "store/store.h"

/* At one sink. */
struct past_at {
    bool known; /* has a position */
    struct position position;
    struct counts counts;
    uint64_t intended; /* as an account's */
};

/* To be read again exactly as it was, as one batch. It lives as long as the past does. */
struct past_span {
    struct past_span *next; /* behind it; none overlap */
    uint64_t from, to;
    struct recipe recipe;  /* its settings are `settings` instead */
    const char *settings;  /* of the source */
    const char *const *sinks; /* past.sink_names */
    unsigned n_sinks;
    const char *sent_with[]; /* by their index; NULL: not sent to that one */
};

struct past_source {
    struct past_source *next; /* in the list of all */
    const char *key, *name, *identity; /* identity may be NULL */
    int64_t seen;
    bool claimed;
    struct past_span *spans; /* that were not read yet */
    struct past_at at[]; /* in the order of past.sinks */
};

struct past {
    struct past_source *all;
    size_t n;
    struct sink *sinks[SINKS_MAX]; /* of the indices; NULL: it was removed since */
    const char *sink_names[SINKS_MAX];
    unsigned n_sinks;
    bool has_spans;      /* some source has */
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
void past_resume(const struct past *past, struct past_source *p, struct source *s);
/* The same for the collector that recognised it, also when the spool had it before. Sets claimed. */
void past_claim(const struct past *past, struct past_source *p, struct source *s);
/*
 * The span that begins at `offset` or is the next one behind it; NULL: there is none, what follows was never sent. Those that
 * begin before are forgotten. past_span_read() takes it off when it is dispatched, or cannot be read any more.
 */
const struct past_span *past_span_at(const struct past *p, const struct source *s, uint64_t offset);
void past_span_read(const struct past *p, const struct source *s, const struct past_span *span);
/* What it was sent with to the sink of this name; NULL: it was not. */
const char *past_span_sent_with(const struct past_span *span, const char *sink);

/*
 * A sink that comes while the agent runs, after sources_add_sink(), while all others are paused: its accounts get what the
 * store has of it. At files it goes on where it was, at other sources where the furthest of the other sinks is. Sources of
 * which something waits for it are obtained. 0 or -errno. past_leave(): one that goes.
 */
int past_rejoin(struct past *p, struct store *store, struct sink *sink);
void past_leave(struct past *p, const struct sink *sink);

/*
 * Obtains the sources of which records wait in the spool or among the dead letters, so that their accounts are there; they
 * stay as long as something waits. Before the keeper. 0 or -ENOMEM.
 */
int past_obtain_waiting(const struct past *p);
