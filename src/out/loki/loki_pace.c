#include "out/loki/loki_pace.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "out/loki/loki.h"

/* ---- what others see ---- */

static void show_batching(struct loki_pace *p)
{
    atomic_store(&p->size, p->batching.size);
    atomic_store(&p->delay, p->batching.delay);
}

static void show_breaker(struct loki *k, const char *why)
{
    struct loki_pace *p = &k->pace;
    pthread_mutex_lock(&k->sink->lock);
    if (why)
        snprintf(p->reason, sizeof p->reason, "%s", why);
    pthread_mutex_unlock(&k->sink->lock);
    atomic_store(&p->until, p->breaker.until);
    atomic_store(&p->since, clock_real());
    atomic_store(&p->opened, p->breaker.opened);
    atomic_store(&p->state, p->breaker.state);
}

/* Between closed and open both ways is news; that it is still not well is said once, and can be seen in /stats. */
static void say_breaker(struct loki *k, enum breaker_state before, const char *why)
{
    const struct breaker *b = &k->pace.breaker;
    const char *name = k->sink->name;
    double wait = (double)breaker_wait(b, clock_mono()) / SECOND;
    if (b->state == BREAKER_CLOSED)
        log_info(name, "the circuit breaker is closed: %u requests went through, all workers send again",
                 b->limits->probes);
    else if (b->state == BREAKER_HALF_OPEN)
        log_debug(name, "the circuit breaker is half-open: trying one request at a time");
    else if (before == BREAKER_CLOSED)
        log_warn(name, "the circuit breaker opens after %u failures in a row (%s); trying one request in %.1f s",
                 b->limits->failures, why, wait);
    else
        log_debug(name, "the circuit breaker opens again (%s); trying one request in %.1f s", why, wait);
}

static void changed(struct loki *k, enum breaker_state before, const char *why)
{
    struct loki_pace *p = &k->pace;
    if (p->breaker.state == before)
        return;
    show_breaker(k, p->breaker.state == BREAKER_CLOSED ? "" : why);
    say_breaker(k, before, why);
}

/* ---- the breaker ---- */

static void cooled_came(struct timer *t)
{
    nudge_set(&container_of(t, struct loki, pace.cooled)->let_go);
}

uint64_t loki_pace_admit(struct loki *k)
{
    struct loki_pace *p = &k->pace;
    enum breaker_state before = p->breaker.state;
    uint64_t ticket = breaker_admit(&p->breaker, clock_mono());
    changed(k, before, NULL);
    if (!ticket && p->breaker.state == BREAKER_OPEN && !timer_is_set(&p->cooled))
        timer_set(&p->cooled, breaker_wait(&p->breaker, clock_mono()));
    return ticket;
}

void loki_pace_withdrawn(struct loki *k, uint64_t ticket)
{
    breaker_withdrawn(&k->pace.breaker, ticket);
}

void loki_pace_well(struct loki *k, uint64_t ticket)
{
    struct loki_pace *p = &k->pace;
    enum breaker_state before = p->breaker.state;
    breaker_succeeded(&p->breaker, ticket, clock_mono());
    changed(k, before, NULL);
    if (before != BREAKER_CLOSED)
        nudge_set(&k->let_go);
}

void loki_pace_ill(struct loki *k, uint64_t ticket, const char *why, int64_t after)
{
    struct loki_pace *p = &k->pace;
    enum breaker_state before = p->breaker.state;
    breaker_failed(&p->breaker, ticket, clock_mono(), after, retry_random(&k->random));
    changed(k, before, why);
    if (p->breaker.state == BREAKER_OPEN && before != BREAKER_OPEN)
        timer_set(&p->cooled, breaker_wait(&p->breaker, clock_mono()));
}

/* ---- batching ---- */

void loki_pace_accepted(struct loki *k, uint64_t bytes, int64_t took)
{
    batching_answered(&k->pace.batching, bytes, took);
    show_batching(&k->pace);
}

void loki_pace_overloaded(struct loki *k, uint64_t bytes)
{
    batching_overloaded(&k->pace.batching, bytes);
    show_batching(&k->pace);
}

/* ---- life ---- */

int loki_pace_begin(struct loki *k)
{
    const struct loki_config *c = k->config;
    struct loki_pace *p = &k->pace;
    p->breaker_limits = (struct breaker_limits){.enabled = c->breaker.enabled,
                                                .failures = c->breaker.failures,
                                                .probes = c->breaker.probes,
                                                .cooldown = c->breaker.cooldown,
                                                .max_cooldown = c->breaker.max_cooldown};
    p->batching_limits = (struct batching_limits){.enabled = c->batching.enabled,
                                                  .min_size = c->batching.min_size,
                                                  .max_size = c->batching.enabled ? c->batching.max_size : c->batch_size,
                                                  .first_size = c->batch_size,
                                                  .min_delay = c->batching.min_delay,
                                                  .max_delay = c->batching.enabled ? c->batching.max_delay : c->batch_timeout,
                                                  .target_latency = c->batching.target_latency};
    breaker_begin(&p->breaker, &p->breaker_limits, clock_mono());
    batching_begin(&p->batching, &p->batching_limits);
    show_breaker(k, "");
    show_batching(p);
    return timer_begin(&p->cooled, &k->scope, &k->sink->loop, "loki breaker", cooled_came);
}

/* ---- for any thread ---- */

static double seconds(int64_t ns)
{
    return (double)ns / SECOND;
}

int loki_pace_describe(struct loki *k, struct buf *out)
{
    struct loki_pace *p = &k->pace;
    char reason[sizeof p->reason];
    enum breaker_state state = atomic_load(&p->state);
    int64_t wait = state == BREAKER_OPEN ? atomic_load(&p->until) - clock_mono() : 0;
    pthread_mutex_lock(&k->sink->lock);
    snprintf(reason, sizeof reason, "%s", p->reason);
    pthread_mutex_unlock(&k->sink->lock);
    buf_printf(out, "\"breaker\":{\"state\":\"%s\",\"seconds\":%.1f,\"retry_in_ms\":%lld,\"opened\":%llu,\"reason\":",
               breaker_state_name(state), seconds(clock_real() - atomic_load(&p->since)),
               (long long)(wait > 0 ? wait / MILLISECOND : 0), (unsigned long long)atomic_load(&p->opened));
    if (reason[0])
        json_add_cstring(out, reason);
    else
        buf_puts(out, "null");
    return buf_printf(out, "},\"batch_size\":%llu,\"batch_delay_ms\":%lld", (unsigned long long)atomic_load(&p->size),
                      (long long)(atomic_load(&p->delay) / MILLISECOND));
}

bool loki_pace_breaker_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    if (n >= BREAKER_STATES)
        return false;
    *label = breaker_state_name(n);
    *value = atomic_load(&k->pace.state) == n;
    return true;
}

bool loki_pace_opened_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    *value = (double)atomic_load(&k->pace.opened);
    return n == 0;
}

bool loki_pace_size_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    *value = (double)atomic_load(&k->pace.size);
    return n == 0;
}

bool loki_pace_delay_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    *value = seconds(atomic_load(&k->pace.delay));
    return n == 0;
}
