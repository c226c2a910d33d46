#include "out/loki_slot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "out/loki_body.h"
#include "out/loki_say.h"

static const struct task_kind send_kind = {.name = "loki_send", .max_age = 10 * MINUTE};

#define RETRY_AFTER_MOST (1 * HOUR)

static void release_body(struct loki_slot *s)
{
    loki_body_release(s);
    nudge_set(&s->loki->let_go);
}

/* ---- trying again ---- */

static uint64_t next_random(struct loki *k)
{
    k->random ^= k->random << 13;
    k->random ^= k->random >> 7;
    k->random ^= k->random << 17;
    return k->random;
}

/* Full jitter: anything between the least and what the number of failures allows. */
static int64_t backoff(struct loki_slot *s)
{
    const struct loki_config *c = s->loki->config;
    int64_t most = c->backoff_min;
    for (unsigned i = 0; i < s->attempt && most < c->backoff_max; i++)
        most *= 2;
    if (most > c->backoff_max)
        most = c->backoff_max;
    s->attempt++;
    return c->backoff_min + (int64_t)(next_random(s->loki) % (uint64_t)(most - c->backoff_min + 1));
}

static void end_request(struct loki_slot *s, void (*how)(struct loki_request *))
{
    release_body(s);
    how(s->request);
    s->request = NULL;
}

static void try_again(struct loki_slot *s, int64_t delay, bool loud, const char *why)
{
    struct loki *k = s->loki;
    loki_say_failing(k, loud, why, delay);
    if (k->stopping) {
        loki_slot_give_up(s);
        return;
    }
    atomic_fetch_add(&k->retrying, 1);
    atomic_store(&k->next_try, clock_mono() + delay);
    timer_set(&s->retry, delay);
}

/* ---- the answer ---- */

static void refused(struct loki_slot *s, const char *why, bool only_streams)
{
    if (loki_request_split(s->request, only_streams))
        return;
    loki_say_dropped(s->loki, loki_request_drop(s->request, DROP_INVALID), why);
}

static void refused_in_part(struct loki_slot *s, const struct http_answer *a)
{
    struct span span = loki_request_next(s->request);
    if (loki_refused_all(a->body, span.to - span.from, loki_request_single_stream(s->request)))
        loki_say_dropped(s->loki, loki_request_drop(s->request, DROP_INVALID), a->body);
    else
        refused(s, a->body, false);
}

static void accepted(struct loki_slot *s)
{
    struct sink_stats *stats = &s->loki->sink->stats;
    atomic_fetch_add(&stats->bytes_out, s->send_n);
    atomic_fetch_add(&stats->records_out, loki_request_accepted(s->request));
    loki_say_working(s->loki);
}

static void failed(struct loki_slot *s, const struct http_answer *a)
{
    char why[160];
    int status = a->status;
    bool passing = status == 0 || status == 408 || status == 429 || status >= 500;
    atomic_fetch_add(&s->loki->sink->stats.request_errors, 1);
    if (status == 0)
        snprintf(why, sizeof why, "%s", a->error);
    else
        snprintf(why, sizeof why, "the server answers %d: %.*s", status, 120, a->body);
    int64_t delay = backoff(s);
    if (!passing)
        delay = s->loki->config->backoff_max;
    if (a->retry_after > delay)
        delay = a->retry_after < RETRY_AFTER_MOST ? a->retry_after : RETRY_AFTER_MOST;
    try_again(s, delay, !passing, why);
}

static bool is_success(int status)
{
    return status >= 200 && status <= 299 && status != 260;
}

static void answered(struct http_request *h, const struct http_answer *a)
{
    struct loki_slot *s = container_of(h, struct loki_slot, http);
    struct loki *k = s->loki;
    struct sink_stats *stats = &k->sink->stats;
    atomic_fetch_sub(&k->in_flight, 1);
    atomic_store(&k->last_status, a->status);
    atomic_fetch_add(&stats->latency_us_sum, (uint64_t)(a->took / MICROSECOND));
    atomic_fetch_add(&stats->latency_count, 1);

    if (is_success(a->status))
        accepted(s);
    else if (a->status == 413)
        refused(s, "the server says 413: a single entry is too large", false);
    else if (a->status == 260)
        refused(s, a->body_len ? a->body : "blocked by the server's policy", true);
    else if (a->status == 400)
        refused_in_part(s, a);
    else {
        failed(s, a);
        return;
    }
    s->attempt = 0;
    release_body(s);
    loki_slot_go(s);
}

/* ---- a slot's way: collect, encode, send ---- */

static void collect(struct loki_slot *s)
{
    unsigned n = 0;
    uint64_t bytes = 0;
    for (struct qnode *q = s->head; q; q = q->next) {
        const struct lease *l = container_of(q, struct lease, node);
        if (n && bytes + l->taken.bytes > s->loki->config->batch_size)
            break;
        bytes += l->taken.bytes;
        n++;
    }
    s->request = loki_request_new(&s->loki->scope, &s->head, n);
    if (!s->request)
        return;
    if (!s->head)
        s->tail = &s->head;
    s->bytes -= bytes;
    s->due = s->due && s->loki->stopping;
    timer_clear(&s->collect);
    if (s->head && !s->due)
        timer_set(&s->collect, s->loki->config->batch_timeout);
}

/* Makes the body of the next span and sends it; a body that is there is sent again as it is. */
static void send_next(struct loki_slot *s)
{
    struct loki *k = s->loki;
    if (!s->send) {
        if (!s->reserved && !loki_body_reserve(s))
            return;
        int r = loki_body_make(s);
        if (r < 0) {
            release_body(s);
            try_again(s, backoff(s), false, r == -ENOMEM ? "out of memory" : strerror(-r));
            return;
        }
    }
    int r = http_post(&s->http, &k->http, &send_kind, s->send, s->send_n, answered);
    if (r < 0) {
        try_again(s, backoff(s), false, strerror(-r));
        return;
    }
    atomic_fetch_add(&k->in_flight, 1);
    atomic_fetch_add(&k->sink->stats.requests, 1);
    timer_set(&k->idle, LOKI_IDLE);
}

static bool ready(const struct loki_slot *s)
{
    return s->head && (s->due || s->bytes >= s->loki->config->batch_size);
}

void loki_slot_go(struct loki_slot *s)
{
    while (!http_busy(&s->http) && !timer_is_set(&s->retry)) {
        if (!s->request) {
            if (!ready(s))
                return;
            collect(s);
            if (!s->request) {
                try_again(s, backoff(s), false, "out of memory");
                return;
            }
        }
        if (!loki_request_done(s->request)) {
            send_next(s);
            return;
        }
        end_request(s, loki_request_secured);
    }
}

static void retry_came(struct timer *t)
{
    struct loki_slot *s = container_of(t, struct loki_slot, retry);
    atomic_fetch_sub(&s->loki->retrying, 1);
    loki_slot_go(s);
}

static void collect_came(struct timer *t)
{
    struct loki_slot *s = container_of(t, struct loki_slot, collect);
    s->due = true;
    loki_slot_go(s);
}

void loki_slot_give_up(struct loki_slot *s)
{
    if (timer_is_set(&s->retry)) {
        timer_clear(&s->retry);
        atomic_fetch_sub(&s->loki->retrying, 1);
    }
    if (http_busy(&s->http)) {
        http_cancel(&s->http);
        atomic_fetch_sub(&s->loki->in_flight, 1);
    }
    if (s->request)
        end_request(s, loki_request_returned);
    while (s->head) {
        struct lease *l = container_of(s->head, struct lease, node);
        s->head = l->node.next;
        lease_returned(l);
    }
    s->tail = &s->head;
    s->bytes = 0;
    timer_clear(&s->collect);
    nudge_set(&s->loki->let_go);
}

/* ---- life ---- */

int loki_slot_begin(struct loki_slot *s, struct loki *k)
{
    s->loki = k;
    s->tail = &s->head;
    int r = timer_begin(&s->collect, &k->scope, &k->sink->loop, "loki collect", collect_came);
    return r < 0 ? r : timer_begin(&s->retry, &k->scope, &k->sink->loop, "loki retry", retry_came);
}

void loki_slot_take(struct loki_slot *s, struct lease *l)
{
    l->node.next = NULL;
    *s->tail = &l->node;
    s->tail = &l->node.next;
    s->bytes += l->taken.bytes;
    if (!timer_is_set(&s->collect) && !s->due)
        timer_set(&s->collect, s->loki->config->batch_timeout);
    loki_slot_go(s);
}
