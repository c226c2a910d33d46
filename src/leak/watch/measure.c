/* The samples of leakwatch.h: what is measured becomes points of series, and what their judges are given. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/probe.h"
#include "leak/watch/leakwatch.h"

static bool is_noted_each_second(const char *name)
{
    return strcmp(name, "tasks") == 0 || strcmp(name, "fds") == 0 || strcmp(name, "memory:rss") == 0 || strcmp(name, "memory:heap") == 0;
}

/* A point of a series; its judge gets it in judge_section(). Locked. */
static struct series *note(struct leakwatch *w, enum series_section section, const char *name, double value, double expected)
{
    int64_t interval = w->settings.interval[section];
    bool each_second = !w->settings.foreign && is_noted_each_second(name);
    struct series *s = series_obtain(&w->series, name, section, each_second || interval < SECOND ? 1 : (unsigned)(interval / SECOND));
    if (!s)
        return NULL;
    series_note(&w->series, s, clock_real() / SECOND, value);
    s->expected = expected;
    s->measured = true;
    return s;
}

/* A group of a kind. What never was is not worth a series. */
static void note_group(struct leakwatch *w, enum series_section section, const char *kind, const char *group, double value,
                       double expected)
{
    char name[SERIES_NAME];
    snprintf(name, sizeof name, "%s:%s", kind, group);
    if (value > 0 || series_find(&w->series, name))
        note(w, section, name, value, expected);
}

/* What is not in this walk is not there any more. */
static void note_absent(struct leakwatch *w, const char *kind)
{
    size_t n = strlen(kind);
    for (unsigned i = 0; i < w->series.n; i++) {
        struct series *s = w->series.list[i];
        if (!s->measured && strncmp(s->name, kind, n) == 0 && s->name[n] == ':')
            note(w, s->section, s->name, 0, 0);
    }
}

/* Without its judge: a total between two checks. */
static void note_total(struct leakwatch *w, const char *name, double value)
{
    struct series *s = series_find(&w->series, name);
    if (s && value >= 0)
        series_note(&w->series, s, clock_real() / SECOND, value);
}

void measure_second(struct leakwatch *w)
{
    struct kernel_memory m;
    kernel_memory(&m, &w->scope, false);
    int64_t fds = kernel_fd_count();
    leakwatch_lock(w);
    note_total(w, "tasks", (double)task_count());
    note_total(w, "fds", (double)fds);
    note_total(w, "memory:rss", (double)m.resident);
    note_total(w, "memory:heap", (double)m.heap);
    w->totals.memory.resident = m.resident;
    w->totals.memory.heap = m.heap;
    w->totals.memory.heap_mapped = m.heap_mapped;
    leakwatch_unlock(w);
}

/* ---- tasks ---- */

/* How many of these are accounted for; `demand` counts only those whose number may grow with what there is to do. */
static uint64_t expected_of(struct leakwatch *w, const char *kind, uint64_t count, uint64_t *demand)
{
    *demand = 0;
    for (unsigned i = 0; i < w->n_expectations; i++) {
        struct expectation *e = &w->expectations[i];
        if (strcmp(e->task_kind, kind) != 0)
            continue;
        uint64_t expected = count < e->last ? count : e->last;
        *demand = e->follows_demand ? expected : 0;
        return expected;
    }
    return 0;
}

static void ask_expectations(struct leakwatch *w)
{
    for (unsigned i = 0; i < w->n_expectations; i++) {
        struct expectation *e = &w->expectations[i];
        e->last = e->allowed(e->arg);
        e->rounds_over = tally_tasks(&w->tally, e->task_kind) > e->last ? e->rounds_over + 1 : 0;
    }
}

static double percent(double now, double before)
{
    return before > 0 ? (now - before) / before * 100 : 0;
}

/* Over the ring of what nobody expects: from its first point to its last. */
static double growth_a_minute(const struct series *s)
{
    if (!s || s->n < 2)
        return 0;
    const struct point *first = &s->ring[(s->next + s->room - s->n) % s->room];
    const struct point *last = &s->ring[(s->next + s->room - 1) % s->room];
    double minutes = (double)(last->time - first->time) / 60;
    return minutes > 0 ? ((double)last->value - first->value) / minutes : 0;
}

static void note_suspects(struct leakwatch *w)
{
    const struct tally *t = &w->tally;
    uint64_t sure = 0;
    bool doubted = false;
    w->n_suspects = 0;
    for (unsigned i = 0; i < t->n_suspects; i++) {
        const struct suspect *s = &t->suspects[i];
        if (s->hangs && w->settings.foreign && !silent_seen(&w->silent, &s->birth, t->now)) {
            doubted = true;
            continue;
        }
        sure += s->hangs;
        if (w->settings.suspects)
            w->suspects[w->n_suspects++] = *s;
    }
    silent_settle(&w->silent);
    w->totals.hanging = doubted ? sure : t->hanging;
    w->totals.old = t->old;
}

static void note_tasks(struct leakwatch *w)
{
    struct tally *t = &w->tally;
    struct leak_totals *to = &w->totals;
    uint64_t all = 0, accounted = 0, demand_all = 0;
    for (unsigned i = 0; i < t->n_kinds; i++) {
        uint64_t demand, expected = expected_of(w, t->kinds[i].name, t->kinds[i].count, &demand);
        all += t->kinds[i].count;
        accounted += expected;
        demand_all += demand;
        note_group(w, SERIES_OF_TASKS, "tasks", t->kinds[i].name, (double)t->kinds[i].count, (double)demand);
    }
    if (!w->settings.foreign)
        note(w, SERIES_OF_TASKS, "tasks:unexpected", (double)(all - accounted), 0);
    note(w, SERIES_OF_TASKS, "tasks", (double)all, (double)demand_all);
    note_absent(w, "tasks");
    for (int k = BIRTH_WATCH; k < BIRTH_KINDS && !w->settings.foreign; k++)
        if (k != BIRTH_TASK && k != BIRTH_THREAD)
            note_group(w, SERIES_OF_TASKS, "things", birth_kind_name(k), (double)t->alive[k], 0);
    to->tasks = all;
    to->expected_tasks = demand_all;
    to->unexpected_tasks = w->settings.foreign ? 0 : all - accounted;
    to->task_growth = percent((double)all, w->tasks_before);
    w->tasks_before = (double)all;
    if ((double)all > to->most_tasks)
        to->most_tasks = (double)all;
    to->tasks_a_minute = growth_a_minute(series_find(&w->series, "tasks:unexpected"));
    to->samples++;
    to->last_check = clock_real();
    note_suspects(w);
}

/* Whether it holds those that hang. */
static void ask_kernel(struct leakwatch *w)
{
    for (unsigned i = 0; i < w->tally.n_suspects; i++) {
        struct suspect *s = &w->tally.suspects[i];
        if (s->hangs && s->birth.kind == BIRTH_THREAD)
            s->state = probe_state(s->birth.fd, &w->scope);
    }
}

void measure_tasks(struct leakwatch *w)
{
    int64_t began = clock_read(CLOCK_THREAD_CPUTIME_ID);
    if (tally_take(&w->tally, clock_mono()) < 0) {
        log_warn("leaks", "no memory to count the tasks");
        return;
    }
    ask_expectations(w);
    ask_kernel(w);
    leakwatch_lock(w);
    note_tasks(w);
    w->totals.section_cpu[SERIES_OF_TASKS] = clock_read(CLOCK_THREAD_CPUTIME_ID) - began;
    leakwatch_unlock(w);
}

/* ---- everything else ---- */

static void count_thread(int tid, void *arg)
{
    ++*(uint64_t *)arg;
}

/* Descriptors that tasks hold whose number follows the demand: a file being read, a client. */
static double fds_of_demand(struct leakwatch *w)
{
    double sum = 0;
    for (unsigned i = 0; i < w->n_expectations; i++) {
        uint64_t demand;
        expected_of(w, w->expectations[i].task_kind, tally_tasks(&w->tally, w->expectations[i].task_kind), &demand);
        sum += (double)demand;
    }
    return sum;
}

static void note_fds(struct leakwatch *w, const struct kernel_fds *fds)
{
    double demand = fds_of_demand(w);
    uint64_t unowned = w->strays.not_listed;
    for (unsigned i = 0; i < w->strays.n; i++)
        unowned += w->strays.list[i].kind == STRAY_FD && stray_is_sure(&w->strays.list[i]);
    note(w, SERIES_OF_RESOURCES, "fds", (double)fds->n, demand);
    for (int t = 0; t < FD_TYPES; t++)
        note_group(w, SERIES_OF_RESOURCES, "fds", fd_type_name(t), (double)fds->by_type[t], t == FD_FILE ? demand : 0);
    if (!w->settings.foreign)
        note_group(w, SERIES_OF_RESOURCES, "fds", "unowned", (double)unowned, 0);
    w->totals.fds = fds->n;
    w->totals.unowned_fds = unowned;
}

static void note_memory(struct leakwatch *w, const struct kernel_memory *m)
{
    static const char *const names[] = {"rss", "pss", "heap", "heap_mapped", "virtual"};
    const int64_t values[] = {m->resident, m->proportional, m->heap, m->heap_mapped, m->mapped_all};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (values[i] >= 0)
            note_group(w, SERIES_OF_RESOURCES, "memory", names[i], (double)values[i], 0);
    w->totals.memory_growth = percent((double)m->resident, w->rss_before);
    w->rss_before = (double)m->resident;
    w->totals.memory = *m;
}

static void note_arenas(struct leakwatch *w)
{
    const struct tally *t = &w->tally;
    for (unsigned i = 0; i < t->n_groups; i++)
        note_group(w, SERIES_OF_RESOURCES, "arena", t->groups[i].name, (double)t->groups[i].bytes, 0);
    note_group(w, SERIES_OF_RESOURCES, "arena", t->groups[TALLY_GROUPS - 1].name, (double)t->groups[TALLY_GROUPS - 1].bytes, 0);
    note_absent(w, "arena");
}

void measure_resources(struct leakwatch *w)
{
    struct kernel_fds fds;
    struct kernel_memory memory;
    struct kernel_limits limits;
    uint64_t threads = 0;
    int64_t began = clock_read(CLOCK_THREAD_CPUTIME_ID), now = clock_mono();
    int r = kernel_fds(&fds, &w->open, &w->scope);
    if (r == 0)
        r = tally_take(&w->tally, now);
    if (r == 0 && !w->settings.foreign)
        r = strays_look(&w->strays, &w->open, &w->tally, now);
    if (r < 0) {
        log_warn("leaks", "cannot measure what is open: %s", strerror(-r));
        return;
    }
    kernel_memory(&memory, &w->scope, true);
    kernel_limits(&limits, &w->scope);
    kernel_threads(&w->scope, count_thread, &threads);
    int64_t children = kernel_children(&w->scope);
    leakwatch_lock(w);
    note_fds(w, &fds);
    note_memory(w, &memory);
    if (!w->settings.foreign)
        note_arenas(w);
    note(w, SERIES_OF_RESOURCES, "threads", (double)threads, 0);
    if (children >= 0)
        note(w, SERIES_OF_RESOURCES, "children", (double)children, 0);
    w->totals.limits = limits;
    w->totals.threads = threads;
    w->totals.children = children > 0 ? (uint64_t)children : 0;
    w->totals.section_cpu[SERIES_OF_RESOURCES] = clock_read(CLOCK_THREAD_CPUTIME_ID) - began;
    leakwatch_unlock(w);
}
