#include "in/containers/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "in/containers/container.h"
#include "in/containers/events.h"
#include "in/containers/follow.h"
#include "in/containers/roots.h"

enum { PATH_TEXT = 400, VERSION_MOST = 256 << 10 };
#define ANSWER_WITHIN (20 * SECOND)
#define CONNECT_WITHIN (5 * SECOND)

static const struct task_kind inspect_kind = {.name = "container_inspect", .max_age = 60 * SECOND};

static void greet(struct engine *e);
static void list(struct engine *e);
static void serve_inspects(struct engine *e);

int64_t engine_backoff(int64_t *backoff)
{
    *backoff = *backoff ? *backoff * 2 : BACKOFF_LEAST;
    if (*backoff > BACKOFF_MOST)
        *backoff = BACKOFF_MOST;
    return *backoff / 2 + clock_mono() % (*backoff / 2);
}

const char *engine_path(const struct engine *e, char *out, size_t size, const char *format, ...)
{
    int n = snprintf(out, size, "/v1.%u", e->api);
    va_list ap;
    va_start(ap, format);
    vsnprintf(out + n, size - (size_t)n, format, ap);
    va_end(ap);
    return out;
}

/* ---- up and down ---- */

static bool answers(enum engine_state state)
{
    return state == ENGINE_UP || state == ENGINE_TWIN;
}

/* error: NULL leaves it. */
static void set_state(struct engine *e, enum engine_state state, const char *error)
{
    struct containers_stats *s = &e->monitor->stats;
    if (answers(e->state) && !answers(state))
        atomic_fetch_sub(&s->engines_up, 1);
    if (!answers(e->state) && answers(state))
        atomic_fetch_add(&s->engines_up, 1);
    pthread_mutex_lock(&e->monitor->lock);
    e->state = state;
    if (error)
        snprintf(e->error, sizeof e->error, "%s", error);
    pthread_mutex_unlock(&e->monitor->lock);
}

static void down(struct engine *e, const char *why)
{
    char advice[200] = "", error[DETAIL];
    bool quiet;
    if (e->address.path)
        address_advice(e->address.path, advice, sizeof advice);
    quiet = e->found && strstr(advice, "no such socket");
    snprintf(error, sizeof error, "%s%s%s", why, *advice ? ": " : "", advice);
    if (!e->said_down && quiet)
        log_info("containers", "%s is not there any more; its containers are read again when it is back", e->address.text);
    else if (!e->said_down)
        log_warn("containers", "%s cannot be asked: %s; it is tried again", e->address.text, error);
    e->said_down = true;
    set_state(e, ENGINE_DOWN, error);
    timer_set(&e->again, engine_backoff(&e->backoff));
}

const char *engine_why_not(const struct http_answer *a, char out[ENGINE_WHY])
{
    char message[FACTS_VALUE];
    if (a->status == 0)
        return a->error;
    bool said = facts_message(message, a->body, a->body_len);
    snprintf(out, ENGINE_WHY, "it answers %d%s%s", a->status, said ? ": " : "", message);
    return out;
}

static void failed(struct engine *e, const struct http_answer *a)
{
    char why[ENGINE_WHY];
    down(e, engine_why_not(a, why));
}

static bool are_one(const struct engine *a, const struct engine *b)
{
    return *a->facts.id && strcmp(a->facts.id, b->facts.id) == 0;
}

static struct engine *twin_of(const struct engine *e)
{
    struct engine *o = e->monitor->engines;
    while (o && (o == e || o->state != ENGINE_UP || !are_one(o, e)))
        o = o->next;
    return o;
}

/* One address of an engine is listened to. What was read at another goes on here, and is read there no more. */
static void take_over(struct engine *e, struct engine *from)
{
    engine_unhear(from);
    roots_end(from);
    for (struct container *c; (c = from->containers);) {
        if (engine_find(e, c->id)) /* known here before it was known that both are one */
            container_free(c);
        else
            container_move(c, e);
    }
}

static void up(struct engine *e)
{
    struct engine *twin = twin_of(e);
    if (twin) {
        take_over(twin, e);
        engine_list(twin);
        set_state(e, ENGINE_TWIN, "it is the same engine as another address");
        timer_set(&e->again, BACKOFF_MOST);
        return;
    }
    log_info("containers", "%s: %s %s, API 1.%u", e->address.text, e->facts.podman ? "Podman" : "Docker", e->facts.version, e->api);
    e->said_down = false;
    e->backoff = 0;
    set_state(e, ENGINE_UP, "");
    atomic_fetch_add(&e->monitor->stats.connects, 1);
    for (struct engine *o = e->monitor->engines; o; o = o->next)
        if (o != e && are_one(o, e))
            take_over(e, o);
    roots_begin(e);
    engine_hear(e);
    timer_set(&e->heartbeat, e->monitor->options->heartbeat_interval);
    list(e);
}

static void informed(struct http_request *r, const struct http_answer *a)
{
    struct engine *e = container_of(r, struct engine, ask);
    if (a->status != 200) {
        failed(e, a);
        return;
    }
    struct engine_facts facts = e->facts;
    facts.id[0] = 0;
    if (!facts_info(&facts, a->body, a->body_len)) {
        atomic_fetch_add(&e->monitor->stats.malformed, 1);
        down(e, "its /info makes no sense");
        return;
    }
    pthread_mutex_lock(&e->monitor->lock);
    e->facts = facts;
    pthread_mutex_unlock(&e->monitor->lock);
    up(e);
}

static bool negotiate(struct engine *e, const struct engine_facts *f, char *why, size_t size)
{
    unsigned api = f->api_most < ENGINE_API_MOST ? f->api_most : ENGINE_API_MOST;
    if (api < ENGINE_API_LEAST || api < f->api_least) {
        snprintf(why, size, "it speaks the API from 1.%u to 1.%u, logcap from 1.%d to 1.%d", f->api_least, f->api_most,
                 ENGINE_API_LEAST, ENGINE_API_MOST);
        return false;
    }
    pthread_mutex_lock(&e->monitor->lock);
    e->facts = *f;
    e->api = api;
    pthread_mutex_unlock(&e->monitor->lock);
    return true;
}

static void greeted(struct http_request *r, const struct http_answer *a)
{
    struct engine *e = container_of(r, struct engine, ask);
    struct engine_facts f = {0};
    char why[200] = "its /version makes no sense", path[PATH_TEXT];
    if (a->status != 200) {
        failed(e, a);
        return;
    }
    strcpy(f.id, e->facts.id); /* whose containers it has, until /info says */
    if (!facts_version(&f, a->body, a->body_len) || !negotiate(e, &f, why, sizeof why)) {
        atomic_fetch_add(&e->monitor->stats.malformed, 1);
        down(e, why);
        return;
    }
    engine_path(e, path, sizeof path, "/info");
    int error = http_get(&e->ask, &e->http, &container_ask_kind, e->address.text, path, VERSION_MOST, informed);
    if (error < 0)
        down(e, strerror(-error));
}

static void greet(struct engine *e)
{
    set_state(e, ENGINE_GREETING, NULL);
    int r = http_get(&e->ask, &e->http, &container_ask_kind, e->address.text, "/version", VERSION_MOST, greeted);
    if (r < 0)
        down(e, strerror(-r));
}

void engine_doubt(struct engine *e)
{
    if (e->state == ENGINE_UP)
        engine_list(e);
}

/* ---- the list ---- */

static void learn(struct engine *e, const struct facts *f)
{
    struct container *c = engine_find(e, f->id);
    if (!c) {
        c = container_new(e, f->id);
        e->untold |= c && http_busy(&e->events) && e->round > e->heard_round;
    }
    if (!c || c->removed)
        return;
    c->round = e->round;
    if (c->gone) { /* the engine forgot it for a moment */
        pthread_mutex_lock(&e->monitor->lock);
        c->gone = false;
        pthread_mutex_unlock(&e->monitor->lock);
        wire_set_away(&c->wire, false);
        follow_again(c);
    }
    container_learn(c, f);
    if (!c->known)
        engine_inspect(e, c);
    else if (c->mode == CONTAINER_API)
        wire_consider(&c->wire);
}

static bool read_list(struct engine *e, const char *text, size_t len)
{
    struct json j;
    struct facts *f = mem_new(&e->scope, sizeof *f, "list");
    if (!f)
        return false;
    json_begin(&j, text, len);
    bool good = json_next(&j) == JSON_ARRAY_BEGIN;
    while (good) {
        memset(f, 0, sizeof *f);
        good = facts_entry(f, &j, e->monitor->options);
        if (good && f->id[0])
            learn(e, f);
    }
    good = j.type == JSON_ARRAY_END && json_next(&j) == JSON_END;
    mem_free(f);
    return good;
}

/* Who is not in a whole list is gone; who is long gone and read is forgotten. */
static void sweep(struct engine *e)
{
    for (struct container *c = e->containers, *next; c; c = next) {
        next = c->next;
        if (c->round != e->round && !c->known && !c->gone)
            engine_inspect(e, c); /* its directory was seen */
        else if (c->round != e->round) {
            container_gone(c);
            if (c->mode == CONTAINER_API) /* what its stream left unfinished is given once the engine says so too */
                wire_consider(&c->wire);
        }
        if (container_is_over(c))
            container_free(c);
    }
}

/*
 * The heartbeat of the stream of events, which may say nothing for days: when a list has somebody of whom no event told, and none came at
 * all until the next list, what happens is not heard there any more.
 */
static void check_events(struct engine *e, bool was_untold)
{
    bool stalled = was_untold && e->told == e->told_then && http_busy(&e->events);
    e->told_then = e->told;
    if (!stalled)
        return;
    log_warn("containers", "%s: its list has containers of which no event told; the stream of events is opened anew", e->address.text);
    task_begun_anew(&container_events_kind);
    engine_unhear(e);
    engine_hear(e);
}

static void listed(struct http_request *r, const struct http_answer *a)
{
    struct engine *e = container_of(r, struct engine, ask);
    bool again = e->list_again, was_untold = e->untold;
    if (a->status != 200) {
        engine_unhear(e);
        failed(e, a);
        return;
    }
    e->round++;
    e->untold = false;
    atomic_fetch_add(&e->monitor->stats.lists, 1);
    if (read_list(e, a->body, a->body_len)) {
        sweep(e);
    } else {
        atomic_fetch_add(&e->monitor->stats.malformed, 1);
        log_warn("containers", "%s: its list of containers makes no sense; nothing is taken to be gone", e->address.text);
    }
    check_events(e, was_untold);
    e->list_again = false;
    timer_set(&e->again, again ? 0 : e->monitor->options->list_interval);
    serve_inspects(e); /* who was found while the engine was down waits */
    wire_serve_waiting(e);
}

static void list(struct engine *e)
{
    char path[PATH_TEXT];
    e->list_again = false;
    engine_path(e, path, sizeof path, "/containers/json?all=true");
    int r = http_get(&e->ask, &e->http, &container_ask_kind, e->address.text, path, LIST_MOST, listed);
    if (r < 0)
        down(e, strerror(-r));
}

void engine_list(struct engine *e)
{
    if (http_busy(&e->ask))
        e->list_again = true;
    else if (e->state == ENGINE_UP)
        timer_set(&e->again, 0);
}

void engine_list_soon(struct engine *e)
{
    if (e->state == ENGINE_UP && !http_busy(&e->ask) && (!timer_is_set(&e->again) || e->again.due > clock_mono() + SECOND))
        timer_set(&e->again, SECOND);
}

/* ---- inspections ---- */

static void inspected(struct http_request *r, const struct http_answer *a)
{
    struct container *c = container_of(r, struct container, inspect);
    struct engine *e = c->engine;
    struct facts *f = mem_new(&e->scope, sizeof *f, "inspection");
    e->n_inspects--;
    atomic_fetch_add(&e->monitor->stats.inspects, 1);
    if (a->status == 200 && f && facts_inspected(f, a->body, a->body_len, e->monitor->options) && strcmp(f->id, c->id) == 0) {
        c->not_found = 0;
        container_inspected(c, f);
    } else if (a->status == 404 || c->gone) {
        container_inspected(c, NULL);
    } else if (f) {
        if (a->status == 200)
            atomic_fetch_add(&e->monitor->stats.malformed, 1);
        char why[ENGINE_WHY];
        container_say(c, "the engine does not say what it is: %s", a->status == 200 ? "its answer makes no sense" : engine_why_not(a, why));
    }
    mem_free(f);
    serve_inspects(e);
}

static void serve_inspects(struct engine *e)
{
    char path[PATH_TEXT];
    while (e->state == ENGINE_UP && e->first_inspect && e->n_inspects < INSPECTS_MOST) {
        struct container *c = e->first_inspect;
        e->first_inspect = c->next_inspect;
        if (!e->first_inspect)
            e->last_inspect = &e->first_inspect;
        c->wants_inspect = false;
        engine_path(e, path, sizeof path, "/containers/%s/json", c->id);
        if (http_get(&c->inspect, &e->http, &inspect_kind, *c->name ? c->name : c->id, path, INSPECT_MOST, inspected) < 0)
            return; /* no memory: the next list asks again */
        e->n_inspects++;
    }
}

void engine_inspect(struct engine *e, struct container *c)
{
    if (c->wants_inspect || http_busy(&c->inspect) || e->state == ENGINE_TWIN)
        return;
    c->wants_inspect = true;
    c->next_inspect = NULL;
    *e->last_inspect = c;
    e->last_inspect = &c->next_inspect;
    serve_inspects(e);
}

void engine_uninspect(struct engine *e, struct container *c)
{
    if (http_busy(&c->inspect)) {
        http_cancel(&c->inspect);
        e->n_inspects--;
    }
    if (!c->wants_inspect)
        return;
    struct container **at = &e->first_inspect;
    while (*at != c)
        at = &(*at)->next_inspect;
    *at = c->next_inspect;
    if (e->last_inspect == &c->next_inspect)
        e->last_inspect = at;
    c->wants_inspect = false;
}

/* ---- life ---- */

static void came_again(struct timer *t)
{
    struct engine *e = container_of(t, struct engine, again);
    if (!e->monitor->options->enabled || http_busy(&e->ask))
        return;
    if (e->state == ENGINE_UP)
        list(e);
    else
        greet(e);
}

static void beat(struct timer *t)
{
    struct engine *e = container_of(t, struct engine, heartbeat);
    wire_heartbeat(e);
    timer_set(t, e->monitor->options->heartbeat_interval);
}

static int begin_http(struct engine *e)
{
    const struct containers_config *o = e->monitor->options;
    /* Configurations come and go with reloads; these stay as they are. */
    const char *ca = scope_strdup(&e->scope, o->ca_file), *cert = scope_strdup(&e->scope, o->cert_file),
               *key = scope_strdup(&e->scope, o->key_file);
    if (!ca || !cert || !key)
        return -ENOMEM;
    const struct http_options options = {
        .url = e->address.url, .unix_socket = e->address.path, .user_agent = "logcap/" LOGCAP_VERSION,
        .username = "", .password = "", .password_file = "", .bearer_token = "", .bearer_token_file = "", .proxy = "",
        .ca_file = ca, .cert_file = cert, .key_file = key, .dns_servers = "",
        .timeout = ANSWER_WITHIN, .connect_timeout = CONNECT_WITHIN, .max_connections = CONTROLS_MOST,
    };
    return http_begin(&e->http, &e->scope, e->monitor->loop, &options);
}

static bool is_there(const struct containers *m, const struct engine *e)
{
    for (const struct engine *o = m->engines; o; o = o->next)
        if (strcmp(o->address.text, e->address.text) == 0 || (e->ino && o->dev == e->dev && o->ino == e->ino))
            return true;
    return false;
}

static int begin_parts(struct engine *e, const char *address)
{
    int r = address_parse(&e->address, &e->scope, address, e->monitor->options);
    if (r == 0 && e->address.path)
        address_is_socket(e->address.path, &e->dev, &e->ino);
    if (r == 0 && is_there(e->monitor, e))
        r = -EEXIST;
    if (r == 0)
        r = timer_begin(&e->again, &e->scope, e->monitor->loop, "engine again", came_again);
    if (r == 0)
        r = timer_begin(&e->heartbeat, &e->scope, e->monitor->loop, "container streams' heartbeat", beat);
    if (r == 0)
        r = engine_hear_begin(e);
    return r == 0 ? begin_http(e) : r;
}

int engine_begin(struct containers *m, const char *address, bool found)
{
    if (m->n_engines == ENGINES_MOST)
        return -ENOSPC;
    struct engine *e = scope_new(&m->scope, sizeof *e, "engine");
    if (!e)
        return -errno;
    e->monitor = m;
    e->found = found;
    e->last_inspect = &e->first_inspect;
    int r = begin_parts(e, address);
    if (r < 0) {
        scope_end(&e->scope);
        return r;
    }
    pthread_mutex_lock(&m->lock);
    e->next = m->engines;
    m->engines = e;
    m->n_engines++;
    pthread_mutex_unlock(&m->lock);
    atomic_fetch_add(&m->stats.engines, 1);
    engine_wake(e);
    return 0;
}

void engine_wake(struct engine *e)
{
    http_set_max_connections(&e->http, e->monitor->options->max_connections + CONTROLS_MOST);
    if (!http_busy(&e->ask) && e->state != ENGINE_UP)
        greet(e);
}

void engine_rest(struct engine *e)
{
    for (struct container *c = e->containers; c; c = c->next) {
        container_rest(c);
        c->known = false;
    }
    http_cancel(&e->ask);
    http_cancel(&e->probe);
    e->probed = NULL;
    engine_unhear(e);
    roots_end(e);
    http_disconnect(&e->http);
    timer_clear(&e->again);
    timer_clear(&e->heartbeat);
    set_state(e, ENGINE_DOWN, "");
}

void engine_end(struct engine *e)
{
    struct containers *m = e->monitor;
    engine_rest(e);
    while (e->containers)
        container_free(e->containers);
    http_end(&e->http);
    pthread_mutex_lock(&m->lock);
    struct engine **at = &m->engines;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    m->n_engines--;
    pthread_mutex_unlock(&m->lock);
    atomic_fetch_sub(&m->stats.engines, 1);
    scope_end(&e->scope);
}
