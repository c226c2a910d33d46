/*
 * How the agent is. A sink that cannot be reached makes it degraded, not unhealthy: restarting would not help, and
 * the lines are where they are until it is back. Unhealthy is what only a restart or a person can mend.
 */
#include <stdio.h>
#include <sys/statvfs.h>

#include "base/census.h"
#include "base/clock.h"
#include "core/letters/letters.h"
#include "in/containers/containers.h"
#include "in/files/files.h"
#include "leak/watch/hung.h"
#include "leak/watch/leakwatch.h"
#include "web/process.h"
#include "web/routes.h"

enum level { HEALTHY, DEGRADED, UNHEALTHY };
static const char *const level_names[] = {"healthy", "degraded", "unhealthy"};

enum { HANGS_AFTER_HEARTBEATS = 6 };

struct exam {
    struct doc doc;
    enum level worst;
};

/* reason: NULL when there is nothing to say beyond the value. */
static void check_because(struct exam *e, const char *name, enum level level, const char *unit, double value, double limit,
                          const char *reason)
{
    if (level > e->worst)
        e->worst = level;
    doc_object(&e->doc, name);
    doc_string(&e->doc, "status", level_names[level]);
    doc_string(&e->doc, "unit", unit);
    doc_real(&e->doc, "value", value);
    doc_real(&e->doc, "limit", limit);
    if (reason)
        doc_string(&e->doc, "reason", reason);
    doc_object_end(&e->doc);
}

static void check(struct exam *e, const char *name, enum level level, const char *unit, double value, double limit)
{
    check_because(e, name, level, unit, value, limit, NULL);
}

static enum level between(double value, double degraded, double unhealthy)
{
    return value >= unhealthy ? UNHEALTHY : value >= degraded ? DEGRADED : HEALTHY;
}

static void check_queues(struct exam *e, const struct web_context *c)
{
    double fullest = 0;
    for (unsigned i = 0; i < c->n_sinks; i++) {
        uint64_t limit = sink_limit(c->sinks[i]);
        double used = limit ? (double)c->sinks[i]->held / (double)limit : 0;
        if (used > fullest)
            fullest = used;
    }
    check(e, "queue_utilization", fullest >= 0.9 ? DEGRADED : HEALTHY, "ratio", fullest, 1);
}

static void check_disk(struct exam *e, const struct web_context *c)
{
    struct statvfs v;
    double free_ratio = 1;
    if (statvfs(c->config->state_dir, &v) == 0 && v.f_blocks)
        free_ratio = (double)v.f_bavail / (double)v.f_blocks;
    bool failing = c->keeper && c->keeper->failing;
    check(e, "disk_space", free_ratio < 0.05 || failing ? DEGRADED : HEALTHY, "ratio free", free_ratio, 0.05);
}

static void check_disk_buffer(struct exam *e, const struct web_context *c)
{
    struct spooler *sp = c->spooler;
    char why[sizeof sp->why];
    if (!sp)
        return;
    spooler_why(sp, why, sizeof why);
    double used = (double)sp->bytes / (double)sp->max_size;
    check_because(e, "disk_buffer", *why || used >= 0.8 ? DEGRADED : HEALTHY, "ratio of max_size", used, 0.8, *why ? why : NULL);
}

static void check_sinks(struct exam *e, const struct web_context *c)
{
    unsigned failing = 0;
    for (unsigned i = 0; i < c->n_sinks; i++)
        failing += c->sinks[i]->stats.failing;
    check(e, "sink_connectivity", failing ? DEGRADED : HEALTHY, "sinks failing", failing, c->n_sinks);
}

static void check_ledger(struct exam *e, const struct web_context *c)
{
    char first[sizeof c->keeper->audit.first];
    uint64_t mismatches = c->keeper ? (uint64_t)c->keeper->audit.mismatches : 0;
    if (mismatches)
        audit_first(&c->keeper->audit, first, sizeof first);
    check_because(e, "ledger", mismatches ? UNHEALTHY : HEALTHY, "sums that do not add up", (double)mismatches, 0,
                  mismatches ? first : NULL);
}

static void check_letters(struct exam *e, const struct web_context *c)
{
    struct letter_numbers n;
    if (!c->letters)
        return;
    letters_numbers(c->letters, &n);
    check(e, "dead_letters", n.alert ? DEGRADED : HEALTHY, "letters", (double)n.all.letters,
          (double)c->config->dead_letters.alert.total);
}

static void check_labels(struct exam *e, const struct web_context *c)
{
    unsigned demoted = 0;
    for (unsigned i = 0; i < c->n_sinks; i++)
        demoted += c->sinks[i]->stats.demoted_labels;
    check(e, "label_cardinality", demoted ? DEGRADED : HEALTHY, "labels demoted", demoted, 0);
}

/* What is sent meanwhile cannot be made the same again after a kill. */
static void check_intents(struct exam *e, const struct web_context *c)
{
    bool failing = false;
    uint64_t missed = 0;
    for (unsigned i = 0; i < c->n_sinks; i++) {
        failing |= atomic_load(&c->sinks[i]->book.intents.failing);
        missed += atomic_load(&c->sinks[i]->book.intents.missed);
    }
    check_because(e, "once_after_a_kill", failing ? DEGRADED : HEALTHY, "batches sent without an intent", (double)missed, 0,
                  failing ? "state.db cannot be written now: after a kill Loki may get lines twice" : NULL);
}

static bool count_hanging(const struct birth_info *b, void *arg)
{
    unsigned *hanging = arg;
    int64_t heartbeat = b->task_kind ? b->task_kind->heartbeat : 0;
    if (task_is(b) && heartbeat && b->state == BIRTH_RUNNING && b->beat &&
        clock_mono() - b->beat > HANGS_AFTER_HEARTBEATS * heartbeat)
        ++*hanging;
    return true;
}

struct source_tally {
    uint64_t all[4], failed[4];
};

static void tally_source(struct source *s, void *arg)
{
    struct source_tally *t = arg;
    t->all[s->kind]++;
    t->failed[s->kind] += s->state == SOURCE_FAILED;
}

static void service(struct exam *e, const char *name, bool enabled, enum level level)
{
    if (enabled && level > e->worst)
        e->worst = level;
    doc_object(&e->doc, name);
    doc_string(&e->doc, "status", enabled ? level_names[level] : "disabled");
    doc_object(&e->doc, "stats");
}

static void service_end(struct exam *e)
{
    doc_object_end(&e->doc);
    doc_object_end(&e->doc);
}

/* A leak is for a person to look at, and nothing that a restart must mend at once: degraded. */
static void tracker(struct exam *e, const struct web_context *c, unsigned hanging)
{
    struct leakwatch *l = c->leaks;
    unsigned findings = 0;
    if (l) {
        leakwatch_lock(l);
        findings = findings_count(&l->findings, LEAK_WARNING);
        leakwatch_unlock(l);
    }
    service(e, "goroutine_tracker", true, hanging ? UNHEALTHY : findings ? DEGRADED : HEALTHY);
    doc_uint(&e->doc, "tasks", task_count());
    doc_uint(&e->doc, "hanging", hanging);
    doc_uint(&e->doc, "refused", task_refused());
    doc_uint(&e->doc, "findings", findings);
    if (l) {
        leakwatch_lock(l);
        doc_uint(&e->doc, "unexpected", l->totals.unexpected_tasks);
        doc_uint(&e->doc, "suspects", l->n_suspects);
        doc_uint(&e->doc, "fds_unowned", l->totals.unowned_fds);
        doc_time(&e->doc, "last_check", l->totals.last_check);
        leakwatch_unlock(l);
    }
    service_end(e);
}

/* An engine that was there and is not now: its containers say what nobody hears. */
static void container_monitor(struct exam *e, const struct web_context *c)
{
    struct containers *m = c->containers ? c->containers() : NULL;
    const struct containers_stats *s = m ? containers_stats(m) : NULL;
    bool down = s && s->engines_up < s->engines, waiting = s && s->waiting;
    service(e, "container_monitor", c->config->containers.enabled, down || waiting ? DEGRADED : HEALTHY);
    doc_uint(&e->doc, "containers", s ? s->containers : 0);
    if (s)
        containers_stats_write(&e->doc, s);
    service_end(e);
}

static void services(struct exam *e, const struct web_context *c)
{
    struct source_tally t = {0};
    unsigned hanging = 0;
    struct counts sum = {0};
    const struct files_stats *files = c->files ? c->files() : NULL;

    sources_walk(tally_source, &t);
    birth_walk(count_hanging, &hanging);
    for (unsigned i = 0; i < c->n_sinks; i++) {
        struct counts n;
        book_totals(&c->sinks[i]->book, &n);
        sum.taken.records += n.taken.records;
        sum.delivered.records += n.delivered.records;
        sum.in_flight.records += n.in_flight.records;
    }
    doc_object(&e->doc, "services");
    service(e, "dispatcher", true, HEALTHY);
    doc_uint(&e->doc, "taken", sum.taken.records);
    doc_uint(&e->doc, "delivered", sum.delivered.records);
    doc_uint(&e->doc, "in_flight", sum.in_flight.records);
    service_end(e);
    service(e, "file_monitor", c->config->files.enabled, HEALTHY);
    doc_uint(&e->doc, "files", t.all[SOURCE_FILE]);
    doc_uint(&e->doc, "failed", t.failed[SOURCE_FILE]);
    if (files) { /* those without a watch are only scanned */
        doc_uint(&e->doc, "directories", files->directories);
        doc_uint(&e->doc, "directories_unwatched", files->unwatched);
    }
    service_end(e);
    container_monitor(e, c);
    tracker(e, c, hanging);
    doc_object_end(&e->doc);
}

/* Each one's state, with its circuit breaker if it has one: what sink_connectivity counts. */
static void sinks(struct exam *e, const struct web_context *c, struct scope *scratch)
{
    doc_object(&e->doc, "sinks");
    for (unsigned i = 0; i < c->n_sinks; i++) {
        doc_object(&e->doc, c->sinks[i]->name);
        doc_string(&e->doc, "status", level_names[c->sinks[i]->stats.failing ? DEGRADED : HEALTHY]);
        sink_status_write(&e->doc, c->sinks[i], scratch);
        doc_object_end(&e->doc);
    }
    doc_object_end(&e->doc);
}

bool health_write(struct doc *d, struct web *w, struct scope *scratch)
{
    const struct web_context *c = w->context;
    struct exam e = {.doc = *d};
    struct process p;

    process_read(&p, scratch);
    doc_time(&e.doc, "timestamp", clock_real());
    doc_string(&e.doc, "version", LOGCAP_VERSION);
    doc_real(&e.doc, "uptime", (double)((clock_mono() - c->started) / SECOND));
    services(&e, c);
    sinks(&e, c, scratch);
    doc_object(&e.doc, "checks");
    check_queues(&e, c);
    double pool = c->pool->limit ? (double)c->pool->used / (double)c->pool->limit : 0;
    check(&e, "memory", pool >= 0.95 ? DEGRADED : HEALTHY, "ratio of the pool", pool, 1);
    check_disk(&e, c);
    check_disk_buffer(&e, c);
    check_sinks(&e, c);
    check_labels(&e, c);
    check_ledger(&e, c);
    check_letters(&e, c);
    check_intents(&e, c);
    double fds = p.fd_limit > 0 && p.fds > 0 ? (double)p.fds / (double)p.fd_limit : 0;
    check(&e, "file_descriptors", between(fds, 0.8, 0.95), "ratio of the limit", fds, 1);
    doc_object_end(&e.doc);
    doc_string(&e.doc, "status", level_names[e.worst]);
    *d = e.doc;
    return e.worst != UNHEALTHY;
}

void health_answer(struct web *w, struct request *q)
{
    struct doc d = {.out = &q->out};
    doc_object(&d, NULL);
    q->status = health_write(&d, w, &q->scope) ? 200 : 503;
    doc_object_end(&d);
}

/* Not what /health says: much is unhealthy that a new process would find as it is. */
void livez_answer(struct web *w, struct request *q)
{
    const struct web_context *c = w->context;
    const struct hung_rule rule = {c->config->task_tracking.restart_hung_after, c->started, &c->main_beat};
    struct hung h = hung_look(&rule, &q->scope, clock_mono());
    struct doc d = {.out = &q->out};
    q->status = h.remedy == HUNG_NOW ? 503 : 200;
    doc_object(&d, NULL);
    doc_bool(&d, "alive", h.remedy != HUNG_NOW);
    if (h.remedy != HUNG_NOTHING) {
        doc_string(&d, "hangs", h.thread.name);
        doc_real(&d, "silent_seconds", (double)h.silent / SECOND);
        doc_real(&d, "restart_after_seconds", (double)h.due / SECOND);
        doc_bool(&d, "held_by_the_kernel", h.remedy == HUNG_HELD);
    }
    doc_object_end(&d);
}

void ready_answer(struct web *w, struct request *q)
{
    struct doc d = {.out = &q->out};
    bool ready = w->context->ready;
    q->status = ready ? 200 : 503;
    doc_object(&d, NULL);
    doc_bool(&d, "ready", ready);
    doc_object_end(&d);
}
