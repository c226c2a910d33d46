/* A wire's connections: when one is opened, what its end means, rotation. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "in/containers/container.h"
#include "in/containers/engine.h"
#include "in/containers/wire_internal.h"

enum { PATH_TEXT = 400, TORN_MOST = 4 };

static struct containers_stats *stats(struct wire *w)
{
    return &monitor_of(w->container)->stats;
}

static void open_now(struct wire *w);

/* ---- lists ---- */

static void unlink_from(struct wire **list, struct wire *w, size_t next)
{
#define NEXT(x) ((struct wire **)((char *)(x) + next))
    while (*list && *list != w)
        list = NEXT(*list);
    if (*list)
        *list = *NEXT(w);
    *NEXT(w) = NULL;
#undef NEXT
}

static void queue(struct wire **first, struct wire *w, size_t next)
{
    while (*first)
        first = (struct wire **)((char *)*first + next);
    *first = w;
}

static void stop_waiting(struct wire *w)
{
    struct engine *e = w->container->engine;
    if (!w->waiting)
        return;
    unlink_from(&e->first_waiting, w, offsetof(struct wire, next_waiting));
    w->waiting = false;
    atomic_fetch_sub(&stats(w)->waiting, 1);
}

static void unlist(struct wire *w)
{
    struct containers *m = monitor_of(w->container);
    struct engine *e = w->container->engine;
    stop_waiting(w);
    if (w->in_rotation)
        unlink_from(&e->first_rotation, w, offsetof(struct wire, next_rotation));
    if (w->is_blocked)
        unlink_from(&m->blocked, w, offsetof(struct wire, next_blocked));
    if (w->is_filled)
        unlink_from(&m->filled, w, offsetof(struct wire, next_filled));
    w->in_rotation = w->is_blocked = w->is_filled = false;
}

/* ---- turns to rotate ---- */

static void rotate(struct wire *w);

static void rotated(struct wire *w)
{
    struct engine *e = w->container->engine;
    if (!w->rotating)
        return;
    w->rotating = false;
    e->n_rotating--;
    struct wire *next = e->first_rotation;
    if (next) {
        unlink_from(&e->first_rotation, next, offsetof(struct wire, next_rotation));
        next->in_rotation = false;
        timer_set(&next->again, 0); /* not from within libcurl */
    }
}

/* ---- letting go ---- */

static void free_slot(struct wire *w)
{
    if (!w->has_slot)
        return;
    w->has_slot = false;
    w->container->engine->n_wires--;
    atomic_fetch_sub(&stats(w)->streams, 1);
}

/* What it left unfinished stays. */
static void drop_connection(struct wire *w)
{
    struct engine *e = w->container->engine;
    http_cancel(&w->request);
    unlist(w);
    wire_flush(w);
    timer_clear(&w->again);
    rotated(w);
    w->answered = w->ended = false;
    if (e->probed == w) {
        http_cancel(&e->probe);
        e->probed = NULL;
    }
    free_slot(w);
}

void wire_pause(struct wire *w)
{
    if (!thing_alive(&w->scope.thing))
        return;
    drop_connection(w);
    if (w->state != WIRE_REFUSED)
        w->state = WIRE_IDLE;
    if (w->source)
        atomic_store(&w->source->state, SOURCE_IDLE);
}

void wire_close(struct wire *w)
{
    if (!thing_alive(&w->scope.thing))
        return;
    wire_pause(w);
    wire_end_memory(w);
}

static void try_later(struct wire *w)
{
    w->state = WIRE_PAUSED;
    timer_set(&w->again, engine_backoff(&w->backoff));
}

static void fail(struct wire *w, const char *why)
{
    atomic_fetch_add(&stats(w)->failures, 1);
    atomic_store(&w->source->state, SOURCE_FAILED);
    source_set_error(w->source, "%s", why);
    container_say(w->container, "its stream broke: %s; it is opened again", why);
    try_later(w);
}

void wire_broken(struct wire *w)
{
    struct engine *e = w->container->engine;
    atomic_fetch_add(&stats(w)->malformed, 1);
    drop_connection(w);
    fail(w, w->why);
    wire_serve_waiting(e);
}

/* ---- what an end means ---- */

static bool is_unreadable(const struct http_answer *a)
{
    return a->status >= 400 && a->body_len && strstr(a->body, "does not support reading");
}

/* All that there is was read: of one that runs no more that is all. */
static void looked_last(struct wire *w)
{
    struct container *c = w->container;
    if (c->running) { /* as far as is known: it is asked, and followed again */
        engine_inspect(c->engine, c);
        try_later(w);
        return;
    }
    if (!wire_give_rest(w)) {
        w->ended = true;
        w->status = 200;
        return;
    }
    wire_flush(w);
    wire_end_memory(w);
    w->backoff = 0;
    w->torn = 0;
    w->drained = true;
    w->state = WIRE_IDLE;
    atomic_store(&w->source->state, c->gone ? SOURCE_GONE : SOURCE_IDLE);
}

static void gone(struct wire *w)
{
    struct container *c = w->container;
    if (!w->ever && w->next == 0)
        atomic_fetch_add(&stats(w)->gone_before_read, 1);
    if (!wire_give_rest(w)) {
        w->ended = true;
        return;
    }
    wire_flush(w);
    wire_end_memory(w);
    w->drained = true;
    w->state = WIRE_IDLE;
    atomic_store(&w->source->state, SOURCE_GONE);
    if (!c->gone)
        engine_list(c->engine);
}

void wire_go_on_ending(struct wire *w)
{
    w->ended = false;
    if (w->status != 200) {
        gone(w);
        return;
    }
    if (!wire_settle(w)) {
        w->ended = true;
        return;
    }
    if (wire_is_torn(w)) {
        if (w->container->running || w->torn++ < TORN_MOST) {
            if (!w->why[0])
                snprintf(w->why, sizeof w->why, "its answer ends within a message");
            wire_broken(w);
            return;
        }
        container_say(w->container, "its log ends within a message: what is there of it is read");
    }
    if (w->last_look) {
        looked_last(w);
        return;
    }
    wire_flush(w);
    w->last_look = true;
    w->follows = false;
    open_now(w);
}

static void done(struct http_request *r, const struct http_answer *a)
{
    struct wire *w = container_of(r, struct wire, request);
    struct engine *e = w->container->engine;
    char why[ENGINE_WHY];
    timer_clear(&w->again);
    if (w->in_rotation)
        unlink_from(&e->first_rotation, w, offsetof(struct wire, next_rotation));
    w->in_rotation = false;
    rotated(w);
    if (clock_mono() - w->asked > MINUTE) /* it was well for long */
        w->backoff = 0;
    if (a->status == 200 && w->answered) {
        w->ended = true;
        w->status = 200;
        free_slot(w);
        wire_serve_waiting(e);
        if (!w->is_blocked)
            wire_go_on_ending(w);
        return;
    }
    if (a->status == 404 || a->status == 409) { /* 409: it is being removed */
        drop_connection(w);
        w->status = a->status;
        gone(w);
    } else if (is_unreadable(a)) {
        drop_connection(w);
        wire_end_memory(w);
        w->state = WIRE_REFUSED;
        atomic_store(&w->source->state, SOURCE_FAILED);
        source_set_error(w->source, "%s", engine_why_not(a, why));
        container_say(w->container, "its log driver %s does not let logs be read", w->container->driver);
    } else {
        bool fault = w->why[0];
        if (fault)
            wire_forget_raw(w);
        drop_connection(w);
        if (fault)
            atomic_fetch_add(&stats(w)->malformed, 1);
        fail(w, fault ? w->why : engine_why_not(a, why));
        if (a->status == 0 && !fault)
            engine_doubt(e);
    }
    wire_serve_waiting(e);
}

/* ---- opening ---- */

void wire_is_well(struct wire *w)
{
    source_set_error(w->source, NULL);
    container_say(w->container, "%s", "");
    atomic_store(&w->source->state, SOURCE_READING);
}

/* As far as is known. */
static void opened(struct wire *w)
{
    const struct containers_config *o = monitor_of(w->container)->options;
    if (w->answered)
        return;
    w->answered = true;
    w->state = WIRE_OPEN;
    if (atomic_load(&w->source->state) != SOURCE_FAILED)
        atomic_store(&w->source->state, SOURCE_READING);
    if (o->rotation_interval && w->follows) {
        /* Wires that began together do not rotate together. */
        int64_t part = w->spread ? 256 : 64 + (unsigned char)w->container->id[0] % 8 * 24 + (unsigned char)w->container->id[1] % 8 * 3;
        w->spread = true;
        timer_set(&w->again, o->rotation_interval / 256 * part);
    }
    rotated(w);
}

void wire_answered(struct wire *w)
{
    wire_is_well(w);
    opened(w);
}

static void ask(struct wire *w)
{
    struct container *c = w->container;
    struct engine *e = c->engine;
    char path[PATH_TEXT], since[64] = "";
    int64_t from = cursor_since(&w->cursor);
    if (from > 0)
        snprintf(since, sizeof since, "&since=%" PRId64 ".%09" PRId64, from / SECOND, from % SECOND);
    engine_path(e, path, sizeof path, "/containers/%s/logs?stdout=true&stderr=true&timestamps=true%s%s", c->id,
                w->follows ? "&follow=true" : "", since);
    w->is_fresh = true;
    w->why[0] = 0;
    w->state = WIRE_OPENING;
    w->asked = w->silent_since = clock_mono();
    int r = wire_begin_memory(w);
    if (r == 0)
        r = http_follow(&w->request, &e->http, &container_stream_kind, w->source->name, path, wire_piece, done);
    if (r < 0) {
        drop_connection(w);
        fail(w, strerror(-r));
        return;
    }
    atomic_fetch_add(&stats(w)->opened, 1);
    atomic_fetch_add(&c->opened, 1);
    if (e->facts.podman && w->follows) { /* its headers come with the first message */
        http_be_patient(&w->request);
        opened(w);
    }
}

static void open_now(struct wire *w)
{
    struct engine *e = w->container->engine;
    if (!w->has_slot && e->n_wires >= monitor_of(w->container)->options->max_connections) {
        if (!w->waiting) {
            w->waiting = true;
            w->state = WIRE_WAITING;
            queue(&e->first_waiting, w, offsetof(struct wire, next_waiting));
            atomic_fetch_add(&stats(w)->waiting, 1);
        }
        return;
    }
    if (!w->has_slot) {
        w->has_slot = true;
        e->n_wires++;
        atomic_fetch_add(&stats(w)->streams, 1);
    }
    ask(w);
}

void wire_serve_waiting(struct engine *e)
{
    while (e->state == ENGINE_UP && e->first_waiting && e->n_wires < e->monitor->options->max_connections) {
        struct wire *w = e->first_waiting;
        stop_waiting(w);
        w->state = WIRE_IDLE;
        wire_consider(w);
    }
}

void wire_consider(struct wire *w)
{
    struct container *c = w->container;
    if (!thing_alive(&w->scope.thing) || c->engine->state != ENGINE_UP || w->state != WIRE_IDLE || w->ended)
        return;
    if (!c->running && w->drained)
        return;
    w->follows = c->running && !w->last_look;
    if (!w->follows)
        w->last_look = true;
    open_now(w);
}

static void rotate(struct wire *w)
{
    struct engine *e = w->container->engine;
    if (e->n_rotating >= e->monitor->options->max_concurrent_rotations) {
        w->in_rotation = true;
        queue(&e->first_rotation, w, offsetof(struct wire, next_rotation));
        return;
    }
    wire_pause(w);
    atomic_fetch_add(&w->container->rotations, 1);
    atomic_fetch_add(&stats(w)->rotations, 1);
    if (e->first_waiting) {
        w->waiting = true;
        w->state = WIRE_WAITING;
        queue(&e->first_waiting, w, offsetof(struct wire, next_waiting));
        atomic_fetch_add(&stats(w)->waiting, 1);
        wire_serve_waiting(e);
        return;
    }
    w->rotating = true;
    e->n_rotating++;
    wire_consider(w);
}

void wire_time_came(struct timer *t)
{
    struct wire *w = container_of(t, struct wire, again);
    if (w->state == WIRE_OPEN && w->is_blocked) {
        timer_set(t, SECOND); /* what libcurl has of it may be all that is left */
    } else if (w->state == WIRE_OPEN && !w->in_rotation) {
        rotate(w);
    } else if (w->state == WIRE_PAUSED) {
        w->state = WIRE_IDLE;
        w->last_look = false;
        wire_consider(w);
    }
}
