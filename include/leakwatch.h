/*
 * leakwatch: what a C program does and holds, and what of it leaks: logcap's tracker, monitor and profiles, for any program.
 *
 *     #include <leakwatch.h>
 *
 *     static void serve(struct connection *c)
 *     {
 *         leak_track("connection", c->peer);     // until the end of this block, however it is left
 *         ...
 *     }
 *
 *     static void told(const struct leak_alert *alert, void *arg)
 *     {
 *         fprintf(stderr, "%s [%s]\n", alert->text, alert->born_at);
 *     }
 *
 *     int main(void)
 *     {
 *         leak_kind("connection", &(struct leak_kind_options){.max_age_ms = 60 * 1000});
 *         leak_serve(&(struct leak_options){.port = 6060, .on_alert = told});
 *         ...
 *         leak_stop();
 *     }
 *
 * and then
 *
 *     curl http://localhost:6060/leaks       what is found, each series with its verdict: JSON, see below
 *     curl http://localhost:6060/metrics     the same as numbers, for Prometheus: leakwatch_series{series="fds:file"}, ...
 *     curl 'http://localhost:6060/debug/pprof/goroutine?debug=1'
 *
 * or `go tool pprof` with any of the profiles that http://localhost:6060/debug/pprof/ lists: goroutine (what is tracked, by the stack
 * that began it, and all threads where they are), threadcreate, fds, blocks, profile (processor time), and heap if jemalloc is
 * linked and samples (MALLOC_CONF=prof:true).
 *
 * Build: cc program.c $(pkg-config --cflags --libs leakwatch). With -fno-omit-frame-pointer stacks of what is tracked are whole; with
 * -g they have files and lines.
 *
 * Structs may grow: initialise them by name, what is not named is 0 and means the default.
 *
 * Threads: everything from any thread. A track costs some 150 ns and no lock; its record takes 192 bytes, which the kernel gets back
 * at a later check once it has ended. leak_serve() takes the signal SIGPROF and two threads; without it nothing runs.
 *
 * Processes: call leak_serve() after fork() and daemon(), for threads do not come along. Files and lines are looked up by a child process
 * that lives for some 100 ms, 30 s at most: for an alert with `born_at`, for GET /leaks and for profiles with names. It ends with a
 * SIGCHLD; a program that waits for any child sees an identifier that it does not know, and may forget it: to wait for it, or to ignore
 * SIGCHLD, does no harm. It has none of the program's descriptors but standard error.
 */
#ifndef LEAKWATCH_H
#define LEAKWATCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is tracked ---- */

/* Something that runs or is held until it is ended. */
struct leak_tracked;

/*
 * `kind` groups ("connection"), `name` tells one from the other. Of both the first 39 bytes are kept; a kind is shown as UTF-8, of whole
 * characters. NULL: there is no memory, or there are LEAK_KINDS kinds already; all the other functions take NULL and do nothing.
 */
struct leak_tracked *leak_begin(const char *kind, const char *name);
void leak_end(struct leak_tracked *t);
void leak_beat(struct leak_tracked *t); /* it got somewhere */
void leak_wait(struct leak_tracked *t); /* it waits, until the next beat */
uint64_t leak_id(const struct leak_tracked *t); /* never 0, and of no other; 0: NULL */
uint64_t leak_count(void);              /* how many there are */

enum { LEAK_KINDS = 256 };

/* Until the end of the block. */
#define leak_track(kind, name) \
    struct leak_tracked *LEAK_NAME(__LINE__) __attribute__((cleanup(leak_end_at), unused)) = leak_begin(kind, name)
#define LEAK_NAME(line) LEAK_JOIN(leak_tracked_, line)
#define LEAK_JOIN(a, b) a##b
static inline void leak_end_at(struct leak_tracked **t)
{
    leak_end(*t);
}

/* ---- what is known of a kind, so that the monitor finds exactly what else it can only infer ---- */

/*
 * One that runs (leak_begin() and leak_beat() say so, leak_wait() ends it), has not beaten for two heartbeats, and does not for one more
 * from the check on that found it so: a program that was stopped (a debugger, a paused container or machine) is given the time to go
 * on. Strings are valid during the call, and never NULL.
 */
struct leak_hang {
    const char *kind, *name;
    uint64_t id;     /* leak_id() */
    double silent_s; /* since its last beat */
};

struct leak_kind_options {
    unsigned heartbeat_ms; /* one that runs beats as often as that; 0: none is expected */
    unsigned max_age_ms;   /* an older one is forgotten somewhere; 0: as old as it likes */
    unsigned most;         /* at the same time; more are an alert. 0: as many as there are */
    /*
     * Called once for each hang, at a check, so that the program can begin its work anew. It is an alert too; a second one of the same
     * task within five minutes is an alert only if it still lasts when these are over. From the library's thread, as on_alert below.
     */
    void (*on_hang)(const struct leak_hang *hang, void *arg);
    void *arg;
};

/*
 * To be said before the first of the kind begins. 0; -EEXIST: there was one already, or this was said before; -ENOSPC: there are
 * LEAK_KINDS.
 */
int leak_kind(const char *kind, const struct leak_kind_options *options);

/* ---- what is found ---- */

enum leak_alert_event { LEAK_ALERT_RAISED, LEAK_ALERT_WORSE, LEAK_ALERT_RESOLVED };
enum leak_alert_severity { LEAK_ALERT_WARNING = 1, LEAK_ALERT_HIGH, LEAK_ALERT_CRITICAL };

/* A finding that begins, becomes worse, or is over. Strings are valid during the call, and never NULL. */
struct leak_alert {
    enum leak_alert_event event;
    enum leak_alert_severity severity; /* resolved: the one it had */
    int exact;               /* seen, not inferred from a trend */
    const char *series;      /* "tasks:connection", "fds:tcp_close_wait", "memory:rss" */
    const char *resource;    /* what of it; the same in all alerts of one finding: "tasks:connection/old" */
    const char *text;        /* a sentence */
    const char *born_at;     /* of tasks: where the one that is meant was begun, or most of those that came: "accept+0x1c /src/a.c:97"; "" */
    double current, baseline; /* NAN: there is none */
    double slope_per_min;    /* 0: it does not grow */
    double limit_in_s;       /* until the real limit (descriptors, memory, processes) at that slope; below 0: never */
    double confidence;       /* 0 to 1 */
    int64_t time, since;     /* seconds since 1970; since 0: that is not known */
};

/* ---- the threads that show it and look ---- */

#define LEAK_NO_CHECKS (~0u)

struct leak_options {
    const char *host;     /* the address to listen on; NULL: 127.0.0.1. There is no authentication */
    unsigned port;        /* 0: the kernel chooses, see leak_port() */
    const char *resolver; /* the program that looks up files and lines; NULL: where it was installed */
    /*
     * How often all is measured and judged; 0: each 30 s, as logcap does, LEAK_NO_CHECKS: never, and there is one thread and only
     * /debug/pprof/. At least 100. What is never in doubt (an age, a number) is said at the next check, a hang at the first one that
     * comes a heartbeat or more after the one that found it; of what grows, first verdicts come after 25 checks, alerts after hours: a
     * warm-up, a pool and a rising day look the same before.
     */
    unsigned check_interval_ms;
    /*
     * From the library's thread: it may call everything but leak_serve() and leak_stop(); checks wait until it returns. So does
     * leak_stop(): who calls that must hold no lock that is taken here.
     */
    void (*on_alert)(const struct leak_alert *alert, void *arg);
    void *arg;
};

/*
 * 0, or a negative errno: it runs already (-EALREADY), or cannot listen.
 *
 * GET /leaks, as logcap's (docs/leaks.md): status ("ok" or the worst severity that is on), totals, series (tasks by kind, threads,
 * descriptors by type, memory, children: each with current, baseline, verdict, slope_per_min; tasks that grow with `born`: the
 * stack that began most of those that came), findings, suspects (tasks that hang or are too old), alerts (the last 100).
 */
int leak_serve(const struct leak_options *options);
unsigned leak_port(void); /* 0: it does not run */
/* Ends the threads, which waits for on_alert and on_hang, and closes what was opened; nothing when it does not run. */
void leak_stop(void);

#ifdef __cplusplus
}
#endif
#endif
