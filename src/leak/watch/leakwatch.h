/*
 * leakwatch: the watch thread: measures this process, judges it, and finds what is wrong.
 *
 * Each second the totals that cost nothing (tasks, descriptors, resident memory, heap) are noted; not in a program that is not ours, whose
 * allocator may take all its locks to tell. At the interval of the tasks they are counted by kind and looked at one by one; at that of
 * the resources descriptors by type, threads, memory and children. Each series is judged (judge.h) beyond what is expected of it; what
 * the scope tree says is compared with what the kernel says (strays.h); what is wrong is a finding (findings.h), and when a finding
 * begins, becomes worse or ends, there is an alert. Alerts are kept for whoever reads them, and told to a listener: in logcap
 * leak/tell's teller, in libleakwatch the program.
 *
 * What is expected of a kind of task is told by whoever knows (leakwatch_expect()): a reader for each source, a client for each
 * connection. More than that, in two checks one after the other, is a finding. A kind whose number follows the demand
 * (`follows_demand`) is judged only beyond what is expected.
 *
 * Life: begin (before anything else is opened: what is open then is inherited), start (the thread), stop, end.
 * Threads: begin to end main's, follow while its loop is paused; everything within is the watch's. Others read the series,
 * the findings and the alerts between leakwatch_lock() and leakwatch_unlock(), and wait for nothing meanwhile.
 */
#pragma once

#include "base/symbols.h"
#include "base/thread.h"
#include "leak/watch/alert.h"
#include "leak/watch/findings.h"
#include "leak/watch/footprint.h"
#include "leak/watch/silent.h"
#include "leak/watch/strays.h"
#include "loop/loop.h"

enum { EXPECTATIONS = 16, LEAKWATCH_DETAILS = 128 * 1024 };

/* Thresholds: 0 is none. */
struct leakwatch_settings {
    /*
     * The program is not ours, and what it tracks has no scope: nothing is expected of it, what the tree says is not compared
     * with what the kernel says, and a task hangs only when that is sure (silent.h). From begin to end.
     */
    bool foreign;
    int64_t interval[SERIES_SECTIONS]; /* between the checks of each section; 0: it is not watched */
    bool explain[SERIES_SECTIONS];     /* alerts carry what details.h gathers */
    bool suspects;                     /* are kept, to be shown */
    bool thresholds;                   /* those that are about numbers, not about trends, act */
    int64_t cooldown;
    unsigned alerts_kept;
    int64_t restart_hung_after; /* hung.h; 0: never */
    uint64_t max_tasks;
    uint64_t task_increase, task_warn; /* of tasks that nobody expects: over the baseline; absolute */
    uint64_t thread_increase, fd_increase;
    uint64_t memory_warn; /* bytes */
    uint64_t growth_rate; /* of descriptors and memory: percent an interval */
    const char *profiles; /* the directory that heap profiles are saved in; NULL: none are */
};

struct expectation {
    const char *task_kind;
    uint64_t (*allowed)(void *arg); /* any thread, at any time between begin and stop */
    void *arg;
    bool follows_demand;
    uint64_t last;        /* as of the last check */
    unsigned rounds_over; /* checks in a row with more tasks than that */
};

struct alert_ring {
    struct alert *list;
    unsigned room, n, next;
    uint64_t said; /* since the start */
};

/* What a check found, for those who show it. Under the lock. */
struct leak_totals {
    struct kernel_memory memory;
    struct kernel_limits limits;
    uint64_t tasks, expected_tasks, unexpected_tasks, hanging, old, threads, children, fds, unowned_fds;
    uint64_t samples;       /* of tasks */
    int64_t last_check;     /* clock_real() */
    int64_t section_cpu[2]; /* ns that the last check of each section took */
    double most_tasks;
    double task_growth, memory_growth; /* percent since the check before */
    double tasks_a_minute;  /* growth beyond what is expected, over the last fifteen minutes */
};

struct leakwatch {
    struct scope scope;
    struct leakwatch_settings settings;
    struct alert_listener *listener; /* NULL: alerts are kept only */
    int64_t started; /* clock_mono() */
    const char *restarter; /* who begins this process anew when a thread hangs (hung.h); NULL: nobody. Set before start */
    struct expectation expectations[EXPECTATIONS];
    unsigned n_expectations;
    struct tally tally;
    struct silent silent;
    struct silent_task silent_tasks[TALLY_SUSPECTS];
    struct strays strays;
    struct numbers open;
    pthread_mutex_t lock;
    struct series_table series; /* under it, as what follows up to the thread */
    struct findings findings;
    struct alert_ring alerts;
    struct leak_totals totals;
    struct suspect suspects[TALLY_SUSPECTS];
    unsigned n_suspects;
    struct thread thread;
    struct loop loop;
    struct timer second, tasks, resources;
    struct scope life; /* of the thread alone: who ends it takes it off here while the thread still works in `scope` */
    struct footprint *footprints; /* details.h: two */
    struct symbols symbols; /* while alerts are made */
    bool has_symbols;
    struct buf details;
    uint64_t refused_before; /* task_refused() at the last check */
    double rss_before, tasks_before;
};

/* 0 or -errno, as leakwatch_start(). */
int leakwatch_begin(struct leakwatch *w, struct scope *owner, const struct leakwatch_settings *settings, struct alert_listener *listener);
void leakwatch_expect(struct leakwatch *w, const char *task_kind, uint64_t (*allowed)(void *arg), void *arg, bool follows_demand);
int leakwatch_start(struct leakwatch *w);
void leakwatch_follow(struct leakwatch *w, const struct leakwatch_settings *settings); /* nothing when it was not started */
void leakwatch_stop(struct leakwatch *w); /* nothing when it was not started */
void leakwatch_end(struct leakwatch *w);  /* nothing when not alive */

void leakwatch_lock(struct leakwatch *w);
void leakwatch_unlock(struct leakwatch *w);
/* The n-th newest alert, from 0; NULL: there is none. Locked. */
const struct alert *leakwatch_alert(const struct leakwatch *w, unsigned n);
/* A moment of clock_mono() as one of clock_real(); 0 stays 0. */
int64_t leakwatch_real(int64_t mono);

/* ---- between the files of leakwatch ---- */

void measure_second(struct leakwatch *w);
void measure_tasks(struct leakwatch *w);
void measure_resources(struct leakwatch *w);
void judge_section(struct leakwatch *w, enum series_section section);
