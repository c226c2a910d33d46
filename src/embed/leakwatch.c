/* The public functions of include/leakwatch.h, over birth records and the profiles of leak/explain. */
#include <leakwatch.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/probe.h"
#include "base/thread.h"
#include "leak/explain/lines.h"
#include "web/host.h"
#include "web/pprof.h"

enum { KIND_BYTES = 40, CONNECTIONS = 16, IDLE_S = 10, DEADLINE_S = 30 };

/* ---- what is tracked: birth records without a scope, which any thread may begin and end ---- */

static struct {
    struct task_kind kind;
    char name[KIND_BYTES];
} kinds[LEAK_KINDS];
static _Atomic unsigned n_kinds;
static pthread_mutex_t kinds_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct task_kind *find_kind(const char *name)
{
    unsigned n = atomic_load_explicit(&n_kinds, memory_order_acquire);
    for (unsigned i = 0; i < n; i++)
        if (strncmp(kinds[i].name, name, KIND_BYTES - 1) == 0)
            return &kinds[i].kind;
    return NULL;
}

/* Kinds are few and never go: reading them needs no lock. */
static const struct task_kind *kind_of(const char *name)
{
    const struct task_kind *k = find_kind(name);
    if (k)
        return k;
    pthread_mutex_lock(&kinds_lock);
    k = find_kind(name);
    unsigned n = atomic_load(&n_kinds);
    if (!k && n < LEAK_KINDS) {
        snprintf(kinds[n].name, KIND_BYTES, "%s", name);
        kinds[n].kind.name = kinds[n].name;
        k = &kinds[n].kind;
        atomic_store_explicit(&n_kinds, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&kinds_lock);
    return k;
}

static _Atomic uint64_t tracked;

static struct birth *birth_of(struct leak_tracked *t)
{
    return (struct birth *)t;
}

struct leak_tracked *leak_begin(const char *kind, const char *name)
{
    const struct task_kind *k = kind_of(kind);
    struct birth *b = k ? birth_new(BIRTH_TASK, 0, name ? name : "", 0) : NULL;
    if (b) {
        birth_set_task_kind(b, k);
        atomic_fetch_add_explicit(&tracked, 1, memory_order_relaxed);
    }
    return (struct leak_tracked *)b;
}

void leak_end(struct leak_tracked *t)
{
    if (!t)
        return;
    atomic_fetch_sub_explicit(&tracked, 1, memory_order_relaxed);
    birth_free(birth_of(t));
}

void leak_beat(struct leak_tracked *t)
{
    if (t)
        birth_beat(birth_of(t), BIRTH_RUNNING, clock_mono());
}

void leak_wait(struct leak_tracked *t)
{
    if (t)
        birth_beat(birth_of(t), BIRTH_WAITING, clock_mono());
}

uint64_t leak_count(void)
{
    return atomic_load(&tracked);
}

/* ---- what is shown ---- */

static struct watcher {
    struct scope scope;
    struct loop loop;
    struct server server;
    struct explainers explainers;
    struct thread thread;
    const char *resolver[2];
    bool runs;
} watcher;
static pthread_mutex_t watcher_lock = PTHREAD_MUTEX_INITIALIZER;

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

static void answer(struct request *q)
{
    q->status = 200;
    if (strncmp(q->path, "/debug/pprof/", strlen("/debug/pprof/")) == 0)
        explainers_answer(&watcher.explainers, q);
    else
        request_fail(q, 404, "here is only /debug/pprof/");
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
    if (r == 0)
        r = thread_begin(&w->thread, &w->scope, "leakwatch", run, stop, w);
    return r;
}

int leak_serve(const struct leak_options *options)
{
    static const struct leak_options standard;
    const struct leak_options *o = options ? options : &standard;
    struct watcher *w = &watcher;
    pthread_mutex_lock(&watcher_lock);
    int r = w->runs ? -EALREADY : 0;
    if (r == 0) {
        *w = (struct watcher){.explainers.loop = &w->loop, .resolver = {o->resolver ? o->resolver : LEAKWATCH_RESOLVER}};
        lines_set_resolver(w->resolver);
        probe_prepare();
        r = scope_begin(&w->scope, &scope_root, "leakwatch");
        if (r == 0 && (r = begin(w, o)) < 0)
            scope_end(&w->scope);
        w->runs = r == 0;
    }
    pthread_mutex_unlock(&watcher_lock);
    return r;
}

unsigned leak_port(void)
{
    pthread_mutex_lock(&watcher_lock);
    unsigned port = watcher.runs ? watcher.server.listeners[0].port : 0;
    pthread_mutex_unlock(&watcher_lock);
    return port;
}

void leak_stop(void)
{
    pthread_mutex_lock(&watcher_lock);
    if (watcher.runs)
        scope_end(&watcher.scope);
    watcher.runs = false;
    pthread_mutex_unlock(&watcher_lock);
}
