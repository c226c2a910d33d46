#include "out/loki/loki.h"

#include <errno.h>

#include "base/clock.h"
#include "codec/json.h"
#include "core/source.h"
#include "out/loki/loki_body.h"
#include "out/loki/loki_options.h"
#include "out/loki/loki_say.h"
#include "out/loki/loki_slot.h"

static const char *dns_servers = "";

void loki_set_dns_servers(const char *servers)
{
    dns_servers = servers;
}

/* ---- what the slots share ---- */

static void idle_came(struct timer *t)
{
    struct loki *k = container_of(t, struct loki, idle);
    if (atomic_load(&k->in_flight) == 0)
        loki_body_forget(k);
}

static bool all_empty(const struct loki *k)
{
    for (unsigned i = 0; i < k->n_slots; i++)
        if (!loki_slot_empty(&k->slots[i]))
            return false;
    return true;
}

/*
 * A slot let go of memory, or of its last lease: others may have waited for the first, a stop for the second. Each time
 * another slot is the first, so that no slot's request is the only one by which the breaker judges the server.
 */
static void let_go(struct nudge *n)
{
    struct loki *k = container_of(n, struct loki, let_go);
    unsigned first = k->first_slot++;
    for (unsigned i = 0; i < k->n_slots; i++)
        loki_slot_go(&k->slots[(first + i) % k->n_slots]);
    if (!k->stopping || k->sink->drained || !all_empty(k))
        return;
    loki_body_forget(k);
    sink_drained(k->sink);
}

static void patience_over(struct timer *t)
{
    struct loki *k = container_of(t, struct loki, patience);
    intents_give_up(&k->sink->book);
}

static void deadline_came(struct timer *t)
{
    struct loki *k = container_of(t, struct loki, deadline);
    for (unsigned i = 0; i < k->n_slots; i++)
        loki_slot_give_up(&k->slots[i]);
}

/* ---- the sink type ---- */

static unsigned slot_of(const struct loki *k, const struct source *source)
{
    uint64_t hash = (uintptr_t)source * 0x9E3779B97F4A7C15u;
    return (unsigned)((hash >> 32) % k->n_slots);
}

static void loki_take(struct sink *sink, struct lease *l)
{
    struct loki *k = sink->state;
    loki_slot_take(&k->slots[slot_of(k, l->batch->source)], l);
}

static void loki_stop(struct sink *sink, int64_t deadline)
{
    struct loki *k = sink->state;
    k->stopping = true;
    for (unsigned i = 0; i < k->n_slots; i++) {
        struct loki_slot *s = &k->slots[i];
        s->due = true;
        if (timer_is_set(&s->retry))
            loki_slot_give_up(s);
        else
            loki_slot_go(s);
    }
    timer_set(&k->deadline, deadline - clock_mono());
    nudge_set(&k->let_go);
}

static int loki_describe(struct sink *sink, struct buf *out)
{
    struct loki *k = sink->state;
    unsigned retrying = atomic_load(&k->retrying);
    int64_t wait = atomic_load(&k->next_try) - clock_mono();
    buf_printf(out, "\"slots\":%u,\"in_flight\":%u,\"retrying\":%u,\"last_status\":%d,\"retry_in_ms\":%lld,",
                      k->n_slots, atomic_load(&k->in_flight), retrying, atomic_load(&k->last_status),
                      (long long)(retrying && wait > 0 ? wait / MILLISECOND : 0));
    loki_pace_describe(k, out);
    buf_printf(out, ",\"streams\":%u,\"demoted_labels\":[", atomic_load(&k->rules.now.streams.active));
    const char *name;
    for (unsigned i = 0; i < CARDINALITY_NAMES && (name = atomic_load(&k->rules.now.streams.demoted[i])); i++) {
        buf_puts(out, i ? "," : "");
        json_add_cstring(out, name);
    }
    return buf_puts(out, "]");
}

static bool times_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    enum times_verdict v = TIMES_FINE + 1 + n;
    if (v >= TIMES_VERDICTS)
        return false;
    *label = times_verdict_name(v);
    *value = (double)atomic_load(&k->times[v]);
    return true;
}

static bool streams_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    *value = (double)atomic_load(&k->rules.now.streams.active);
    return n == 0 && k->config->max_streams;
}

static bool limit_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    *value = (double)k->config->max_streams;
    return n == 0 && k->config->max_streams;
}

static bool demoted_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    *label = n < CARDINALITY_NAMES ? atomic_load(&k->rules.now.streams.demoted[n]) : NULL;
    *value = 1;
    return *label != NULL;
}

static bool demoted_records_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    const struct loki *k = s->state;
    *value = (double)atomic_load(&k->demoted);
    return n == 0;
}

static bool intents_sample(struct sink *s, unsigned n, const char **label, double *value)
{
    struct intents *i = &s->book.intents;
    *label = n == 0 ? "stored" : "missed";
    *value = (double)(n == 0 ? atomic_load(&i->stored) : atomic_load(&i->missed));
    return n < 2;
}

static const struct sink_metric metrics[] = {
    {"logcap_sink_breaker", "gauge", "1 for the state that the circuit breaker is in.", "state", loki_pace_breaker_sample},
    {"logcap_sink_breaker_opened_total", "counter", "How often the circuit breaker opened.", NULL, loki_pace_opened_sample},
    {"logcap_sink_batch_size_bytes", "gauge", "Bytes of records that a full request has now.", NULL, loki_pace_size_sample},
    {"logcap_sink_batch_delay_seconds", "gauge", "How long a request that is not full waits now.", NULL,
     loki_pace_delay_sample},
    {"logcap_sink_timestamps_total", "counter", "Records too old or too far ahead for the server, and what became of them.",
     "outcome", times_sample},
    {"logcap_sink_streams", "gauge", "Streams sent within an hour.", NULL, streams_sample},
    {"logcap_sink_streams_limit", "gauge", "Beyond this labels are demoted.", NULL, limit_sample},
    {"logcap_sink_demoted_label", "gauge", "1 for a label that is none any more, because of max_streams.", "label",
     demoted_sample},
    {"logcap_sink_demoted_records_total", "counter", "Records sent without a label that was demoted.", NULL,
     demoted_records_sample},
    {"logcap_sink_intents_total", "counter",
     "Batches of files at their first send: stored, so that after a kill they are the same again; missed: they may not be.", "outcome",
     intents_sample},
    {0}};

static int start_parts(struct loki *k)
{
    struct loop *loop = &k->sink->loop;
    int r = loki_pace_begin(k);
    if (r == 0)
        r = loki_say_begin(k);
    if (r == 0)
        r = timer_begin(&k->idle, &k->scope, loop, "loki idle", idle_came);
    if (r == 0)
        r = timer_begin(&k->deadline, &k->scope, loop, "loki deadline", deadline_came);
    if (r == 0)
        r = nudge_begin(&k->let_go, &k->scope, loop, "loki let go", let_go);
    if (r == 0)
        r = buf_begin(&k->raw, &k->scope, "loki encode", LOKI_RAW_LIMIT);
    if (r == 0)
        r = timer_begin(&k->patience, &k->scope, loop, "loki patience", patience_over);
    if (r == 0)
        r = loki_rules_begin(&k->rules, &k->scope, k->config, k->sink);
    for (unsigned i = 0; i < k->n_slots && r == 0; i++)
        r = loki_slot_begin(&k->slots[i], k);
    if (r == 0)
        r = loki_options_set(k, dns_servers);
    return r == 0 ? http_begin(&k->http, &k->scope, loop, &k->options) : r;
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
    k->retry_limits = (struct retry_limits){c->backoff_min, c->backoff_max, c->max_retries};
    int r = start_parts(k);
    if (r == -EINVAL)
        sink_set_error(sink, "cannot make sense of its url, or of its proxy's");
    if (r < 0)
        scope_end(&k->scope);
    else
        sink->state = k;
    return r;
}

const struct sink_type loki_sink = {
    .name = "loki",
    .start = loki_start,
    .take = loki_take,
    .stop = loki_stop,
    .describe = loki_describe,
    .metrics = metrics,
};
