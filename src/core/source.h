/*
 * source: one place that lines come from, as the rest of the agent sees it: its name, its accounts and
 * what it says of itself. The collector that reads it embeds or points to it.
 *
 * Ownership: reference counted; the collector holds one, each batch one, and each account as long as records of it wait
 * in the spool or among the dead letters. A source is born in the registry (sources_begin) by whoever asks for it first and
 * freed by whoever lets go last. There is one for a key. All of them are one thing, with the bytes of all: there may be
 * many thousands, most of them idle, and the registry already lists them (/sources).
 *
 * Threads: `name`, `kind`, `key` never change. Counters are atomic, written by the collector. The status
 * text is behind the source's lock. Everybody may walk the registry.
 */
#pragma once

#include "core/ledger.h"

enum source_kind { SOURCE_FILE, SOURCE_JOURNAL, SOURCE_CONTAINER, SOURCE_API, SOURCE_KINDS };
const char *source_kind_name(enum source_kind kind);
/* From a key, which begins with the kind's name. -1: from none of ours. */
int source_kind_of(const char *key);

enum source_state { SOURCE_IDLE, SOURCE_READING, SOURCE_WAITING /* for memory or a sink */, SOURCE_FAILED, SOURCE_GONE };
const char *source_state_name(enum source_state state);

struct source {
    struct source *next, *prev; /* in the registry */
    struct source *chain; /* in the registry's table */
    _Atomic uint32_t refs;
    bool resumed; /* past_resume() was here; under the registry's lock */
    enum source_kind kind;
    char *key;  /* what the store knows it by: unique, stable over restarts; e.g. "file:DEV:INO:BTIME" */
    char *name; /* what a person knows it by: the path */
    _Atomic int state;
    _Atomic uint64_t read_records, read_bytes; /* dispatched; line ends not counted */
    uint64_t counted;                          /* the dispatcher's own: up to here; what is read again counts once */
    _Atomic uint64_t offset, size;             /* the reader's place and where the source ends now */
    _Atomic uint64_t cut_bytes, lost_by_rotator, rotations, truncations;
    _Atomic int64_t last_read;                 /* clock_real() */
    _Atomic bool is_away; /* what it was read from is there no more, and nothing will tell it again */
    pthread_mutex_t lock;
    char *error;         /* why it is not read, or NULL; under the lock */
    _Atomic(const char *) matched; /* the pattern or rule that found it: the configuration's */
    char *identity;      /* for the store, opaque to core: dev, ino, btime, fingerprints as text; or NULL */
    uint64_t stored;     /* the keeper's own: the commit that last wrote its row */
    struct account *accounts; /* a chain, one for each sink; it changes only while all who walk it are paused */
    struct account first[];   /* those of the sinks there were at its birth, in their order */
};

#define EACH_ACCOUNT(a, s) for (struct account *a = (s)->accounts; a; a = a->next)

/* ---- the registry ---- */
struct sink;
int sources_begin(struct scope *owner, struct sink *const *sinks, unsigned n_sinks); /* kept: must outlive it */
/*
 * While all who look at sources are paused: each source gets an account of this sink, as far as the furthest of the others,
 * or loses it. `n_sinks`: of those that sources_begin() was given, from now on. 0, or -ENOMEM and nothing is changed.
 */
int sources_add_sink(struct sink *sink, unsigned n_sinks);
void sources_remove_sink(struct sink *sink, unsigned n_sinks);
/* Nothing but what waits may be left; that is let go of. */
void sources_end(void);

/* The source of this key, with one reference more, or a new one with one reference and all positions at 0. NULL: ENOMEM. */
struct source *source_obtain(enum source_kind kind, const char *key, const char *name);
struct source *source_find(const char *key); /* a reference; NULL: there is none now */
/* True once in a source's life. */
bool source_resume_once(struct source *s);
struct source *source_ref(struct source *s);
void source_unref(struct source *s);

/* Whether it can be read again after a restart: what is in flight at the end is then not lost. */
static inline bool source_rereadable(const struct source *s)
{
    return s->kind != SOURCE_API && !atomic_load(&s->is_away);
}

struct account *source_account(const struct source *s, const struct sink *sink); /* NULL: it has none */
/* The lowest position over the sinks: where reading starts. */
struct position source_lowest(struct source *s);
/* The lowest place over the sinks up to which one was given what it wants, behind `offset`; UINT64_MAX: none is behind it. */
uint64_t source_reach(struct source *s, uint64_t offset);
/* Where reading goes on: as source_reach() from 0, but for sinks that were passed over (dispatcher.h) and have no room. */
uint64_t source_place(struct source *s);
/* The account that was given most, but for that of `sink`; NULL: there is no other. */
struct account *source_furthest(struct source *s, const struct sink *sink);

/* The highest: where one that counts its records goes on, since a batch before that would be taken for one a sink has already. */
uint64_t source_highest(struct source *s);

/* NULL for format: all is well again. */
void source_set_error(struct source *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void source_set_identity(struct source *s, const char *identity); /* copied; makes the accounts dirty */

/* Calls fn for each source under the registry's lock; fn must not call back into it. */
void sources_walk(void (*fn)(struct source *s, void *arg), void *arg);
uint64_t sources_count(void);

/* What all sources of a kind came to since this start, those that are gone too. */
struct source_totals {
    uint64_t read_records, read_bytes, cut_bytes, lost_by_rotator, rotations, truncations;
};
void sources_totals(enum source_kind kind, struct source_totals *totals);
