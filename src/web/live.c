#include "web/live.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/letters/letters.h"
#include "in/containers/containers.h"
#include "leak/watch/leakwatch.h"
#include "web/routes.h"

enum { SNAPSHOT_BYTES = 512 * 1024 };
#define EACH SECOND
#define KEPT 0.95f /* of the weight of what came before: about the last 20 s */

/* ---- the sources, summed up ---- */

struct sums {
    uint64_t n, lag, furthest_behind, by_kind[SOURCE_KINDS], by_state[SOURCE_GONE + 1];
    char behind[256], failed[256], error[256]; /* one of each, by name */
};

static void add_source(struct source *s, void *arg)
{
    struct sums *sums = arg;
    uint64_t offset = s->offset, size = s->size, lag = s->kind == SOURCE_FILE && size > offset ? size - offset : 0;
    int state = s->state;
    sums->n++;
    sums->lag += lag;
    sums->by_kind[s->kind]++;
    sums->by_state[state]++;
    if (lag > sums->furthest_behind) {
        sums->furthest_behind = lag;
        snprintf(sums->behind, sizeof sums->behind, "%s", s->name);
    }
    if (state == SOURCE_FAILED && !sums->failed[0]) {
        snprintf(sums->failed, sizeof sums->failed, "%s", s->name);
        pthread_mutex_lock(&s->lock);
        snprintf(sums->error, sizeof sums->error, "%s", s->error ? s->error : "");
        pthread_mutex_unlock(&s->lock);
    }
}

static void write_sources(struct doc *d)
{
    struct sums sums = {0};
    struct source_totals all = {0};
    sources_walk(add_source, &sums);
    doc_object(d, "sources");
    doc_uint(d, "total", sums.n);
    for (int kind = 0; kind < SOURCE_KINDS; kind++) {
        struct source_totals t;
        sources_totals(kind, &t);
        all.read_records += t.read_records;
        all.read_bytes += t.read_bytes;
        all.lost_by_rotator += t.lost_by_rotator;
        doc_uint(d, source_kind_name(kind), sums.by_kind[kind]);
    }
    for (int state = 0; state <= SOURCE_GONE; state++)
        doc_uint(d, source_state_name(state), sums.by_state[state]);
    doc_uint(d, "read_records", all.read_records);
    doc_uint(d, "read_bytes", all.read_bytes);
    doc_uint(d, "lost_by_rotator", all.lost_by_rotator);
    doc_uint(d, "lag_bytes", sums.lag);
    doc_uint(d, "furthest_behind_bytes", sums.furthest_behind);
    doc_string(d, "furthest_behind_name", sums.furthest_behind ? sums.behind : NULL);
    doc_string(d, "failed_name", sums.failed[0] ? sums.failed : NULL);
    doc_string(d, "failed_error", sums.failed[0] ? sums.error : NULL);
    doc_object_end(d);
}

/* ---- the rest ---- */

static void write_latency(struct doc *d, struct live *l, const struct web_context *c)
{
    doc_object(d, "latency");
    for (unsigned i = 0; i < c->n_sinks; i++) {
        struct recent *r = &l->latency[i].recent;
        if (l->latency[i].sink != c->sinks[i])
            *r = (struct recent){0};
        l->latency[i].sink = c->sinks[i];
        recent_update(r, &c->sinks[i]->stats.latency, KEPT);
        double p50 = recent_quantile(r, 0.5), p99 = recent_quantile(r, 0.99);
        if (p50 < 0)
            continue;
        doc_object(d, c->sinks[i]->name);
        doc_real(d, "p50_ms", p50 / 1000);
        doc_real(d, "p99_ms", p99 / 1000);
        doc_object_end(d);
    }
    doc_object_end(d);
}

static void write_dead_letters(struct doc *d, const struct web_context *c)
{
    struct letter_numbers n;
    if (!c->letters)
        return;
    letters_numbers(c->letters, &n);
    doc_object(d, "dead_letters");
    doc_uint(d, "letters", n.all.letters);
    doc_uint(d, "bytes", n.all.bytes);
    doc_bool(d, "alert", n.alert);
    doc_object(d, "by_sink");
    for (unsigned s = 0; s < c->n_sinks; s++) {
        uint64_t letters = 0;
        for (int code = 0; code < LETTER_CODES; code++)
            letters += n.there[s][code].letters;
        doc_uint(d, c->sinks[s]->name, letters);
    }
    doc_object_end(d);
    doc_object_end(d);
}

static void write_engine(const struct engine_view *v, void *arg)
{
    struct doc *d = arg;
    if (!*v->error || strcmp(v->state, "twin") == 0)
        return;
    doc_array(d, NULL);
    doc_string(d, NULL, v->address);
    doc_string(d, NULL, v->error);
    doc_array_end(d);
}

/* Engines that ran containers and do not answer: [address, error]. */
static void write_engines(struct doc *d, const struct web_context *c)
{
    struct containers *m = c->containers ? c->containers() : NULL;
    doc_array(d, "engines_down");
    if (m && containers_stats(m)->engines_up < containers_stats(m)->engines)
        containers_engines(m, write_engine, d);
    doc_array_end(d);
}

/* What the detector has to say now: [severity, sentence, since when in ms]. */
static void write_leaks(struct doc *d, struct leakwatch *l)
{
    doc_array(d, "leaks");
    if (l) {
        leakwatch_lock(l);
        for (unsigned i = 0; i < l->findings.n; i++) {
            const struct finding *f = &l->findings.list[i];
            if (f->alarm.raised == LEAK_NONE)
                continue;
            doc_array(d, NULL);
            doc_string(d, NULL, leak_severity_name(f->alarm.raised));
            doc_string(d, NULL, f->text);
            doc_int(d, NULL, leakwatch_real(f->since ? f->since : f->alarm.raised_at) / MILLISECOND);
            doc_array_end(d);
        }
        leakwatch_unlock(l);
    }
    doc_array_end(d);
}

/* An event's data is one line. */
static void make_one_line(struct buf *b)
{
    for (char *at = b->data; at && (at = strchr(at, '\n'));)
        *at = ' ';
}

static void take_snapshot(struct live *l)
{
    struct web *w = l->web;
    struct doc d = {.out = &l->text};
    buf_clear(&l->text);
    doc_object(&d, NULL);
    doc_int(&d, "at", clock_real() / MILLISECOND);
    doc_string(&d, "host", w->context->config->host);
    doc_object(&d, "stats");
    stats_write(&d, w, &l->scope);
    doc_object_end(&d);
    doc_object(&d, "health");
    health_write(&d, w, &l->scope);
    doc_object_end(&d);
    write_sources(&d);
    write_latency(&d, l, w->context);
    write_dead_letters(&d, w->context);
    write_engines(&d, w->context);
    write_leaks(&d, w->context->leaks);
    doc_object_end(&d);
    make_one_line(&l->text);
    l->taken = clock_mono();
}

/* ---- who follows ---- */

static void send_snapshot(struct live *l, struct feed *f)
{
    if (l->text.len && !l->text.failed && feed_is_free(f))
        feed_send(f, "snapshot", l->text.data, l->text.len);
}

static void ticked(struct timer *t)
{
    struct live *l = container_of(t, struct live, tick);
    if (!l->first) {
        buf_clear(&l->text);
        buf_shrink(&l->text, 0);
        return;
    }
    take_snapshot(l);
    for (struct feed *f = l->first; f; f = f->next)
        send_snapshot(l, f);
    timer_set(&l->tick, EACH);
}

/* The first event is there at once. */
void live_answer(struct web *w, struct request *q)
{
    struct live *l = &w->live;
    struct feed *f = feed_begin(w, q, sizeof *f, &l->first, NULL);
    if (!f)
        return;
    if (!l->text.len || clock_mono() - l->taken > EACH)
        take_snapshot(l);
    if (l->text.len && !l->text.failed)
        feed_send(f, "snapshot", l->text.data, l->text.len);
    if (!timer_is_set(&l->tick))
        timer_set(&l->tick, EACH);
}

int live_begin(struct live *l, struct scope *owner, struct loop *loop, struct web *w)
{
    l->web = w;
    int r = scope_begin(&l->scope, owner, "live");
    if (r == 0)
        r = buf_begin(&l->text, &l->scope, "snapshot", SNAPSHOT_BYTES);
    return r < 0 ? r : timer_begin(&l->tick, &l->scope, loop, "snapshot", ticked);
}
