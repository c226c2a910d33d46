/*
 * stack_dump: what it costs to show the stacks of 10,000 tasks, and how long a busy thread is held up by it.
 *
 * A thread that reads the clock all the time stands for the record path: the longest gap that it sees while stacks are dumped
 * is what a dump took from it, or what the machine did meanwhile; so gaps are compared with those of as long a time
 * without a dump, and of ROUNDS rounds the shortest counts. Prints "MILLISECONDS GAP_MS GAP_MS_WITHOUT BYTES".
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/probe.h"
#include "base/thread.h"
#include "leak/explain/explain.h"
#include "leak/explain/resolver.h"

enum { TASKS = 10000, ROUNDS = 5, OUT_BYTES = 16 << 20 };

static const struct task_kind kind = {.name = "bench"};
static struct task tasks[TASKS];
static _Atomic bool ended;
static _Atomic int64_t longest;

static void run(struct thread *t)
{
    for (int64_t last = clock_mono(), now; !atomic_load(&ended); last = now) {
        now = clock_mono();
        if (now - last > atomic_load(&longest))
            atomic_store(&longest, now - last);
    }
}

static void stop(struct thread *t)
{
    atomic_store(&ended, true);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void begin_tasks(void)
{
    for (int i = 0; i < TASKS; i++)
        if (task_begin(&tasks[i], &scope_root, &kind, "a task") < 0)
            exit(1);
}

int main(int argc, char **argv)
{
    const struct explain_ask each = {.what = EXPLAIN_GOROUTINE, .form = EXPLAIN_EACH};
    int64_t took = INT64_MAX, gap = INT64_MAX, without = INT64_MAX;
    struct thread busy;
    struct buf out;
    if (argc > 1 && strcmp(argv[1], "resolve") == 0)
        return resolver_run(stdin, stdout);
    probe_prepare();
    begin_tasks();
    if (buf_begin(&out, &scope_root, "out", OUT_BYTES) < 0 || thread_begin(&busy, &scope_root, "busy", run, stop, NULL) < 0)
        return 1;
    for (int i = 0; i < ROUNDS; i++) {
        buf_clear(&out);
        atomic_store(&longest, 0);
        int64_t from = clock_mono();
        if (explain_write(&each, &scope_root, &out, -1) < 0)
            return 1;
        int64_t span = clock_mono() - from;
        gap = least(gap, atomic_exchange(&longest, 0));
        took = least(took, span);
        for (from = clock_mono(); clock_mono() - from < span;)
            ;
        without = least(without, atomic_load(&longest));
    }
    printf("%.1f %.3f %.3f %zu\n", (double)took / MILLISECOND, (double)gap / MILLISECOND, (double)without / MILLISECOND, out.len);
    thread_end(&busy);
    for (int i = 0; i < TASKS; i++)
        task_end(&tasks[i]);
    buf_end(&out);
    return 0;
}
