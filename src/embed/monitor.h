/*
 * monitor: leakwatch (leak/watch) for a program that is not logcap: what it tracks, and what the kernel says of it. Alerts and tasks
 * that hang are told to the program.
 *
 * Threads: begun and ended by one; the program's functions are called by the watch's. Reading: any, as leak/watch/leakwatch.h says.
 */
#pragma once

#include "embed/tracked.h"
#include "leak/watch/leakwatch.h"

enum { MONITOR_SILENT = 1024, MONITOR_TOLD_AT_ONCE = 32 };

struct monitor {
    struct leakwatch watch;
    struct alert_listener listener;
    struct timer turn; /* on the watch's loop */
    int64_t interval;
    void (*on_alert)(const struct leak_alert *alert, void *arg);
    void *arg;
    struct silent silent; /* what was told of these; a task that went on and hangs again is told again */
    struct silent_task silent_tasks[MONITOR_SILENT];
    struct birth_info news[MONITOR_TOLD_AT_ONCE];
    unsigned n_news;
    int64_t now;
};

/* 0 or -errno. */
int monitor_begin(struct monitor *m, struct scope *owner, const struct leak_options *options);
bool monitor_runs(const struct monitor *m);
void monitor_end(struct monitor *m); /* nothing when it does not run */
/* GET /leaks. Waits for names of functions. 0 or -errno. */
int monitor_report(struct monitor *m, struct scope *scope, struct buf *out, int cancel);
