#include "in/containers/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "in/containers/container.h"
#include "in/containers/engine.h"
#include "in/containers/follow.h"
#include "in/containers/roots.h"

enum { PATH_TEXT = 200, BUFFER_MOST = EVENT_MOST + (32 << 10) };
#define ROOM_AGAIN (100 * MILLISECOND) /* no memory for an event: nobody says when there is some */

/* The log is open before the engine has said all that is to be known: the container may be gone by then. */
static void hold_log(struct container *c)
{
    char path[PATH_MAX];
    if (!c->known && !c->followed && roots_log_path(c->engine, c->id, path, sizeof path) &&
        follow_readable(monitor_of(c), path))
        follow_begin(c, path, c->engine->facts.podman ? WRAPPED_CRI : WRAPPED_JSON_FILE, true);
}

static bool is_one_of(const char *action, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(action, *names) == 0)
            return true;
    return false;
}

/* Podman says "died" and "remove" where Docker says "die" and "destroy". */
static void apply(struct engine *e, const struct facts *f)
{
    static const char *const begins[] = {"create", "start", "restart", "unpause", "init", NULL};
    static const char *const starts[] = {"start", "restart", "unpause", NULL};
    static const char *const stops[] = {"die", "died", NULL};
    static const char *const ends[] = {"destroy", "remove", NULL};
    struct container *c = engine_find(e, f->id);
    if (!c && is_one_of(f->action, begins))
        c = container_new(e, f->id);
    if (!c)
        return;
    if (!c->known && !c->gone) {
        container_learn(c, f);
        hold_log(c);
        engine_inspect(e, c);
    }
    c->ran |= is_one_of(f->action, stops);
    c->removed |= is_one_of(f->action, ends);
    if (strcmp(f->action, "rename") == 0)
        container_learn(c, f);
    else if (is_one_of(f->action, starts))
        container_set_running(c, true, false);
    else if (is_one_of(f->action, stops))
        container_set_running(c, false, true);
    else if (is_one_of(f->action, ends))
        container_gone(c);
}

static void one_line(struct engine *e, const char *line, size_t n)
{
    struct facts *f = mem_new(&e->scope, sizeof *f, "event");
    if (!f) {
        engine_list(e);
        return;
    }
    if (facts_event(f, line, n, e->monitor->options)) {
        atomic_fetch_add(&e->monitor->stats.events, 1);
        e->told++;
        if (f->time > e->last_event)
            e->last_event = f->time;
        apply(e, f);
    } else if (n) {
        atomic_fetch_add(&e->monitor->stats.malformed, 1);
        log_warn("containers", "%s sends an event that makes no sense: %.*s", e->address.text, (int)(n < 100 ? n : 100), line);
    }
    mem_free(f);
}

/* Out of libcurl's hands: what happens may end requests. */
static void work(struct nudge *n)
{
    struct engine *e = container_of(n, struct engine, event_came);
    struct buf *b = &e->event;
    size_t done = 0;
    for (const char *newline; done < b->len && (newline = memchr(b->data + done, '\n', b->len - done));) {
        size_t len = (size_t)(newline - b->data) - done;
        if (!e->event_too_long)
            one_line(e, b->data + done, len);
        e->event_too_long = false;
        done += len + 1;
    }
    b->len -= done;
    memmove(b->data, b->data + done, b->len);
    if (b->len > EVENT_MOST) {
        atomic_fetch_add(&e->monitor->stats.malformed, 1);
        e->event_too_long = true;
        b->len = 0;
    }
    if (!b->len)
        buf_shrink(b, 0);
    http_resume(&e->events);
}

static enum http_piece piece(struct http_request *r, const char *data, size_t n)
{
    struct engine *e = container_of(r, struct engine, events);
    if (n == 0) {
        e->said_events = false;
        return HTTP_TAKEN;
    }
    if (e->event.len + n > BUFFER_MOST || buf_add(&e->event, data, n) < 0) {
        timer_set(&e->events_room, ROOM_AGAIN);
        return HTTP_LATER;
    }
    e->events_backoff = 0;
    nudge_set(&e->event_came);
    return HTTP_TAKEN;
}

static void room_again(struct timer *t)
{
    http_resume(&container_of(t, struct engine, events_room)->events);
}

static void done(struct http_request *r, const struct http_answer *a)
{
    struct engine *e = container_of(r, struct engine, events);
    if (!e->said_events)
        log_info("containers", "%s: the stream of events ended%s%s; it is opened again, and the list is asked for", e->address.text,
                 a->error[0] ? ": " : "", a->error);
    e->said_events = true;
    e->event.len = 0;
    e->event_too_long = false;
    timer_set(&e->events_again, engine_backoff(&e->events_backoff));
    engine_doubt(e);
}

void engine_hear(struct engine *e)
{
    char path[PATH_TEXT], since[64] = "";
    if (http_busy(&e->events) || e->state != ENGINE_UP)
        return;
    if (e->last_event)
        snprintf(since, sizeof since, "&since=%" PRId64 ".%09" PRId64, e->last_event / SECOND, e->last_event % SECOND);
    /* {"type":["container"]} */
    engine_path(e, path, sizeof path, "/events?filters=%%7B%%22type%%22%%3A%%5B%%22container%%22%%5D%%7D%s", since);
    e->heard_round = round_from_now(e) + 1;
    e->untold = false;
    if (http_follow(&e->events, &e->http, &container_events_kind, e->address.text, path, piece, done) < 0)
        timer_set(&e->events_again, engine_backoff(&e->events_backoff));
}

void engine_unhear(struct engine *e)
{
    http_cancel(&e->events);
    timer_clear(&e->events_again);
    e->event.len = 0;
}

static void again(struct timer *t)
{
    struct engine *e = container_of(t, struct engine, events_again);
    engine_hear(e);
    engine_list(e); /* what happened meanwhile */
}

int engine_hear_begin(struct engine *e)
{
    int r = buf_begin(&e->event, &e->scope, "events", BUFFER_MOST + 1);
    if (r == 0)
        r = nudge_begin(&e->event_came, &e->scope, e->monitor->loop, "events", work);
    if (r == 0)
        r = timer_begin(&e->events_room, &e->scope, e->monitor->loop, "room for events", room_again);
    return r == 0 ? timer_begin(&e->events_again, &e->scope, e->monitor->loop, "events again", again) : r;
}
