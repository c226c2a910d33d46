/*
 * stack_dump: what it costs to show the stacks of 10,000 tasks, and how long a busy thread is held up by it.
 *
 * Both in processor time, so that what else runs on the machine does not count: the dump's, with that of the process that looks up
 * functions and lines; and of a thread that works all the time (it stands for the record path) the longest piece between two
 * looks at its own clock, which is what the signal's handler took. The least of ROUNDS rounds. Prints "DUMP_MS HELD_UP_MS BYTES".
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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
    for (int64_t last = clock_read(CLOCK_THREAD_CPUTIME_ID), now; !atomic_load(&ended); last = now) {
        now = clock_read(CLOCK_THREAD_CPUTIME_ID);
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

/* Of this thread and of the processes that it has waited for. */
static int64_t used(void)
{
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    return clock_read(CLOCK_THREAD_CPUTIME_ID) + (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * SECOND +
           (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * MICROSECOND;
}

int main(int argc, char **argv)
{
    const struct explain_ask each = {.what = EXPLAIN_GOROUTINE, .form = EXPLAIN_EACH};
    int64_t took = INT64_MAX, gap = INT64_MAX;
    struct thread busy;
    struct buf out;
    if (argc > 1 && strcmp(argv[1], "resolve") == 0)
        resolver_run(stdin, stdout);
    lines_set_resolver(lines_itself);
    probe_prepare();
    begin_tasks();
    if (buf_begin(&out, &scope_root, "out", OUT_BYTES) < 0 || thread_begin(&busy, &scope_root, "busy", run, stop, NULL) < 0)
        return 1;
    for (int i = 0; i < ROUNDS; i++) {
        buf_clear(&out);
        atomic_store(&longest, 0);
        int64_t from = used();
        if (explain_write(&each, &scope_root, &out, -1) < 0)
            return 1;
        took = least(took, used() - from);
        gap = least(gap, atomic_load(&longest));
    }
    printf("%.1f %.3f %zu\n", (double)took / MILLISECOND, (double)gap / MILLISECOND, out.len);
    thread_end(&busy);
    for (int i = 0; i < TASKS; i++)
        task_end(&tasks[i]);
    buf_end(&out);
    return 0;
}
