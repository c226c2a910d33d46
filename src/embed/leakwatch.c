/* leak_serve() of include/leakwatch.h: what is shown, and the monitor. */
#include <leakwatch.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/probe.h"
#include "base/thread.h"
#include "embed/monitor.h"
#include "leak/explain/lines.h"
#include "web/host.h"
#include "web/leaks_metrics.h"
#include "web/pprof.h"

enum { CONNECTIONS = 16, IDLE_S = 10, DEADLINE_S = 30 };

static struct watcher {
    struct scope scope;
    struct loop loop;
    struct server server;
    struct explainers explainers;
    struct monitor monitor;
    struct thread thread;
    const char *resolver[2];
    bool runs;
} watcher;
static pthread_mutex_t watcher_lock = PTHREAD_MUTEX_INITIALIZER; /* held while leak_stop() waits for the threads: they must not take it */
static _Atomic unsigned port;

static void run(struct thread *t)
{
    struct watcher *w = t->arg;
    w->loop.task = &t->task;
    (void)loop_run(&w->loop);
}

static void stop(struct thread *t)
{
    struct watcher *w = t->arg;
    loop_stop(&w->loop);
}

/* A page on the web must not read this through a browser on this machine. */
static void admit(struct request *q)
{
    static const struct string_list none;
    static const char *const names[] = {NULL};
    const struct own_names own = {names, &none};
    const char *host = request_header(q, "Host");
    if (q->listener->loopback && host && !host_allowed(host, &own))
        request_fail(q, 403, "not for host %s: ask for localhost or an address", host);
    else if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0)
        request_fail(q, 405, "this takes GET");
}

static int report(const struct explain_ask *ask, struct scope *scope, struct buf *out, int cancel)
{
    return monitor_report(&watcher.monitor, scope, out, cancel);
}

static void answer(struct request *q)
{
    bool leaks = strcmp(q->path, "/leaks") == 0, metrics = strcmp(q->path, "/metrics") == 0;
    q->status = 200;
    if (strncmp(q->path, "/debug/pprof/", strlen("/debug/pprof/")) == 0) {
        explainers_answer(&watcher.explainers, q);
    } else if (!leaks && !metrics) {
        request_fail(q, 404, "here are only /leaks, /metrics and /debug/pprof/");
    } else if (!monitor_runs(&watcher.monitor)) {
        request_fail(q, 404, "nothing is measured: the program asked leak_serve() for no checks");
    } else if (leaks) {
        q->content_type = "application/json";
        explainers_start(&watcher.explainers, q, "/leaks", report, &(struct explain_ask){0});
    } else {
        q->content_type = "text/plain; version=0.0.4; charset=utf-8";
        leaks_metrics(&q->out, &watcher.monitor.watch, "leakwatch");
    }
}

static int begin(struct watcher *w, const struct leak_options *o)
{
    const struct server_config config = {
        .max_connections = CONNECTIONS,
        .idle = IDLE_S * SECOND,
        .deadline = DEADLINE_S * SECOND,
        .admit = admit,
        .answer = answer,
    };
    char why[256] = "";
    int r = loop_begin(&w->loop, &w->scope, "loop");
    if (r == 0)
        r = server_begin(&w->server, &w->scope, &w->loop, &config);
    if (r == 0)
        r = server_listen(&w->server, o->host ? o->host : "127.0.0.1", o->port, 0, false, why, sizeof why);
    if (r == 0 && o->check_interval_ms != LEAK_NO_CHECKS)
        r = monitor_begin(&w->monitor, &w->scope, o);
    if (r == 0)
        r = thread_begin(&w->thread, &w->scope, "leakwatch", run, stop, w);
    return r;
}

/* The server's thread, which reads what the monitor found, before the monitor. */
static void end(struct watcher *w)
{
    thread_end(&w->thread);
    scope_end(&w->server.scope);
    monitor_end(&w->monitor);
    scope_end(&w->scope);
}

int leak_serve(const struct leak_options *options)
{
    static const struct leak_options standard;
    const struct leak_options *o = options ? options : &standard;
    struct watcher *w = &watcher;
    pthread_mutex_lock(&watcher_lock);
    int r = w->runs ? -EALREADY : 0;
    if (r == 0) {
        memset(w, 0, sizeof *w);
        w->explainers.loop = &w->loop;
        w->resolver[0] = o->resolver ? o->resolver : LEAKWATCH_RESOLVER;
        lines_set_resolver(w->resolver);
        probe_prepare();
        r = scope_begin(&w->scope, &scope_root, "leakwatch");
        if (r == 0 && (r = begin(w, o)) < 0)
            end(w);
        w->runs = r == 0;
        atomic_store(&port, w->runs ? w->server.listeners[0].port : 0);
    }
    pthread_mutex_unlock(&watcher_lock);
    return r;
}

unsigned leak_port(void)
{
    return atomic_load(&port);
}

void leak_stop(void)
{
    pthread_mutex_lock(&watcher_lock);
    if (watcher.runs)
        end(&watcher);
    watcher.runs = false;
    atomic_store(&port, 0);
    pthread_mutex_unlock(&watcher_lock);
}
