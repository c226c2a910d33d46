/*
 * The predecessor's addresses and keys, with what logcap has in their place: a goroutine is a task. What has no counterpart in C
 * (collections, heap objects of a runtime) is 0.
 */
#include <unistd.h>

#include "base/clock.h"
#include "leak/watch/leakwatch.h"
#include "web/process.h"
#include "web/routes.h"

#define MIB (1024.0 * 1024.0)

struct numbers_of_tasks {
    double baseline, current, growth, a_minute, most;
    bool has_baseline;
    const char *status;
};

/* Locked. The baseline moves with what is expected now, so that growth is what nobody expects. */
static struct numbers_of_tasks tasks_of(const struct leakwatch *l)
{
    const struct series *s = series_find(&l->series, "tasks");
    const struct verdict *v = s ? judge_verdict(&s->judge) : NULL;
    struct numbers_of_tasks n = {.current = (double)task_count(), .most = l->totals.most_tasks, .a_minute = l->totals.tasks_a_minute};
    n.has_baseline = v && v->has_baseline;
    n.baseline = n.has_baseline ? v->baseline + s->expected : n.current;
    n.growth = n.current - n.baseline;
    n.status = findings_count(&l->findings, LEAK_CRITICAL) ? "critical"
               : findings_count(&l->findings, LEAK_WARNING) ? "warning"
                                                            : "healthy";
    return n;
}

static struct leakwatch *watch_of(struct web *w, struct request *q)
{
    struct leakwatch *l = w->context->leaks;
    if (!l)
        request_fail(q, 404, "nothing is watched here");
    return l;
}

void goroutines_stats_answer(struct web *w, struct request *q)
{
    struct leakwatch *l = watch_of(w, q);
    struct doc d = {.out = &q->out};
    if (!l)
        return;
    leakwatch_lock(l);
    struct numbers_of_tasks n = tasks_of(l);
    doc_object(&d, NULL);
    doc_real(&d, "baseline_goroutines", n.baseline);
    doc_real(&d, "current_goroutines", n.current);
    doc_real(&d, "total_growth", n.growth);
    doc_real(&d, "growth_rate_per_min", n.a_minute);
    doc_time(&d, "last_check", l->totals.last_check);
    doc_uint(&d, "samples_collected", l->totals.samples);
    doc_string(&d, "status", n.status);
    leakwatch_unlock(l);
    doc_object_end(&d);
}

static void write_memory(struct doc *d, const struct kernel_memory *m)
{
    doc_object(d, "memory");
    doc_int(d, "alloc", m->heap);
    doc_int(d, "sys", m->resident);
    doc_int(d, "heap_alloc", m->heap);
    doc_int(d, "heap_sys", m->heap_mapped);
    doc_int(d, "heap_objects", 0);
    doc_int(d, "num_gc", 0);
    doc_int(d, "gc_pause_total_ns", 0);
    doc_object_end(d);
}

void debug_goroutines_answer(struct web *w, struct request *q)
{
    struct leakwatch *l = watch_of(w, q);
    struct doc d = {.out = &q->out};
    if (!l)
        return;
    leakwatch_lock(l);
    struct numbers_of_tasks n = tasks_of(l);
    doc_object(&d, NULL);
    doc_real(&d, "goroutines", n.current);
    doc_int(&d, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
    doc_int(&d, "timestamp", clock_real() / SECOND);
    write_memory(&d, &l->totals.memory);
    doc_object(&d, "tracker_stats");
    doc_real(&d, "current", n.current);
    doc_real(&d, "baseline", n.baseline);
    doc_real(&d, "max_seen", n.most > n.current ? n.most : n.current);
    doc_real(&d, "tracked", n.current);
    doc_uint(&d, "suspected_leaks", l->n_suspects + l->totals.unexpected_tasks);
    doc_string(&d, "status", n.status);
    doc_time(&d, "last_check", l->totals.last_check);
    doc_real(&d, "uptime", (double)((clock_mono() - w->context->started) / SECOND));
    doc_object_end(&d);
    leakwatch_unlock(l);
    doc_object_end(&d);
}

void resource_metrics_answer(struct web *w, struct request *q)
{
    struct leakwatch *l = watch_of(w, q);
    struct doc d = {.out = &q->out};
    struct process p;
    if (!l)
        return;
    process_read(&p, &q->scope);
    leakwatch_lock(l);
    const struct kernel_memory *m = &l->totals.memory;
    doc_object(&d, NULL);
    doc_time(&d, "timestamp", clock_real());
    doc_uint(&d, "goroutines", task_count());
    doc_real(&d, "memory_alloc_mb", (double)m->heap / MIB);
    doc_real(&d, "memory_total_mb", (double)m->heap_mapped / MIB);
    doc_real(&d, "memory_sys_mb", (double)p.resident_bytes / MIB);
    doc_int(&d, "file_descriptors", p.fds);
    doc_int(&d, "heap_objects", 0);
    doc_real(&d, "goroutine_growth", l->totals.task_growth);
    doc_real(&d, "memory_growth", l->totals.memory_growth);
    leakwatch_unlock(l);
    doc_object_end(&d);
}
