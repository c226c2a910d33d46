#include "out/loki.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/source.h"
#include "out/loki_body.h"
#include "out/loki_options.h"

static const struct task_kind send_kind = {.name = "loki_send", .max_age = 10 * MINUTE};

#define RETRY_AFTER_MOST (1 * HOUR)

static const char *dns_servers = "";

void loki_set_dns_servers(const char *servers)
{
    dns_servers = servers;
}

static void slot_go(struct loki_slot *s);
static void give_up(struct loki_slot *s);
static void check_drained(struct loki *k);

/* ---- messages: once when it begins to fail, once when it works again ---- */

static void say_failing(struct loki *k, bool loud, const char *why, int64_t delay)
{
    struct sink *sink = k->sink;
    atomic_fetch_add(&sink->stats.retries, 1);
    sink_set_error(sink, "%s", why);
    k->complained = true;
    if (atomic_exchange(&sink->stats.failing, true))
        return;
    if (loud)
        log_error(sink->name, "%s; nothing is delivered until this is put right, trying every %.0f s",
                  why, (double)delay / SECOND);
    else
        log_warn(sink->name, "%s; trying again until it works", why);
}

static void say_working(struct loki *k)
{
    struct sink *sink = k->sink;
    atomic_store(&sink->stats.last_success, clock_real());
    if (k->complained)
        sink_set_error(sink, "%s", "");
    k->complained = false;
    if (atomic_exchange(&sink->stats.failing, false))
        log_info(sink->name, "delivers again");
}

static void say_dropped(struct loki *k, uint32_t entries, const char *why)
{
    atomic_fetch_add(&k->sink->stats.rejected_records, entries);
    sink_set_error(k->sink, "refused: %s", why);
    k->complained = true;
    log_error(k->sink->name, "%u entries are refused for good and dropped: %.300s", entries,
              why);
}

static void idle_came(struct timer *t)
{
    struct loki *k = container_of(t, struct loki, idle);
    if (atomic_load(&k->in_flight) == 0)
        loki_body_forget(k);
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
    loki_body_release(s);
    how(s->request);
    s->request = NULL;
}

static void try_again(struct loki_slot *s, int64_t delay, bool loud, const char *why)
{
    struct loki *k = s->loki;
    say_failing(k, loud, why, delay);
    if (k->stopping) {
        give_up(s);
        check_drained(k);
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
    say_dropped(s->loki, loki_request_drop(s->request, DROP_INVALID), why);
}

static void refused_in_part(struct loki_slot *s, const struct http_answer *a)
{
    struct span span = loki_request_next(s->request);
    if (loki_refused_all(a->body, span.to - span.from, loki_request_single_stream(s->request)))
        say_dropped(s->loki, loki_request_drop(s->request, DROP_INVALID), a->body);
    else
        refused(s, a->body, false);
}

static void accepted(struct loki_slot *s)
{
    struct sink_stats *stats = &s->loki->sink->stats;
    atomic_fetch_add(&stats->bytes_out, s->send_n);
    atomic_fetch_add(&stats->records_out, loki_request_accepted(s->request));
    say_working(s->loki);
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
    loki_body_release(s);
    slot_go(s);
    /* Others may have waited for memory. */
    for (unsigned i = 0; i < k->n_slots; i++)
        slot_go(&k->slots[i]);
    check_drained(k);
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
            loki_body_release(s);
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

/* Whatever happened, this does what is to be done next. */
static void slot_go(struct loki_slot *s)
{
    while (http_alive(&s->loki->http) && !http_busy(&s->http) && !timer_is_set(&s->retry)) {
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
    slot_go(s);
}

static void collect_came(struct timer *t)
{
    struct loki_slot *s = container_of(t, struct loki_slot, collect);
    s->due = true;
    slot_go(s);
}

/* ---- the sink type ---- */

static struct loki *state(struct sink *sink)
{
    return __atomic_load_n(&sink->state, __ATOMIC_ACQUIRE);
}

static unsigned slot_of(const struct loki *k, const struct source *source)
{
    uint64_t hash = (uintptr_t)source * 0x9E3779B97F4A7C15u;
    return (unsigned)((hash >> 32) % k->n_slots);
}

static void loki_take(struct sink *sink, struct lease *l)
{
    struct loki *k = state(sink);
    if (!k) {
        lease_returned(l);
        return;
    }
    struct loki_slot *s = &k->slots[slot_of(k, l->batch->source)];
    l->node.next = NULL;
    *s->tail = &l->node;
    s->tail = &l->node.next;
    s->bytes += l->taken.bytes;
    if (!timer_is_set(&s->collect) && !s->due)
        timer_set(&s->collect, k->config->batch_timeout);
    slot_go(s);
}

static void give_up(struct loki_slot *s)
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
}

static void check_drained(struct loki *k)
{
    if (!k->stopping || k->sink->drained)
        return;
    for (unsigned i = 0; i < k->n_slots; i++)
        if (k->slots[i].request || k->slots[i].head)
            return;
    loki_body_forget(k);
    sink_drained(k->sink);
}

static void deadline_came(struct timer *t)
{
    struct loki *k = container_of(t, struct loki, deadline);
    for (unsigned i = 0; i < k->n_slots; i++)
        give_up(&k->slots[i]);
    check_drained(k);
}

static void loki_stop(struct sink *sink, int64_t deadline)
{
    struct loki *k = state(sink);
    if (!k) {
        sink_drained(sink);
        return;
    }
    k->stopping = true;
    for (unsigned i = 0; i < k->n_slots; i++) {
        struct loki_slot *s = &k->slots[i];
        s->due = true;
        if (timer_is_set(&s->retry))
            give_up(s);
        else
            slot_go(s);
    }
    if (!http_alive(&k->http))
        deadline = 0; /* no use to wait for it */
    timer_set(&k->deadline, deadline - clock_mono());
    check_drained(k);
}

static int loki_describe(struct sink *sink, struct buf *out)
{
    struct loki *k = state(sink);
    if (!k)
        return buf_puts(out, "\"started\":false");
    unsigned retrying = atomic_load(&k->retrying);
    int64_t wait = atomic_load(&k->next_try) - clock_mono();
    return buf_printf(out, "\"slots\":%u,\"in_flight\":%u,\"retrying\":%u,\"last_status\":%d,\"retry_in_ms\":%lld",
                      k->n_slots, atomic_load(&k->in_flight), retrying, atomic_load(&k->last_status),
                      (long long)(retrying && wait > 0 ? wait / MILLISECOND : 0));
}

/* ---- start ---- */

static void start_http(struct timer *t)
{
    struct loki *k = container_of(t, struct loki, start);
    int r = http_begin(&k->http, &k->scope, &k->sink->loop, &k->options);
    if (r < 0) {
        char why[80];
        snprintf(why, sizeof why, "cannot start: %s", strerror(-r));
        say_failing(k, false, why, k->config->backoff_max);
        timer_set(&k->start, k->config->backoff_max);
        return;
    }
    for (unsigned i = 0; i < k->n_slots; i++)
        slot_go(&k->slots[i]);
}

static int start_parts(struct loki *k)
{
    struct loop *loop = &k->sink->loop;
    int r = timer_begin(&k->idle, &k->scope, loop, "loki idle", idle_came);
    if (r == 0)
        r = timer_begin(&k->deadline, &k->scope, loop, "loki deadline", deadline_came);
    if (r == 0)
        r = timer_begin(&k->start, &k->scope, loop, "loki start", start_http);
    if (r == 0)
        r = buf_begin(&k->raw, &k->scope, "loki encode", LOKI_RAW_LIMIT);
    if (r == 0)
        r = loki_streams_begin(&k->streams, &k->scope, k->config);
    for (unsigned i = 0; i < k->n_slots && r == 0; i++) {
        struct loki_slot *s = &k->slots[i];
        s->loki = k;
        s->tail = &s->head;
        r = timer_begin(&s->collect, &k->scope, loop, "loki collect", collect_came);
        if (r == 0)
            r = timer_begin(&s->retry, &k->scope, loop, "loki retry", retry_came);
    }
    return r == 0 ? loki_options_set(k, dns_servers) : r;
}

static int loki_start(struct sink *sink)
{
    const struct loki_config *c = &sink->config->loki;
    unsigned slots = c->workers ? c->workers : 1;
    struct loki *k = scope_new(&sink->thread.scope, sizeof *k + slots * sizeof *k->slots, "loki");
    if (!k)
        return -errno;
    k->sink = sink;
    k->config = c;
    k->n_slots = slots;
    k->random = (uint64_t)clock_real() | 1;
    int r = start_parts(k);
    if (r < 0) {
        log_error(sink->name, "cannot start for %s: %s", c->url, strerror(-r));
        scope_end(&k->scope);
        return r;
    }
    __atomic_store_n(&sink->state, k, __ATOMIC_RELEASE);
    start_http(&k->start);
    return 0;
}

const struct sink_type loki_sink = {
    .name = "loki",
    .start = loki_start,
    .take = loki_take,
    .stop = loki_stop,
    .describe = loki_describe,
};
