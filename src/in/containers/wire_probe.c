/* A wire's heartbeat: a stream that is silent is compared with the engine, which may have more than it gave. */
#include "in/containers/container.h"
#include "in/containers/engine.h"
#include "in/containers/wire_internal.h"

enum { PATH_TEXT = 400, PROBE_MOST = 1 << 20 };

static int64_t last_met(const struct wire *w)
{
    int64_t last = 0;
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        if (w->cursor.at[s].time > last)
            last = w->cursor.at[s].time;
        if (w->replay.met[s].time > last)
            last = w->replay.met[s].time;
    }
    return last;
}

static void probed(struct http_request *r, const struct http_answer *a)
{
    struct engine *e = container_of(r, struct engine, probe);
    struct wire *w = e->probed;
    struct mark marks[16];
    uint32_t consumed;
    int error, missed = 0;
    e->probed = NULL;
    if (!w)
        return;
    w->silent_since = clock_mono();
    if (a->status == 0)
        engine_doubt(e);
    if (a->status != 200)
        return;
    struct frames frames = {.tty = w->frames.tty, .max_frame = w->frames.max_frame};
    uint32_t n = frames_mark(&frames, a->body, (uint32_t)a->body_len, marks, 16, &consumed, &error);
    for (uint32_t i = 0; i < n; i++)
        missed |= marks[i].stream != WRAPPED_BARE && marks[i].time > last_met(w);
    if (!missed)
        return;
    atomic_fetch_add(&w->container->stalls, 1);
    atomic_fetch_add(&e->monitor->stats.stalls, 1);
    task_begun_anew(&container_stream_kind);
    log_warn("containers", "%s: the engine has more than its stream gave; it is opened anew", w->source->name);
    wire_pause(w);
    wire_consider(w);
}

static void probe(struct engine *e, struct wire *w)
{
    char path[PATH_TEXT];
    engine_path(e, path, sizeof path, "/containers/%s/logs?stdout=true&stderr=true&timestamps=true&tail=1", w->container->id);
    if (http_get(&e->probe, &e->http, &container_ask_kind, "probe", path, PROBE_MOST, probed) == 0)
        e->probed = w;
}

void wire_heartbeat(struct engine *e)
{
    int64_t now = clock_mono();
    struct wire *silent = NULL;
    for (struct container *c = e->containers; c; c = c->next) {
        struct wire *w = &c->wire;
        if (!http_busy(&w->request))
            continue;
        task_beat(&w->request.task);
        task_wait(&w->request.task);
        /* One that broke, and whose headers wait for a message, is well when it did not break again. */
        if (w->state == WIRE_OPEN && atomic_load(&w->source->state) == SOURCE_FAILED &&
            now - w->silent_since > e->monitor->options->heartbeat_interval / 2)
            wire_is_well(w);
        if (w->state == WIRE_OPEN && w->follows && !w->is_blocked &&
            now - w->silent_since > e->monitor->options->stall_timeout && (!silent || w->silent_since < silent->silent_since))
            silent = w;
    }
    if (silent && e->state == ENGINE_UP && !http_busy(&e->probe))
        probe(e, silent);
}
