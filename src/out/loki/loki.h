/*
 * loki: the sink that pushes to Grafana Loki (POST /loki/api/v1/push, protobuf in a snappy block).
 *
 * One thread, one loop. `workers` are slots: places for a request in flight, not threads; encoding is so much faster
 * than a server's answer that one thread fills any number of them, with one encode buffer between them all.
 * A source always goes to the same slot and a slot has one request under way, so what one source says arrives in its order.
 * A slot collects leases until they hold batch_size bytes, or batch_timeout after the first.
 *
 * What an answer means (Loki's pkg/distributor and pkg/loghttp/push):
 *   2xx                   the entries are secured
 *   260                   a 2xx that says: blocked by policy. Streams are tried one by one; what is refused is a dead letter
 *   429, 408, 5xx, none   tried again, for ever unless max_retries says otherwise (retry.h), from backoff_min to
 *                         backoff_max. After 429, 408, 504 and timeouts in smaller pieces (batching.h)
 *   413                   halved; a single entry that is too large becomes a dead letter
 *   400                   the valid entries were stored. The rest is found by halving with the same bytes (Loki stores an
 *                         entry once), or at once when the answer says that all were refused: dead letters
 *   anything else         401, 403, 404, redirects: configuration, or a gateway's outage. Kept, tried again each
 *                         backoff_max, and said as an error
 * Where there are no dead letters (core/letters/letters.h) those are dropped, DROP_INVALID in the ledger; bytes cut from lines over
 * max_line_bytes are DROP_TOO_LONG.
 *
 * The circuit breaker (breaker.h) counts what is said to be tried again as failures, but for 429: Loki says that of one
 * stream or tenant and is well, and what is refused so waits by itself. All else is a success: the server is there. While
 * it is open the slots hold their requests, without bodies and without timers, and go on when it lets them.
 *
 * compression: none sends a snappy block that is one literal (Loki's protobuf endpoint takes nothing else): six bytes
 * more than the message itself, which is encoded right behind them, so that nothing is copied.
 *
 * Memory: the encode buffer and the bodies in flight are reserved from the pool before they are made. One request always may
 * proceed, whatever the pool says, since its leases are what fills the pool; the others wait until one is done. All is
 * given back after LOKI_IDLE without a request.
 *
 * Stop: what was collected is sent as far as the deadline allows; who waits to try again gives up; the rest is returned.
 *
 * Once after a kill: a first send waits until the intents of its leases are stored (core/intents.h), and what an earlier process
 * sent is encoded by the rules of then (loki_rules.h).
 *
 * loki.c is the sink type and what slots share, loki_slot.c a slot's way, loki_pace.c when and how much they send,
 * loki_request.c which entries are still to be sent, loki_body.c the bytes, loki_rules.c and loki_streams.c the labels.
 */
#pragma once

#include "core/sink.h"
#include "net/http.h"
#include "out/loki/loki_pace.h"
#include "out/loki/loki_request.h"
#include "out/retry.h"

#define LOKI_IDLE (2 * SECOND)
/* How long a first send waits for its intents: a commit takes less than a millisecond, unless the disk hangs. */
#define LOKI_PATIENCE (2 * SECOND)

struct loki;

struct loki_slot {
    struct loki *loki;
    struct qnode *head, **tail; /* leases that were collected */
    uint64_t bytes;           /* of what was collected */
    bool due;                 /* batch_timeout is over, or the sink stops */
    struct timer collect, retry;
    struct loki_request *request; /* under way */
    struct buf body;
    uint64_t reserved; /* from the pool, for the body */
    const char *send;  /* in the body */
    size_t send_n;
    struct http_request http;
    struct retry failures;
    uint64_t ticket; /* the breaker's, while a request is on its way */
};

struct loki {
    struct scope scope;
    struct sink *sink;
    const struct loki_config *config;
    struct http_options options;
    struct http http;
    struct loki_rulebook rules;
    struct buf raw;
    uint64_t raw_reserved;
    struct timer idle, deadline;
    struct timer patience; /* of those who wait for their intents */
    struct nudge let_go; /* some slot let go of memory, or of its last lease; or the breaker lets them go on */
    struct retry_limits retry_limits;
    struct loki_pace pace;
    bool stopping, complained;
    struct timer calm;           /* since entries were refused the last time; see loki_say.h for these three */
    unsigned refused_for;        /* a bit for each enum letter_code that was said */
    uint64_t refused;            /* entries, since the first of them was said */
    uint64_t random;
    /* For describe(), which any thread calls. */
    _Atomic unsigned in_flight, retrying;
    _Atomic int last_status;
    _Atomic uint64_t demoted; /* entries that were accepted without a label that max_streams took */
    _Atomic uint64_t times[TIMES_VERDICTS]; /* entries, by what was found of their times */
    _Atomic int64_t next_try; /* clock_mono() */
    unsigned n_slots, first_slot; /* first_slot: whose turn it is, modulo n_slots */
    struct loki_slot slots[];
};

extern const struct sink_type loki_sink;

/* For tests: "address:port" of a DNS server instead of the system's; "" again for those. Before sinks start. */
void loki_set_dns_servers(const char *servers);
