/* What the files of letters.h share. Nobody else includes it. */
#pragma once

#include "core/letters/letters.h"
#include "core/source.h"

enum {
    ROUND_LETTERS = 512,
    ROUND_GROUPS = 32,
    ROUND_BYTES = 1 << 20,
    PAGE_ROWS = 2000,   /* looked at in one go */
    PURGE_LETTERS = 1000, /* in one commit */
    OTHERS = SINKS_MAX, /* the place of sinks that are not configured now */
};

/* Entries of one lease that were refused for one reason. */
struct refused {
    struct refused *next;
    struct letters_at *at;
    struct batch *batch; /* held */
    uint64_t held;       /* of sink->held */
    enum letter_code code;
    int64_t when;
    struct letter_tally written, again; /* by the last try to commit; again: were letters already */
    char says[LETTER_SAYS];
    uint32_t n, cap;
    struct {
        uint32_t mark, next;
    } entries[];
};

/* A letter that is on its way to its sink again, or to nowhere. */
struct letter_ref {
    int64_t id;
    uint64_t bytes, size, attempts;
    enum letter_code code, new_code;
    uint16_t group;
    uint32_t mark;      /* in its group's batch */
    bool refused, gone; /* again; while its row was away */
    struct source *source; /* of what is purged: a reference, or NULL */
    unsigned sink;
};

enum group_state { GROUP_AWAY, GROUP_BACK, GROUP_COMMITTING, GROUP_OVER };

/* Letters of one source in one batch: what one lease is about. */
struct letter_group {
    struct source *source; /* a reference while it is being made */
    struct batch *batch;   /* while it is being made */
    struct account *account;
    uint64_t bytes;
    uint32_t n;
    _Atomic enum group_state state; /* a sink sets it under that lock; the keeper looks at all without it */
    struct refused *refused; /* under the book's lock while the lease is away */
};

struct letter_round {
    struct job *job; /* NULL: by itself */
    unsigned n, n_groups;
    struct letter_ref refs[ROUND_LETTERS];
    struct letter_group groups[ROUND_GROUPS];
};

/* One a sink. */
struct letters_at {
    struct book_rows rows;
    struct origin origin;
    struct letters *letters;
    struct sink *sink;
    _Atomic bool keeps;       /* what is refused; else only what is there already */
    struct scope scope;       /* of what is refused; it and the next two under the book's lock */
    struct refused *pending;  /* secured since the last commit */
    struct refused *writing;  /* the store's thread: in the commit being made */
    struct letter_round *round; /* the store's thread, but for what groups say */
    bool idle;                /* nothing was due at the last look */
};

struct job {
    struct job *next; /* older */
    struct letter_job is;
    struct letter_filter filter;
    int64_t until;
    int64_t cursor[SINKS_MAX + 1]; /* by sink; the last for a purge */
    bool over[SINKS_MAX];
};

struct letters {
    struct scope scope;
    struct keeper_guest guest;
    const struct config *config;
    struct pool *pool;
    struct store *store;
    struct sink *const *sinks;
    unsigned n_sinks;
    struct letters_at at[SINKS_MAX]; /* by the sinks' index */

    /* The store's thread. */
    struct loop *loop;
    struct nudge wake;
    struct timer tick;
    struct pool_waiter memory;
    struct letter_ref *removals; /* PURGE_LETTERS of them */
    unsigned n_removals;
    struct job *removals_of;     /* NULL: the limits */
    bool scheduled;              /* what was there got its next_try */
    uint64_t generation;
    int64_t purge_after;         /* ages are looked at then; clock_mono() */

    pthread_mutex_t lock; /* for what follows, and jobs' `is` */
    struct letter_numbers numbers;
    struct letters_alert alert;
    struct job *jobs; /* newest first; filled in by who asks, else the store's thread's */
    unsigned n_jobs;
    struct scope jobs_scope;
    uint64_t last_job;
};

static inline struct letters_at *at_sink(const struct letters *l, unsigned i)
{
    return l->sinks[i]->letters;
}

/* letters.c */
void letters_want_commit(struct letters *l);
int64_t letters_next_try(const struct letters *l, uint64_t attempts, int64_t now);
void letters_count(struct letters *l, unsigned sink, enum letter_code code, int64_t letters, uint64_t bytes, uint64_t size);
unsigned letters_sink(const struct letters *l, const char *name); /* OTHERS: none of ours */

/* letters_refused.c */
void refused_free(struct refused *list); /* no book's lock is held */
int refused_write(struct refused *r, struct store *store);

/* letters_round.c: one commit's work on a round, and the next round. */
void round_put(struct letters_at *at); /* the book's lock is held */
int round_write(struct letters_at *at, struct store *store);
void round_stored(struct letters_at *at);
void round_free(struct letters_at *at);
bool round_has(const struct letters_at *at, int64_t id);
/* True when it should be called again soon. */
bool round_start(struct letters_at *at);
extern const struct origin round_origin;

/* letters_jobs.c */
void purge_step(struct letters *l);
int purge_write(struct letters *l, struct store *store);
void purge_stored(struct letters *l);
struct job *job_for(struct letters *l, enum letter_verb verb, unsigned sink); /* the oldest that has work there */
void jobs_settle(struct letters *l); /* ends those that have no more */

/* letters_load.c */
int letters_load(struct letters *l, const struct past *past);
/* What is there, after a sink came. */
int letters_count_anew(struct letters *l, const struct past *past);
/* The database was begun anew: what was in the old one is gone. */
void letters_lost(struct letters *l);
