#include "out/loki/loki_slot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "out/loki/loki_body.h"
#include "out/loki/loki_say.h"

static const struct task_kind send_kind = {.name = "loki_send", .max_age = 10 * MINUTE};

static void release_body(struct loki_slot *s)
{
    loki_body_release(s);
    nudge_set(&s->loki->let_go);
}

/* ---- trying again ---- */

static void end_request(struct loki_slot *s, void (*how)(struct loki_request *))
{
    release_body(s);
    how(s->request);
    s->request = NULL;
}

/* After `delay`; or, while the breaker is open, when it lets this slot go on. */
static void try_again(struct loki_slot *s, int64_t delay, bool loud, const char *why)
{
    struct loki *k = s->loki;
    loki_say_failing(k, loud, why, delay);
    if (k->stopping) {
        loki_slot_give_up(s);
        return;
    }
    if (k->pace.breaker.state == BREAKER_OPEN) {
        release_body(s);
        return;
    }
    atomic_fetch_add(&k->retrying, 1);
    atomic_store(&k->next_try, clock_mono() + delay);
    timer_set(&s->retry, delay);
}

/* No memory, no descriptors: nothing that the server did, nor a reason to give up. */
static void failed_here(struct loki_slot *s, const char *why)
{
    struct loki *k = s->loki;
    struct retry_limits for_ever = k->retry_limits;
    for_ever.max_retries = 0;
    try_again(s, retry_failed(&s->failures, &for_ever, false, -1, retry_random(&k->random)), false, why);
}

/* ---- the answer ---- */

/* What was found of the times of what is over now. */
static void count_times(struct loki_slot *s)
{
    for (unsigned v = TIMES_FINE + 1; v < TIMES_VERDICTS; v++)
        atomic_fetch_add(&s->loki->times[v], s->request->verdicts[v]);
}

/* Without memory to remember it, the server is asked again. */
static void refuse(struct loki_slot *s, enum letter_code code, const char *why)
{
    count_times(s);
    int64_t n = loki_request_refuse(s->request, code, why);
    if (n < 0)
        failed_here(s, "out of memory");
    else
        loki_say_refused(s->loki, (uint32_t)n, code, why);
}

static void refused(struct loki_slot *s, enum letter_code code, const char *why, bool only_streams)
{
    if (!loki_request_split(s->request, only_streams))
        refuse(s, code, why);
}

static void refused_in_part(struct loki_slot *s, const struct http_answer *a)
{
    if (loki_refused_all(a->body, s->request->sent, loki_request_single_stream(s->request)))
        refuse(s, loki_refusal_code(a->body), a->body);
    else
        refused(s, loki_refusal_code(a->body), a->body, false);
}

static uint64_t next_bytes(const struct loki_slot *s)
{
    return loki_request_bytes(s->request, loki_request_next(s->request));
}

static void accepted(struct loki_slot *s, const struct http_answer *a)
{
    struct sink_stats *stats = &s->loki->sink->stats;
    loki_pace_accepted(s->loki, next_bytes(s), a->took);
    count_times(s);
    atomic_fetch_add(&s->loki->demoted, s->request->demoted);
    atomic_fetch_add(&stats->bytes_out, s->send_n);
    atomic_fetch_add(&stats->records_out, loki_request_accepted(s->request));
    loki_say_working(s->loki);
}

/* It was too much for the server as it is now: what is larger than requests are from now on goes in pieces. */
static void overloaded(struct loki_slot *s)
{
    const struct batching *b = &s->loki->pace.batching;
    uint64_t bytes = next_bytes(s);
    loki_pace_overloaded(s->loki, bytes);
    if (b->limits->enabled && bytes > batching_most(b))
        release_body(s);
}

static bool is_overload(const struct loki_slot *s, const struct http_answer *a)
{
    if (a->status == 0)
        return a->took >= s->loki->config->timeout;
    return a->status == 408 || a->status == 429 || a->status == 504;
}

static void failed(struct loki_slot *s, const struct http_answer *a)
{
    struct loki *k = s->loki;
    char why[160], given_up[200];
    int status = a->status;
    bool standing = status != 0 && status != 408 && status != 429 && status < 500;
    atomic_fetch_add(&k->sink->stats.request_errors, 1);
    if (status == 0)
        snprintf(why, sizeof why, "%s", a->error);
    else
        snprintf(why, sizeof why, "the server answers %d%s%.*s", status, a->body_len ? ": " : "", 120, a->body);
    int64_t delay = retry_failed(&s->failures, &k->retry_limits, standing, a->retry_after, retry_random(&k->random));
    if (status == 429)
        loki_pace_well(k, s->ticket);
    else
        loki_pace_ill(k, s->ticket, why, standing ? k->config->backoff_max : a->retry_after);
    if (is_overload(s, a))
        overloaded(s);
    if (delay != RETRY_GIVE_UP) {
        try_again(s, delay, standing, why);
        return;
    }
    loki_say_failing(k, standing, why, 0);
    retry_reset(&s->failures);
    snprintf(given_up, sizeof given_up, "max_retries is reached: %s", why);
    refuse(s, LETTER_MAX_RETRIES, given_up);
    release_body(s);
    loki_slot_go(s);
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
    latency_add(&stats->latency, (uint64_t)(a->took / MICROSECOND));

    if (is_success(a->status))
        accepted(s, a);
    else if (a->status == 413)
        refused(s, LETTER_TOO_LONG, "the server says 413: a single entry is too large", false);
    else if (a->status == 260)
        refused(s, LETTER_BLOCKED, a->body_len ? a->body : "blocked by the server's policy", true);
    else if (a->status == 400)
        refused_in_part(s, a);
    else {
        failed(s, a);
        return;
    }
    loki_pace_well(k, s->ticket);
    retry_reset(&s->failures);
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
        uint64_t more = lease_amount(l).bytes;
        if (n && bytes + more > s->loki->pace.batching.size)
            break;
        bytes += more;
        n++;
    }
    s->request = loki_request_new(&s->loki->scope, &s->head, n);
    if (!s->request)
        return;
    times_set(&s->request->times, &s->loki->config->times, clock_real());
    if (!s->head)
        s->tail = &s->head;
    s->bytes -= bytes;
    s->due = s->due && s->loki->stopping;
    timer_clear(&s->collect);
    if (s->head && !s->due)
        timer_set(&s->collect, s->loki->pace.batching.delay);
}

/* Pieces of about the size that requests have now. */
static void cut_to_size(struct loki_slot *s)
{
    const struct batching *b = &s->loki->pace.batching;
    while (b->limits->enabled && next_bytes(s) > batching_most(b) && loki_request_split(s->request, false))
        ;
}

/* What waited for so long that times which were clamped may have become too old again is judged anew. */
static void judge_anew(struct loki_slot *s)
{
    const struct times_config *c = &s->loki->config->times;
    int64_t now = clock_real();
    if (now - s->request->times.now < times_hold(c))
        return;
    int64_t latest = s->request->times.latest; /* what was refused as too far ahead stays refused */
    times_set(&s->request->times, c, now);
    s->request->times.latest = latest;
    release_body(s);
}

/* false: without memory, and it is seen to that it is tried again. */
static bool bury_dead(struct loki_slot *s)
{
    if (s->request->buried == s->request->entries)
        return true;
    int64_t n = loki_request_bury(s->request);
    if (n > 0)
        loki_say_refused(s->loki, (uint32_t)n, LETTER_TOO_OLD, "their times are too old or too far ahead, as configured");
    if (n < 0)
        failed_here(s, "out of memory");
    return n >= 0;
}

/* false: it cannot be made now, and it is seen to that it is tried again. */
static bool make_body(struct loki_slot *s)
{
    judge_anew(s);
    if (s->send)
        return true;
    cut_to_size(s);
    if (!s->reserved && !loki_body_reserve(s))
        return false;
    int r = loki_body_make(s);
    if (r == 0)
        return true;
    release_body(s);
    failed_here(s, r == -ENOMEM ? "out of memory" : strerror(-r));
    return false;
}

/* Makes the body of the next span and sends it; a body that is there is sent again as it is. */
static void send_next(struct loki_slot *s)
{
    struct loki *k = s->loki;
    if (!bury_dead(s))
        return;
    s->ticket = loki_pace_admit(k);
    if (!s->ticket) {
        if (k->stopping)
            loki_slot_give_up(s);
        return;
    }
    if (!make_body(s)) {
        loki_pace_withdrawn(k, s->ticket);
        return;
    }
    if (!s->request->sent) { /* all of them are dead letters by their times */
        loki_pace_withdrawn(k, s->ticket);
        count_times(s);
        loki_request_accepted(s->request);
        release_body(s); /* which makes this slot go on */
        return;
    }
    if (loki_request_waits(s->request, &k->rules, &k->let_go)) {
        loki_pace_withdrawn(k, s->ticket);
        timer_set(&k->patience, LOKI_PATIENCE);
        return;
    }
    int r = http_post(&s->http, &k->http, &send_kind, s->send, s->send_n, answered);
    if (r < 0) {
        loki_pace_withdrawn(k, s->ticket);
        failed_here(s, strerror(-r));
        return;
    }
    atomic_fetch_add(&k->in_flight, 1);
    atomic_fetch_add(&k->sink->stats.requests, 1);
    timer_set(&k->idle, LOKI_IDLE);
}

static bool ready(const struct loki_slot *s)
{
    return s->head && (s->due || s->bytes >= s->loki->pace.batching.size);
}

void loki_slot_go(struct loki_slot *s)
{
    while (!http_busy(&s->http) && !timer_is_set(&s->retry)) {
        if (!s->request) {
            if (!ready(s))
                return;
            collect(s);
            if (!s->request) {
                failed_here(s, "out of memory");
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
        loki_pace_withdrawn(s->loki, s->ticket);
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
    s->bytes += lease_amount(l).bytes;
    if (!timer_is_set(&s->collect) && !s->due)
        timer_set(&s->collect, s->loki->pace.batching.delay);
    loki_slot_go(s);
}
