#include "in/containers/containers.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "in/containers/choose.h"
#include "in/containers/container.h"
#include "in/containers/engine.h"
#include "in/containers/follow.h"
#include "in/containers/own.h"
#include "in/files/pods.h"

#define LOOK (2 * SECOND)        /* after the logs that are files */
#define FIND_AGAIN (30 * SECOND) /* engines that were not there */

const struct task_kind container_stream_kind = {.name = "container_stream", .heartbeat = 30 * SECOND, .remedy = TASK_BEGUN_ANEW};
const struct task_kind container_events_kind = {.name = "container_events", .heartbeat = 30 * SECOND, .remedy = TASK_BEGUN_ANEW};
const struct task_kind container_ask_kind = {.name = "container_ask", .heartbeat = 30 * SECOND, .max_age = 60 * SECOND};

/* ---- room ---- */

static void unblock_all(struct containers *m)
{
    struct wire *todo = m->blocked;
    m->blocked = NULL;
    for (struct wire *w = todo; w; w = w->next_blocked)
        w->is_blocked = false;
    while (todo) {
        struct wire *w = todo;
        todo = w->next_blocked;
        w->next_blocked = NULL;
        wire_unblock(w);
    }
}

static void room_again(struct nudge *n)
{
    unblock_all(container_of(n, struct containers, work));
}

static void flush_all(struct nudge *n)
{
    struct containers *m = container_of(n, struct containers, flush);
    while (m->filled) {
        struct wire *w = m->filled;
        m->filled = w->next_filled;
        w->next_filled = NULL;
        w->is_filled = false;
        wire_flush(w);
    }
}

/* ---- pods ---- */

static bool wants_pod(const struct pod_log *log, void *arg)
{
    const struct containers *m = arg;
    return choose(m->options, log->container, false, false) == NULL;
}

/* Where they are looked for; false: nowhere. */
static bool pods_directory(const struct containers_config *o, char directory[PATH_MAX])
{
    snprintf(directory, PATH_MAX, "%s", o->pods_directory);
    for (size_t n = strlen(directory); n > 1 && directory[n - 1] == '/'; n--)
        directory[n - 1] = 0;
    return o->enabled && o->mode != CONTAINERS_API && directory[0] == '/';
}

/* What the kubelet's runtimes write is found by its path. */
static void find_pods(struct containers *m)
{
    char directory[PATH_MAX];
    const struct containers_config *o = m->options;
    if (!m->files)
        return;
    bool wanted = pods_directory(o, directory);
    const struct pods pods = {.directory = directory, .instance = m->config->host, .labels = o->add_labels.items,
                              .n_labels = o->add_labels.n, .at_end = o->start_at == START_END, .wants = wants_pod, .arg = m};
    int r = pods_set(m->files, wanted ? &pods : NULL);
    if (r < 0)
        log_error("containers", "the logs in %s are not read: %s", directory, strerror(-r));
}

/* ---- engines ---- */

static void offer(const char *text, void *arg)
{
    struct containers *m = arg;
    uint64_t dev, ino;
    if (strncmp(text, "unix://", 7) == 0 && !address_is_socket(text + 7, &dev, &ino))
        return;
    int r = engine_begin(m, text, true);
    if (r < 0 && r != -EEXIST && !m->said_unusable) {
        log_warn("containers", "%.200s cannot be used: %s", text, strerror(-r));
        m->said_unusable = true;
    }
}

static void find_engines(struct containers *m)
{
    if (m->options->sockets.n)
        return;
    address_usual(offer, m);
    if (!m->n_engines && !m->said_none)
        log_info("containers", "no container engine is found; looking again every 30 s");
    m->said_none = true;
}

static void begin_engines(struct containers *m)
{
    const struct string_list *sockets = &m->options->sockets;
    for (unsigned i = 0; i < sockets->n; i++) {
        int r = engine_begin(m, sockets->items[i], false);
        if (r < 0 && r != -EEXIST)
            log_warn("containers", "%s cannot be used: %s", sockets->items[i], strerror(-r));
    }
    find_engines(m);
}

static void look(struct timer *t)
{
    struct containers *m = container_of(t, struct containers, look);
    int64_t now = clock_mono();
    if (!m->options->enabled)
        return;
    for (struct engine *e = m->engines; e; e = e->next)
        for (struct container *c = e->containers; c; c = c->next)
            follow_look(c);
    if (m->blocked)
        unblock_all(m);
    if (now - m->found >= FIND_AGAIN) {
        m->found = now;
        find_engines(m);
    }
    timer_set(t, LOOK);
}

/* ---- life ---- */

static bool any_known(const struct past *past)
{
    if (past && past->store_was_lost)
        return true;
    for (struct past_source *p = past ? past->all : NULL; p; p = p->next)
        if (source_kind_of(p->key) == SOURCE_CONTAINER)
            return true;
    return false;
}

static int begin_parts(struct containers *m)
{
    int r = timer_begin(&m->look, &m->scope, m->loop, "containers", look);
    if (r == 0)
        r = nudge_begin(&m->work, &m->scope, m->loop, "containers' room", room_again);
    if (r == 0)
        r = nudge_begin(&m->flush, &m->scope, m->loop, "containers' batches", flush_all);
    return r;
}

int containers_begin(struct containers **out, struct scope *owner, struct loop *loop, const struct config *config,
                     struct dispatcher *dispatcher, struct past *past, struct files *files)
{
    *out = NULL;
    struct containers *m = scope_new(owner, sizeof *m, "containers");
    if (!m)
        return -errno;
    m->loop = loop;
    m->config = config;
    m->options = &config->containers;
    m->dispatcher = dispatcher;
    m->past = past;
    m->files = files;
    m->began = clock_real();
    m->first_start = !any_known(past);
    m->memory.wake = &m->work;
    int r = begin_parts(m);
    if (r < 0) {
        scope_end(&m->scope);
        return r;
    }
    pthread_mutex_init(&m->lock, NULL);
    own_id(&m->scope, m->own);
    *out = m;
    find_pods(m);
    begin_engines(m);
    timer_set(&m->look, LOOK);
    return 0;
}

void containers_reload(struct containers *m, const struct config *config)
{
    m->config = config;
    m->options = &config->containers;
    find_pods(m);
    for (struct engine *e = m->engines; e; e = e->next) {
        if (!m->options->enabled) {
            engine_rest(e);
            continue;
        }
        for (struct container *c = e->containers; c; c = c->next) {
            container_reconsider(c);
            c->known = false; /* which of its labels matter is asked for anew */
        }
        engine_wake(e);
        engine_list(e);
    }
    if (m->options->enabled) {
        if (!m->n_engines)
            begin_engines(m);
        timer_set(&m->look, LOOK);
    }
}

void containers_end(struct containers *m)
{
    if (!m)
        return;
    while (m->engines)
        engine_end(m->engines);
    pool_wait_cancel(m->dispatcher->pool, &m->memory);
    dispatch_forget(m->dispatcher, &m->work);
    pthread_mutex_destroy(&m->lock);
    scope_end(&m->scope);
}

/* ---- what others see ---- */

const struct containers_stats *containers_stats(const struct containers *m)
{
    return &m->stats;
}

static const char *mode_name(enum container_mode mode)
{
    static const char *const names[] = {"undecided", "none", "file", "api"};
    return names[mode];
}

static void view_of(const struct container *c, struct container_view *v)
{
    *v = (struct container_view){
        .id = c->id, .name = c->name, .image = c->image, .engine = c->engine->address.text, .state = c->gone ? "gone" : c->state,
        .mode = mode_name(c->mode),
        .detail = *c->detail ? c->detail : c->mode == CONTAINER_FILE ? c->log_path : "",
        .reading = (c->mode == CONTAINER_FILE || c->mode == CONTAINER_API) && !*c->detail,
        .gone = c->gone, .records = c->records, .bytes = c->bytes, .opened = c->opened, .rotations = c->rotations,
        .stalls = c->stalls, .unread = c->unread, .last_read = c->last_read,
    };
}

void containers_walk(struct containers *m, void (*fn)(const struct container_view *v, void *arg), void *arg)
{
    struct container_view v;
    pthread_mutex_lock(&m->lock);
    for (struct engine *e = m->engines; e; e = e->next)
        for (struct container *c = e->containers; c; c = c->next) {
            view_of(c, &v);
            fn(&v, arg);
        }
    pthread_mutex_unlock(&m->lock);
}

void containers_engines(struct containers *m, void (*fn)(const struct engine_view *v, void *arg), void *arg)
{
    static const char *const states[] = {"down", "greeting", "up", "twin"};
    pthread_mutex_lock(&m->lock);
    for (struct engine *e = m->engines; e; e = e->next) {
        struct engine_view v = {.address = e->address.text, .state = states[e->state], .error = e->error,
                                .version = e->facts.version, .api = e->api, .containers = e->n_containers};
        fn(&v, arg);
    }
    pthread_mutex_unlock(&m->lock);
}

struct asked {
    const char *name;
    struct buf *out;
    unsigned found;
};

static void explain(const struct container_view *v, void *arg)
{
    struct asked *a = arg;
    size_t n = strlen(a->name);
    if (strcmp(v->name, a->name) != 0 && (n < 4 || strncmp(v->id, a->name, n) != 0))
        return;
    a->found++;
    buf_printf(a->out, "%s (%.12s, image %s, at %s) is %s.\n", *v->name ? v->name : "a container", v->id, *v->image ? v->image : "unknown",
               v->engine, *v->state ? v->state : "not known yet");
    if (strcmp(v->mode, "file") == 0)
        buf_printf(a->out, "It is read from its log file%s%s.\n", v->reading ? " " : ", but now: ", v->detail);
    else if (strcmp(v->mode, "api") == 0)
        buf_printf(a->out, "It is read through the engine's API%s%s.\n", v->reading ? "" : ", but now: ", v->detail);
    else if (strcmp(v->mode, "none") == 0)
        buf_printf(a->out, "It is not read: %s.\n", v->detail);
    else
        buf_puts(a->out, "The engine has not said yet what it is.\n");
    buf_printf(a->out, "%" PRIu64 " records were read since this start.\n", v->records);
}

unsigned containers_why(struct containers *m, const char *name, struct buf *out)
{
    struct asked a = {.name = name, .out = out};
    containers_walk(m, explain, &a);
    return a.found;
}

bool containers_why_pod(const struct config *config, const char *path, struct buf *out)
{
    char directory[PATH_MAX];
    struct pod_parts p;
    if (!pods_directory(&config->containers, directory) || !pods_split(directory, path, &p))
        return false;
    buf_printf(out, "It is a log of the container %s of the pod %s in %s, known by its path: no pattern of monitors.files is asked.\n",
               p.container, p.pod, p.namespace);
    const char *why_not = choose(&config->containers, p.container, false, false);
    if (why_not)
        buf_printf(out, "It is not read: %s.\n", why_not);
    else if (!pods_reads(&p))
        buf_puts(out, "It is not read: only N.log is, and what it is renamed to (N.log.DATE) until that is compressed.\n");
    return true;
}
