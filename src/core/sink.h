/*
 * sink: one destination, as the dispatcher and the rest of the agent see it. The types (out/) implement
 * struct sink_type; out/sinks.c knows them by name.
 *
 * Each sink has a thread with a loop, a queue of leases, a book, and counters. A lease that arrives is the
 * type's until it calls lease_secured() or lease_returned(), in order for each source.
 *
 * Life: sink_begin() builds it on main's thread; sink_start() starts the thread, which calls type->start;
 * sink_stop() shuts the queue and asks the type to let go of everything by a deadline; sink_join() waits for that;
 * then the keeper takes what the books say; sink_end() frees it.
 *
 * Another configuration: sink_hold() asks the type to let go as for a stop, but the queue stays open and leases that come
 * back are kept; after sink_join(), while all others who look at it are paused, sink_change() puts the new
 * configuration in force, or sink_go_on() leaves it as it was; sink_start() goes on with what was kept, in its order.
 * Accounts, book and counters stay. Or sink_give_up() and sink_end(), for one that is not configured any more.
 *
 * A type that cannot start (no memory, no descriptors) is tried again, at first after 10 ms, in the end each 30 s. Until
 * then the sink is failing, as /health and /stats say, and its leases wait in the queue, up to queue_size as ever.
 */
#pragma once

#include "base/thread.h"
#include "config/config.h"
#include "core/bucket.h"
#include "core/latency.h"
#include "core/ledger.h"
#include "core/repeats.h"
#include "core/room.h"

/* A metric that only sinks of one type have. */
struct sink_metric {
    const char *name, *kind, *help; /* "logcap_sink_x", "gauge" or "counter" */
    const char *label;              /* beside the sink's name; NULL: none */
    /* Any thread, once it has started: the n-th sample, from 0. false: there are no more. */
    bool (*sample)(struct sink *s, unsigned n, const char **label, double *value);
};

struct sink_type {
    const char *name;
    /* Main's thread, before sink_start() and before the keeper: reads its rows. May be NULL. 0 or -errno. */
    int (*load)(struct sink *s, struct store *store);
    void (*unload)(struct sink *s); /* main's thread: ends what load() made. NULL if that is */
    /*
     * The sink's thread. 0, or -errno with nothing left behind: it is said, and tried again; sink_set_error() may say
     * why better than the number. take() and stop() are called once it has succeeded.
     */
    int (*start)(struct sink *s);
    void (*take)(struct sink *s, struct lease *l);  /* the sink's thread */
    /*
     * The sink's thread, at shutdown: no lease will come any more. Send what can be sent, and call sink_drained()
     * when nothing is held; must have happened by `deadline` (clock_mono()), with leases returned if need be.
     */
    void (*stop)(struct sink *s, int64_t deadline);
    /* Any thread, once it has started: what it does now, for /stats; may be NULL. JSON members without braces. */
    int (*describe)(struct sink *s, struct buf *out);
    const struct sink_metric *metrics; /* ends with one without a name; may be NULL */
};

struct sink_stats { /* atomic; any thread */
    _Atomic uint64_t requests, request_errors, retries, bytes_out, records_out, rejected_records;
    _Atomic uint64_t latency_us_sum, latency_count;
    struct latency latency; /* of requests */
    _Atomic int64_t last_success; /* clock_real(), 0: never */
    _Atomic bool failing;
    _Atomic uint32_t demoted_labels; /* of a loki sink: by its limit on streams */
    _Atomic uint64_t forgotten_lines; /* repeats.h */
};

struct sink {
    struct scope scope;
    unsigned index;
    const char *name;
    const struct sink_type *type;
    const struct sink_config *config;
    const struct config *root_config;
    struct pool *pool;
    struct thread thread;
    struct loop loop;
    struct queue queue;          /* of leases on their way to the type */
    _Atomic uint64_t held;       /* cost of all batches leased to this sink */
    uint64_t share;              /* of memory: a limit for held besides queue_size */
    _Atomic int64_t progress;    /* when it last let go of a batch, or took its first; clock_mono() */
    _Atomic uint64_t leases;
    _Atomic bool passing;        /* stalled without a disk buffer: files are read on for the others (dispatcher.h) */
    _Atomic uint32_t passed;     /* accounts that were passed over and are not as far as the others yet */
    struct bucket bucket;        /* rate_limit: what the type is given; sink's thread */
    struct repeats repeats;      /* deduplicate: what the type is not given; under the thread's scope */
    struct timer refill;
    struct timer start;          /* tries again to start the type */
    int64_t start_delay;
    _Atomic bool started;
    struct qnode *kept, **last_kept; /* leases that came back while holding */
    _Atomic bool holding;
    struct nudge stop_nudge;
    int64_t stop_deadline;
    bool stop_asked; /* main's */
    bool stopping, drained;
    struct book book;
    struct letters_at *letters;  /* letters.h; NULL: what is refused is dropped */
    struct sink_stats stats;
    struct room room;            /* for those who wait until it is not full */
    struct lease *oldest, *newest; /* of the leases from sources that it has; under the book's lock */
    struct spooled *spooled;     /* its part of the spool (spooler.h); NULL: it has none */
    pthread_mutex_t lock;        /* for error */
    char error[200];             /* what the server said last; "" when all is well */
    void *state;                /* the type's own, under scope or thread.scope */
};

/* Whether the sink has room; if not, `room` (unless NULL) is nudged once it has. For the dispatcher. */
bool sink_has_room(struct sink *s, struct nudge *room);
void sink_forget(struct sink *s, struct nudge *room);
/* Memory that counted in `held` is given back. Any thread. */
void sink_let_go(struct sink *s, uint64_t cost);
uint64_t sink_limit(const struct sink *s); /* for held */
bool sink_is_full(struct sink *s);
/* Under its book's lock: a lease from a source goes to the sink. */
void sink_add_lease(struct lease *l);
/* Gives it the lease: it takes a hold on the batch. Any thread. */
void sink_hand_over(struct lease *l);

int sink_begin(struct sink *s, struct scope *owner, unsigned index, const struct sink_config *config,
               const struct config *root, const struct sink_type *type, struct pool *pool);
int sink_start(struct sink *s);
void sink_stop(struct sink *s, int64_t deadline); /* main's thread: asks; sink_end() waits */
/* Main's thread: asks; to be followed by sink_join(), sink_change() or sink_go_on(), and sink_start(). */
void sink_hold(struct sink *s, int64_t deadline);
/* The configurations must stay. `store` is for type->load; 0 or -errno of that. */
int sink_change(struct sink *s, const struct sink_config *config, const struct config *root, struct store *store);
/* Of one that goes, after sink_hold() and sink_join(), while all others are paused: what it kept comes back. sink_end() follows. */
void sink_give_up(struct sink *s);
/* As it was: with the configuration and the state that it has. */
void sink_go_on(struct sink *s);
void sink_join(struct sink *s); /* waits for its thread; the books stay until sink_end() */
void sink_end(struct sink *s);
void sink_drained(struct sink *s);
void sink_set_error(struct sink *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the sink's `match` takes this stream. */
bool sink_wants(const struct sink *s, const struct stream *stream);

/* The lease is over; the batch may be gone afterwards. The sink's thread. */
void lease_secured(struct lease *l, const struct outcome *outcome); /* NULL: all was delivered */
/*
 * The same in steps, for who lets go of a batch's memory before it is secured: lease_copy() remembers, lease_release() lets
 * go of the batch, secured_commit() ends it.
 */
void lease_copy(const struct lease *l, struct secured *out);
void lease_release(struct lease *l);
void secured_commit(struct secured *s, const struct outcome *outcome);
void lease_returned(struct lease *l);
/* Whether this mark, which is wanted, is not for the sink again (repeats.h). */
static inline bool lease_repeats(const struct lease *l, uint32_t mark)
{
    return __builtin_expect(l->repeated != NULL, 0) && l->repeated[mark / 64] >> mark % 64 & 1;
}
/* The entries of a lease that it is to have: calls it with *i = lease->first at first; false at the end. A record goes
 * over marks [*i, *next): joined by MORE. */
bool lease_next(const struct lease *l, uint32_t *i, uint32_t *next);
/* How many those are. */
static inline struct amount lease_amount(const struct lease *l)
{
    return (struct amount){l->taken.records - l->left_out.records, l->taken.bytes - l->left_out.bytes};
}
