/* A wire's connections: when one is opened, what its end means, rotation, stalls. What arrives is wire.c's. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "in/containers/container.h"
#include "in/containers/engine.h"
#include "in/containers/wire_internal.h"

enum { PATH_TEXT = 400, PROBE_MOST = 1 << 20 };

static struct containers_stats *stats(struct wire *f)
{
    return &monitor_of(f->container)->stats;
}

static void open_now(struct wire *f);

/* ---- lists ---- */

static void unlink_from(struct wire **list, struct wire *f, size_t next)
{
#define NEXT(x) ((struct wire **)((char *)(x) + next))
    while (*list && *list != f)
        list = NEXT(*list);
    if (*list)
        *list = *NEXT(f);
    *NEXT(f) = NULL;
#undef NEXT
}

static void queue(struct wire **first, struct wire *f, size_t next)
{
    while (*first)
        first = (struct wire **)((char *)*first + next);
    *first = f;
}

static void stop_waiting(struct wire *f)
{
    struct engine *e = f->container->engine;
    if (!f->waiting)
        return;
    unlink_from(&e->first_waiting, f, offsetof(struct wire, next_waiting));
    f->waiting = false;
    atomic_fetch_sub(&stats(f)->waiting, 1);
}

static void unlist(struct wire *f)
{
    struct containers *m = monitor_of(f->container);
    struct engine *e = f->container->engine;
    stop_waiting(f);
    if (f->in_rotation)
        unlink_from(&e->first_rotation, f, offsetof(struct wire, next_rotation));
    if (f->is_blocked)
        unlink_from(&m->blocked, f, offsetof(struct wire, next_blocked));
    if (f->is_filled)
        unlink_from(&m->filled, f, offsetof(struct wire, next_filled));
    f->in_rotation = f->is_blocked = f->is_filled = false;
}

/* ---- turns to rotate ---- */

static void rotate(struct wire *f);

static void rotated(struct wire *f)
{
    struct engine *e = f->container->engine;
    if (!f->rotating)
        return;
    f->rotating = false;
    e->n_rotating--;
    struct wire *next = e->first_rotation;
    if (next) {
        unlink_from(&e->first_rotation, next, offsetof(struct wire, next_rotation));
        next->in_rotation = false;
        timer_set(&next->again, 0); /* not from within libcurl */
    }
}

/* ---- letting go ---- */

static void drop_connection(struct wire *f)
{
    struct engine *e = f->container->engine;
    http_cancel(&f->request);
    unlist(f);
    wire_flush(f);
    wire_end_memory(f);
    timer_clear(&f->again);
    rotated(f);
    f->answered = f->ended = false;
    if (e->probed == f) {
        http_cancel(&e->probe);
        e->probed = NULL;
    }
    if (f->has_slot) {
        f->has_slot = false;
        e->n_wires--;
        atomic_fetch_sub(&stats(f)->streams, 1);
    }
}

void wire_close(struct wire *f)
{
    if (!thing_alive(&f->scope.thing))
        return;
    drop_connection(f);
    if (f->state != WIRE_REFUSED)
        f->state = WIRE_IDLE;
    if (f->source)
        atomic_store(&f->source->state, SOURCE_IDLE);
}

static void pause_wire(struct wire *f)
{
    f->state = WIRE_PAUSED;
    timer_set(&f->again, engine_backoff(&f->backoff));
}

static void fail(struct wire *f, const char *why)
{
    atomic_fetch_add(&stats(f)->failures, 1);
    atomic_store(&f->source->state, SOURCE_FAILED);
    source_set_error(f->source, "%s", why);
    container_say(f->container, "its stream broke: %s; it is opened again", why);
    pause_wire(f);
}

void wire_broken(struct wire *f)
{
    struct engine *e = f->container->engine;
    atomic_fetch_add(&stats(f)->malformed, 1);
    drop_connection(f);
    fail(f, f->why);
    wire_serve_waiting(e);
}

/* ---- what an end means ---- */

static bool is_unreadable(const struct http_answer *a)
{
    return a->status >= 400 && a->body_len && strstr(a->body, "does not support reading");
}

/* An error as engines write it: {"message":"..."}. */
static const char *message_of(const struct http_answer *a, char *out, size_t size)
{
    struct json j;
    json_begin(&j, a->body, a->body_len);
    snprintf(out, size, "it answers %d", a->status);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return out;
    while (json_next(&j) == JSON_KEY) {
        if (json_is(&j, "message") && json_next(&j) == JSON_STRING)
            snprintf(out, size, "it answers %d: %.*s", a->status, (int)(j.len < 200 ? j.len : 200), j.text);
        if (!json_skip(&j))
            break;
    }
    return out;
}

/* All that there is was read: of one that runs no more that is all. */
static void looked_last(struct wire *f)
{
    struct container *c = f->container;
    if (c->running) { /* as far as is known: it is asked, and followed again */
        wire_end_memory(f);
        engine_inspect(c->engine, c);
        pause_wire(f);
        return;
    }
    if (!wire_give_rest(f)) {
        f->ended = true;
        f->status = 200;
        return;
    }
    wire_flush(f);
    wire_end_memory(f);
    f->drained = true;
    f->state = WIRE_IDLE;
    atomic_store(&f->source->state, c->gone ? SOURCE_GONE : SOURCE_IDLE);
}

static void free_slot(struct wire *f)
{
    struct engine *e = f->container->engine;
    if (!f->has_slot)
        return;
    f->has_slot = false;
    e->n_wires--;
    atomic_fetch_sub(&stats(f)->streams, 1);
    wire_serve_waiting(e);
}

void wire_go_on_ending(struct wire *f)
{
    f->ended = false;
    if (f->last_look) {
        looked_last(f);
        return;
    }
    wire_flush(f);
    wire_end_memory(f);
    f->last_look = true;
    f->follows = false;
    open_now(f);
}

static void gone(struct wire *f)
{
    struct container *c = f->container;
    if (!f->ever && f->next == 0)
        atomic_fetch_add(&stats(f)->gone_before_read, 1);
    wire_flush(f);
    wire_end_memory(f);
    f->drained = true;
    f->state = WIRE_IDLE;
    atomic_store(&f->source->state, SOURCE_GONE);
    if (!c->gone)
        engine_list(c->engine);
}

static void done(struct http_request *r, const struct http_answer *a)
{
    struct wire *f = container_of(r, struct wire, request);
    struct engine *e = f->container->engine;
    char why[300];
    timer_clear(&f->again);
    if (f->in_rotation)
        unlink_from(&e->first_rotation, f, offsetof(struct wire, next_rotation));
    f->in_rotation = false;
    rotated(f);
    if (a->status == 200 && f->answered) {
        f->ended = true;
        f->status = 200;
        free_slot(f);
        if (!f->is_blocked)
            wire_go_on_ending(f);
        return;
    }
    if (a->status == 404 || a->status == 409) { /* 409: it is being removed */
        drop_connection(f);
        gone(f);
    } else if (is_unreadable(a)) {
        drop_connection(f);
        f->state = WIRE_REFUSED;
        atomic_store(&f->source->state, SOURCE_FAILED);
        source_set_error(f->source, "%s", message_of(a, why, sizeof why));
        container_say(f->container, "its log driver %s does not let logs be read", f->container->driver);
    } else {
        bool fault = f->why[0];
        drop_connection(f);
        if (fault)
            atomic_fetch_add(&stats(f)->malformed, 1);
        fail(f, fault ? f->why : a->status ? message_of(a, why, sizeof why) : a->error);
        if (a->status == 0 && !fault)
            engine_doubt(e);
    }
    wire_serve_waiting(e);
}

/* ---- opening ---- */

void wire_answered(struct wire *f)
{
    const struct containers_config *o = monitor_of(f->container)->options;
    f->answered = true;
    f->state = WIRE_OPEN;
    source_set_error(f->source, NULL);
    container_say(f->container, "%s", "");
    atomic_store(&f->source->state, SOURCE_READING);
    if (o->rotation_interval && f->follows) {
        /* Feeds that began together do not rotate together. */
        int64_t part = f->spread ? 256 : 64 + (unsigned char)f->container->id[0] % 8 * 24 + (unsigned char)f->container->id[1] % 8 * 3;
        f->spread = true;
        timer_set(&f->again, o->rotation_interval / 256 * part);
    }
    rotated(f);
}

static void ask(struct wire *f)
{
    struct container *c = f->container;
    struct engine *e = c->engine;
    char path[PATH_TEXT], since[64] = "";
    int64_t from = cursor_since(&f->cursor);
    if (from > 0)
        snprintf(since, sizeof since, "&since=%" PRId64 ".%09" PRId64, from / SECOND, from % SECOND);
    engine_path(e, path, sizeof path, "/containers/%s/logs?stdout=true&stderr=true&timestamps=true%s%s", c->id,
                f->follows ? "&follow=true" : "", since);
    f->replay = (struct cursor_replay){0};
    memset(f->first, 0, sizeof f->first);
    for (int s = 0; s < CURSOR_STREAMS; s++)
        f->skip[s] = f->cursor.at[s].given;
    f->why[0] = 0;
    f->state = WIRE_OPENING;
    f->silent_since = clock_mono();
    int r = wire_begin_memory(f);
    if (r == 0)
        r = http_follow(&f->request, &e->http, &container_stream_kind, f->source->name, path, wire_piece, done);
    if (r < 0) {
        drop_connection(f);
        fail(f, strerror(-r));
        return;
    }
    atomic_fetch_add(&stats(f)->opened, 1);
    atomic_fetch_add(&c->opened, 1);
    if (e->facts.podman && f->follows) { /* its headers come with the first message */
        http_be_patient(&f->request);
        wire_answered(f);
    }
}

static void open_now(struct wire *f)
{
    struct engine *e = f->container->engine;
    if (!f->has_slot && e->n_wires >= monitor_of(f->container)->options->max_connections) {
        if (!f->waiting) {
            f->waiting = true;
            f->state = WIRE_WAITING;
            queue(&e->first_waiting, f, offsetof(struct wire, next_waiting));
            atomic_fetch_add(&stats(f)->waiting, 1);
        }
        return;
    }
    if (!f->has_slot) {
        f->has_slot = true;
        e->n_wires++;
        atomic_fetch_add(&stats(f)->streams, 1);
    }
    ask(f);
}

void wire_serve_waiting(struct engine *e)
{
    while (e->state == ENGINE_UP && e->first_waiting && e->n_wires < e->monitor->options->max_connections) {
        struct wire *f = e->first_waiting;
        stop_waiting(f);
        f->state = WIRE_IDLE;
        wire_consider(f);
    }
}

void wire_consider(struct wire *f)
{
    struct container *c = f->container;
    if (c->engine->state != ENGINE_UP || f->state != WIRE_IDLE || f->ended)
        return;
    if (!c->running && f->drained)
        return;
    f->follows = c->running && !f->last_look;
    if (!f->follows)
        f->last_look = true;
    open_now(f);
}

static void rotate(struct wire *f)
{
    struct engine *e = f->container->engine;
    if (e->n_rotating >= e->monitor->options->max_concurrent_rotations) {
        f->in_rotation = true;
        queue(&e->first_rotation, f, offsetof(struct wire, next_rotation));
        return;
    }
    drop_connection(f);
    f->state = WIRE_IDLE;
    atomic_fetch_add(&f->container->rotations, 1);
    atomic_fetch_add(&stats(f)->rotations, 1);
    if (e->first_waiting) {
        f->waiting = true;
        f->state = WIRE_WAITING;
        queue(&e->first_waiting, f, offsetof(struct wire, next_waiting));
        atomic_fetch_add(&stats(f)->waiting, 1);
        wire_serve_waiting(e);
        return;
    }
    f->rotating = true;
    e->n_rotating++;
    wire_consider(f);
}

static void came_again(struct timer *t)
{
    struct wire *f = container_of(t, struct wire, again);
    if (f->state == WIRE_OPEN && !f->in_rotation) {
        rotate(f);
    } else if (f->state == WIRE_PAUSED) {
        f->state = WIRE_IDLE;
        f->last_look = false;
        wire_consider(f);
    }
}

/* ---- stalls ---- */

static int64_t last_met(const struct wire *f)
{
    int64_t last = 0;
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        if (f->cursor.at[s].time > last)
            last = f->cursor.at[s].time;
        if (f->replay.met[s].time > last)
            last = f->replay.met[s].time;
    }
    return last;
}

static void probed(struct http_request *r, const struct http_answer *a)
{
    struct engine *e = container_of(r, struct engine, probe);
    struct wire *f = e->probed;
    struct mark marks[16];
    uint32_t consumed;
    int error, missed = 0;
    e->probed = NULL;
    if (!f)
        return;
    f->silent_since = clock_mono();
    if (a->status == 0)
        engine_doubt(e);
    if (a->status != 200)
        return;
    uint32_t n = frames_mark(&f->frames, a->body, (uint32_t)a->body_len, marks, 16, &consumed, &error);
    for (uint32_t i = 0; i < n; i++)
        missed |= marks[i].stream != WRAPPED_BARE && marks[i].time > last_met(f);
    if (!missed)
        return;
    atomic_fetch_add(&f->container->stalls, 1);
    atomic_fetch_add(&e->monitor->stats.stalls, 1);
    log_warn("containers", "%s: the engine has more than its stream gave; it is opened anew", f->source->name);
    wire_close(f);
    wire_consider(f);
}

static void probe(struct engine *e, struct wire *f)
{
    char path[PATH_TEXT];
    engine_path(e, path, sizeof path, "/containers/%s/logs?stdout=true&stderr=true&timestamps=true&tail=1", f->container->id);
    if (http_get(&e->probe, &e->http, &container_ask_kind, "probe", path, PROBE_MOST, probed) == 0)
        e->probed = f;
}

void wire_heartbeat(struct engine *e)
{
    int64_t now = clock_mono();
    struct wire *silent = NULL;
    for (struct container *c = e->containers; c; c = c->next) {
        struct wire *f = &c->wire;
        if (!http_busy(&f->request))
            continue;
        task_beat(&f->request.task);
        task_wait(&f->request.task);
        if (f->state == WIRE_OPEN && f->follows && !f->is_blocked &&
            now - f->silent_since > e->monitor->options->stall_timeout && (!silent || f->silent_since < silent->silent_since))
            silent = f;
    }
    if (silent && !http_busy(&e->probe))
        probe(e, silent);
}

/* ---- life ---- */

static bool is_old(const struct wire *f)
{
    const struct containers *m = monitor_of(f->container);
    return m->first_start && f->container->created && f->container->created < m->began;
}

/* Where earlier processes were, for the sink that is furthest behind. */
static void place(struct wire *f)
{
    struct containers *m = monitor_of(f->container);
    struct past_source *before = m->past ? past_find(m->past, f->source->key) : NULL;
    if (before)
        past_claim(m->past, before, f->source);
    struct position lowest = source_lowest(f->source);
    f->next = lowest.offset;
    bool known = lowest.cursor && cursor_read(&f->cursor, lowest.cursor);
    if (known && f->cursor.max_line != m->config->files.max_line_bytes) {
        /* Lines may be other records now: those that are ahead get some twice, rather than not at all. */
        EACH_ACCOUNT(a, f->source)
            account_place(a, &(struct position){.offset = f->next, .cursor = lowest.cursor});
    } else if (!known && m->options->start_at == START_END && is_old(f)) {
        struct engine *e = f->container->engine;
        int64_t now = e->facts.now ? e->facts.now : clock_real();
        char text[CURSOR_TEXT];
        f->cursor = (struct cursor){.at = {{now, 1, 0}, {now, 1, 0}}, .max_line = m->config->files.max_line_bytes};
        cursor_write(&f->cursor, text);
        EACH_ACCOUNT(a, f->source)
            account_place(a, &(struct position){.offset = f->next, .cursor = text});
    }
    f->ever = known;
    source_set_identity(f->source, "container");
}

int wire_begin(struct wire *f, struct container *c)
{
    char key[FACTS_ID + 16];
    if (thing_alive(&f->scope.thing))
        return 0;
    *f = (struct wire){.container = c};
    int r = scope_begin(&f->scope, &c->scope, "wire");
    if (r == 0)
        r = timer_begin(&f->again, &f->scope, monitor_of(c)->loop, "stream again", came_again);
    snprintf(key, sizeof key, "container:%s", c->id);
    if (r == 0 && !(f->source = source_obtain(SOURCE_CONTAINER, key, *c->name ? c->name : c->id)))
        r = -errno;
    if (r < 0) {
        scope_end(&f->scope);
        return r;
    }
    f->source->matched = "monitors.containers";
    place(f);
    return 0;
}

bool wire_is_over(const struct wire *f)
{
    return !thing_alive(&f->scope.thing) || (f->state == WIRE_IDLE && !f->ended) || f->state == WIRE_REFUSED;
}

void wire_end(struct wire *f)
{
    if (!thing_alive(&f->scope.thing))
        return;
    wire_close(f);
    wire_relabel(f);
    source_unref(f->source);
    f->source = NULL;
    scope_end(&f->scope);
}
