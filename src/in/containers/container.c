#include "in/containers/container.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "in/containers/choose.h"
#include "in/containers/engine.h"
#include "in/containers/follow.h"
#include "in/containers/roots.h"

enum { SHORT_ID = 12, LISTS_UNTIL_FORGOTTEN = 2, NOT_FOUND_MOST = 3 };

/* "web (705bcf4d9c37)" in `out`. */
static const char *container_title(const struct container *c, char out[FACTS_NAME + 24])
{
    if (*c->name)
        snprintf(out, FACTS_NAME + 24, "%s (%.*s)", c->name, SHORT_ID, c->id);
    else
        snprintf(out, FACTS_NAME + 24, "%.*s", SHORT_ID, c->id);
    return out;
}

void container_say(struct container *c, const char *format, ...)
{
    char title[FACTS_NAME + 24], detail[DETAIL];
    va_list ap;
    va_start(ap, format);
    vsnprintf(detail, sizeof detail, format, ap);
    va_end(ap);
    if (strcmp(detail, c->detail) == 0)
        return;
    pthread_mutex_lock(&monitor_of(c)->lock);
    strcpy(c->detail, detail);
    pthread_mutex_unlock(&monitor_of(c)->lock);
    if (*detail)
        log_info("containers", "%s: %s", container_title(c, title), detail);
}

/* ---- life ---- */

static struct container **bucket_of(struct engine *e, const char *id)
{
    unsigned hash = 0;
    for (int i = 0; i < 8; i++)
        hash = hash * 31 + (unsigned char)id[i];
    return &e->bucket[hash % BUCKETS];
}

struct container *engine_find(struct engine *e, const char *id)
{
    struct container *c = *bucket_of(e, id);
    while (c && strcmp(c->id, id) != 0)
        c = c->chain;
    return c;
}

/* Both under the monitor's lock. */
static void link_to(struct engine *e, struct container *c)
{
    struct container **bucket = bucket_of(e, c->id);
    c->engine = e;
    c->next = e->containers;
    if (c->next)
        c->next->at = &c->next;
    c->at = &e->containers;
    e->containers = c;
    c->chain = *bucket;
    *bucket = c;
    e->n_containers++;
}

static void unlink_it(struct container *c)
{
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    struct container **in = bucket_of(c->engine, c->id);
    while (*in != c)
        in = &(*in)->chain;
    *in = c->chain;
    c->engine->n_containers--;
}

struct container *container_new(struct engine *e, const char *id)
{
    struct containers *m = e->monitor;
    if (e->n_containers >= CONTAINERS_MOST) {
        if (!e->said_many)
            log_warn("containers", "%s has more than %d containers; the others are not read", e->address.text, CONTAINERS_MOST);
        e->said_many = true;
        return NULL;
    }
    struct container *c = scope_new(&m->scope, sizeof *c, "container");
    if (!c)
        return NULL;
    c->name = c->image = c->project = c->service = c->log_path = "";
    for (unsigned i = 0; i < FACTS_LABELS; i++)
        c->chosen[i] = "";
    memcpy(c->id, id, sizeof c->id);
    c->round = round_from_now(e);
    pthread_mutex_lock(&m->lock);
    link_to(e, c);
    pthread_mutex_unlock(&m->lock);
    atomic_fetch_add(&m->stats.containers, 1);
    return c;
}

static void count_running(struct container *c, bool running)
{
    struct containers_stats *s = &monitor_of(c)->stats;
    if (running && !c->running)
        atomic_fetch_add(&s->running, 1);
    else if (!running && c->running)
        atomic_fetch_sub(&s->running, 1);
    c->running = running;
}

static void set_mode(struct container *c, enum container_mode mode)
{
    struct containers_stats *s = &monitor_of(c)->stats;
    if (c->mode == CONTAINER_NONE)
        atomic_fetch_sub(&s->ignored, 1);
    if (mode == CONTAINER_NONE)
        atomic_fetch_add(&s->ignored, 1);
    pthread_mutex_lock(&monitor_of(c)->lock);
    c->mode = mode;
    pthread_mutex_unlock(&monitor_of(c)->lock);
}

void container_free(struct container *c)
{
    struct engine *e = c->engine;
    struct containers *m = e->monitor;
    wire_end(&c->wire);
    follow_end(c);
    engine_uninspect(e, c);
    count_running(c, false);
    set_mode(c, CONTAINER_UNDECIDED);
    pthread_mutex_lock(&m->lock);
    unlink_it(c);
    pthread_mutex_unlock(&m->lock);
    atomic_fetch_sub(&m->stats.containers, 1);
    mem_free(c->texts);
    scope_end(&c->scope);
}

void container_move(struct container *c, struct engine *to)
{
    struct containers *m = to->monitor;
    wire_pause(&c->wire);
    engine_uninspect(c->engine, c);
    pthread_mutex_lock(&m->lock);
    unlink_it(c);
    link_to(to, c);
    pthread_mutex_unlock(&m->lock);
    c->round = c->gone_round = to->round;
}

/* ---- what is known ---- */

static const char *put_text(char **at, const char *text)
{
    const char *here = *at;
    *at = stpcpy(*at, text) + 1;
    return here;
}

/* One block for all texts: what is "" in f and is only said when inspected stays as it was. false: no memory, nothing changed. */
static bool set_texts(struct container *c, const struct facts *f, bool inspected)
{
    const char *name = *f->name ? f->name : c->name, *image = *f->image ? f->image : c->image;
    const char *project = *f->project ? f->project : c->project, *service = *f->service ? f->service : c->service;
    const char *path = inspected ? f->log_path : c->log_path;
    size_t size = strlen(name) + strlen(image) + strlen(project) + strlen(service) + strlen(path) + 5;
    for (unsigned i = 0; i < FACTS_LABELS; i++)
        size += strlen(*f->chosen[i] ? f->chosen[i] : c->chosen[i]) + 1;
    char *texts = mem_new(&c->scope, size, "container texts"), *at = texts;
    if (!texts)
        return false;
    const char *chosen[FACTS_LABELS];
    name = put_text(&at, name);
    image = put_text(&at, image);
    project = put_text(&at, project);
    service = put_text(&at, service);
    path = put_text(&at, path);
    for (unsigned i = 0; i < FACTS_LABELS; i++)
        chosen[i] = put_text(&at, *f->chosen[i] ? f->chosen[i] : c->chosen[i]);
    char *before = c->texts;
    pthread_mutex_lock(&monitor_of(c)->lock);
    c->texts = texts;
    c->name = name;
    c->image = image;
    c->project = project;
    c->service = service;
    c->log_path = path;
    memcpy(c->chosen, chosen, sizeof chosen);
    if (*f->state)
        strcpy(c->state, f->state);
    pthread_mutex_unlock(&monitor_of(c)->lock);
    mem_free(before);
    return true;
}

static bool runs(const char *state)
{
    return strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 || strcmp(state, "stopping") == 0;
}

static bool has_ended(const char *state)
{
    return !runs(state) && strcmp(state, "created") != 0 && strcmp(state, "configured") != 0 && strcmp(state, "initialized") != 0;
}

/* A state that only one has that was started. */
static bool has_run(const char *state)
{
    return runs(state) || strcmp(state, "exited") == 0 || strcmp(state, "stopped") == 0 || strcmp(state, "dead") == 0;
}

static void set_state(struct container *c, const char *state)
{
    if (strcmp(c->state, state) == 0)
        return;
    pthread_mutex_lock(&monitor_of(c)->lock);
    snprintf(c->state, sizeof c->state, "%s", state);
    pthread_mutex_unlock(&monitor_of(c)->lock);
}

/* ---- how it is read ---- */

struct decision {
    enum container_mode mode;
    enum wrapping wrapping;
    char why[DETAIL];
};

static void none(struct decision *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void none(struct decision *d, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(d->why, sizeof d->why, format, ap);
    va_end(ap);
    d->mode = CONTAINER_NONE;
}

static bool file_is_there(const struct container *c, const struct decision *d)
{
    struct containers *m = monitor_of(c);
    return m->files && d->wrapping != WRAPPED_NOT && c->log_path[0] == '/' && follow_readable(m, c->log_path);
}

static void decide(const struct container *c, struct decision *d)
{
    const struct containers *m = monitor_of(c);
    const struct containers_config *o = m->options;
    const char *left_out = choose(o, c->name, c->included, c->excluded);
    d->wrapping = follow_wrapping(c, c->driver);
    d->why[0] = 0;
    d->mode = CONTAINER_API;
    if (m->own[0] && strcmp(c->id, m->own) == 0)
        none(d, "logcap itself runs in it");
    else if (left_out)
        none(d, "%s", left_out);
    else if (strcmp(c->driver, "none") == 0)
        none(d, "its log driver is none");
    else if (strcmp(c->driver, "journald") == 0 && m->config->journal.enabled)
        none(d, "its log driver is journald, and the journal is read (monitors.journal)");
    else if (o->mode != CONTAINERS_API && file_is_there(c, d))
        d->mode = CONTAINER_FILE;
    else if (o->mode == CONTAINERS_FILES && d->wrapping == WRAPPED_NOT)
        none(d, "its log driver %s writes no file that can be read; mode: auto would ask the engine", *c->driver ? c->driver : "(none said)");
    else if (o->mode == CONTAINERS_FILES)
        none(d, "%s cannot be read; let logcap read it (root, or CAP_DAC_READ_SEARCH), or mode: auto would ask the engine", c->log_path);
}

static void read_file(struct container *c, const struct decision *d)
{
    if (c->followed && strcmp(followed_path(c->followed), c->log_path) != 0)
        follow_end(c);
    int r = c->followed ? 0 : follow_begin(c, c->log_path, d->wrapping, false);
    if (r == 0) {
        follow_label(c);
        followed_runs(c->followed, !c->ended);
        if (c->gone)
            followed_gone(c->followed);
        container_say(c, "%s", "");
    } else {
        container_say(c, "its log file cannot be followed: %s", strerror(-r));
    }
}

static void read_api(struct container *c)
{
    int r = wire_begin(&c->wire, c);
    if (r == 0)
        wire_consider(&c->wire);
    else
        container_say(c, "it cannot be read: %s", strerror(-r));
}

void container_reconsider(struct container *c)
{
    struct decision d;
    if (!c->known || !monitor_of(c)->options->enabled)
        return;
    decide(c, &d);
    if (d.mode != CONTAINER_API)
        wire_close(&c->wire);
    if (d.mode != CONTAINER_FILE)
        follow_end(c);
    set_mode(c, d.mode);
    wire_relabel(&c->wire);
    if (d.mode == CONTAINER_FILE)
        read_file(c, &d);
    else if (d.mode == CONTAINER_API)
        read_api(c);
    else
        container_say(c, "%s", d.why);
}

void container_rest(struct container *c)
{
    wire_close(&c->wire);
    follow_end(c);
    engine_uninspect(c->engine, c);
}

/* ---- what happens to it ---- */

void container_learn(struct container *c, const struct facts *f)
{
    bool renamed = *f->name && strcmp(f->name, c->name) != 0;
    if (!renamed && *c->image) {
        if (*f->state)
            set_state(c, f->state);
    } else if (set_texts(c, f, false) && renamed && c->known) {
        container_reconsider(c); /* it may be left out by its name, and its labels have it */
    }
    if (f->labels_known) {
        c->included = f->included;
        c->excluded = f->excluded;
    }
    c->ran |= has_run(f->state);
    if (*f->state)
        container_set_running(c, runs(f->state), has_ended(f->state));
}

void container_count_missed(struct container *c)
{
    if (c->missed || !c->ran || c->log_found || !c->followed_done || c->mode != CONTAINER_FILE)
        return;
    c->missed = true;
    atomic_fetch_add(&monitor_of(c)->stats.gone_before_read, 1);
}

/* Nobody will say any more what it is: what was held of it is read under what there is of a name. */
static void settle(struct container *c)
{
    const char *left_out = choose(monitor_of(c)->options, c->name, c->included, c->excluded);
    if (c->mode != CONTAINER_UNDECIDED)
        return;
    if (left_out) {
        follow_end(c);
        set_mode(c, CONTAINER_NONE);
    } else if (c->followed) {
        follow_label(c);
        set_mode(c, CONTAINER_FILE);
        container_count_missed(c);
    } else if (!c->missed) {
        c->missed = true;
        atomic_fetch_add(&monitor_of(c)->stats.gone_before_read, 1);
    }
}

void container_inspected(struct container *c, struct facts *f)
{
    /* Docker names the log only once the container was started. */
    if (f && !f->log_path[0] && follow_wrapping(c, f->driver) != WRAPPED_NOT &&
        !roots_log_path(c->engine, c->id, f->log_path, sizeof f->log_path))
        f->log_path[0] = 0;
    if (f && set_texts(c, f, true)) {
        c->tty = f->tty;
        c->created = f->created;
        c->included = f->included;
        c->excluded = f->excluded;
        pthread_mutex_lock(&monitor_of(c)->lock);
        strcpy(c->driver, f->driver);
        pthread_mutex_unlock(&monitor_of(c)->lock);
        count_running(c, runs(f->state));
        c->ran |= has_run(f->state);
        c->ended = has_ended(f->state);
        c->known = true;
        c->round = round_from_now(c->engine);
        container_reconsider(c);
        return;
    }
    if (f) /* no memory now: the next list asks again */
        return;
    /* A directory is there before the engine knows the container; one that is found otherwise is gone when it is not known. */
    if (++c->not_found < NOT_FOUND_MOST && !c->gone && !c->known) {
        engine_list_soon(c->engine);
        return;
    }
    if (!c->gone)
        container_gone(c);
    else if (!c->known)
        settle(c);
}

void container_set_running(struct container *c, bool running, bool ended)
{
    bool starts = running && !c->running;
    c->ran |= running;
    count_running(c, running);
    c->ended = ended;
    if (c->followed)
        followed_runs(c->followed, !ended);
    if (!thing_alive(&c->wire.scope.thing) || c->mode != CONTAINER_API)
        return;
    if (starts) {
        c->wire.drained = c->wire.last_look = false;
        if (c->wire.state == WIRE_REFUSED)
            c->wire.state = WIRE_IDLE;
    }
    wire_consider(&c->wire);
}

void container_gone(struct container *c)
{
    if (c->gone)
        return;
    pthread_mutex_lock(&monitor_of(c)->lock);
    c->gone = true;
    pthread_mutex_unlock(&monitor_of(c)->lock);
    c->gone_round = c->engine->round;
    count_running(c, false);
    wire_set_away(&c->wire, true);
    if (!c->known && !http_busy(&c->inspect) && !c->wants_inspect)
        settle(c);
    if (c->followed)
        followed_gone(c->followed);
}

bool container_is_over(const struct container *c)
{
    return c->gone && c->engine->round >= c->gone_round + LISTS_UNTIL_FORGOTTEN && (!c->followed || c->followed_done) &&
           wire_is_over(&c->wire) && !http_busy(&c->inspect) && !c->wants_inspect;
}

/* ---- labels ---- */

unsigned container_labels(const struct container *c, struct label labels[STREAM_LABELS])
{
    static char short_id[SHORT_ID + 1]; /* the collector's thread alone comes here; copied before the next call */
    const struct containers *m = monitor_of(c);
    const struct containers_config *o = m->options;
    memcpy(short_id, c->id, SHORT_ID);
    unsigned n = 0;
    labels[n++] = (struct label){"source", c->engine->facts.podman ? "podman" : "docker"};
    labels[n++] = (struct label){"service", *c->service ? c->service : *c->name ? c->name : short_id};
    labels[n++] = (struct label){"instance", m->config->host};
    labels[n++] = (struct label){"container_id", short_id};
    labels[n++] = (struct label){"container_name", c->name};
    labels[n++] = (struct label){"image", c->image};
    labels[n++] = (struct label){"compose_project", c->project};
    labels[n++] = (struct label){"compose_service", c->service};
    for (unsigned i = 0; i < o->labels.n && i < FACTS_LABELS; i++)
        labels[n++] = (struct label){o->labels.items[i], c->chosen[i]};
    for (unsigned i = 0; i < o->add_labels.n && n < STREAM_LABELS - 1; i++)
        labels[n++] = o->add_labels.items[i];
    return n;
}
