#include "in/api.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One request on its way: measured first, then copied into batches. */
struct intake {
    struct api *api;
    struct api_answer *answer;
    const char *body;
    size_t size;
    int64_t now, real; /* clock_mono(), clock_real() */
    uint64_t entries;
    unsigned streams;
    struct {
        uint64_t bytes, marks;
        struct batch *batch;
    } parts[API_BATCHES]; /* of BATCH_STREAMS streams each, in the order in which they appear */
};

const char *api_outcome_name(enum api_outcome outcome)
{
    static const char *const names[] = {"taken", "invalid", "too_large", "too_fast", "full"};
    return names[outcome];
}

__attribute__((format(printf, 3, 4))) static bool refuse(struct intake *in, enum api_outcome outcome, const char *why, ...)
{
    va_list ap;
    va_start(ap, why);
    vsnprintf(in->answer->why, sizeof in->answer->why, why, ap);
    va_end(ap);
    in->answer->outcome = outcome;
    in->answer->retry_after = outcome == API_FULL || outcome == API_TOO_FAST;
    return false;
}

static bool refuse_at(struct intake *in, size_t at, const char *why)
{
    in->answer->at = at;
    return refuse(in, API_INVALID, "%s", why);
}

/* ---- streams ---- */

static void release(struct api_stream *s)
{
    stream_unref(s->stream);
    *s = (struct api_stream){0};
}

static struct api_stream *free_place(struct api *a, int64_t now)
{
    struct api_stream *place = NULL;
    for (unsigned i = 0; i < API_STREAMS; i++) {
        struct api_stream *s = &a->streams[i];
        if (s->stream && s->used && now - s->used > API_STREAM_LIFE && s->request != a->requests)
            release(s);
        if (!s->stream)
            place = s;
    }
    return place;
}

/* The entry's set of labels. NULL: refused. */
static struct api_stream *stream_of(struct intake *in, const struct entries *e)
{
    struct api *a = in->api;
    const struct entry_text *t = &e->text;
    struct label labels[ENTRY_LABELS + 5] = {
        {"source", t->source_type ? t->source_type : "api"},
        {"service", "api"},
        {"instance", a->config->host},
        {"level", t->level},
        {"source_id", t->source_id},
    };
    memcpy(labels + 5, t->labels, t->n * sizeof *labels);
    struct stream *stream = stream_get(labels, 5 + t->n);
    if (!stream) {
        refuse(in, API_FULL, "no memory for a stream now");
        return NULL;
    }
    for (unsigned i = 0; i < API_STREAMS; i++)
        if (a->streams[i].stream == stream) {
            stream_unref(stream);
            return &a->streams[i];
        }
    struct api_stream *s = free_place(a, in->now);
    if (!s) {
        stream_unref(stream);
        char why[120];
        snprintf(why, sizeof why, "the labels of this entry are one set too many: at most %d are alive; put what varies "
                 "into the message", API_STREAMS);
        refuse_at(in, e->at, why);
        return NULL;
    }
    s->stream = stream;
    return s;
}

/* The streams that this request used stay for a while, or those that it brought go. */
static void settle_streams(struct intake *in, bool taken)
{
    for (unsigned i = 0; i < API_STREAMS; i++) {
        struct api_stream *s = &in->api->streams[i];
        if (!s->stream || s->request != in->api->requests)
            continue;
        if (taken)
            s->used = in->now;
        else if (s->used == 0)
            release(s);
    }
}

/* ---- measuring ---- */

static bool measure_entry(struct intake *in, const struct entries *e)
{
    struct api_stream *s = stream_of(in, e);
    if (!s)
        return false;
    if (s->request != in->api->requests) {
        s->request = in->api->requests;
        s->place = in->streams++;
    }
    in->parts[s->place / BATCH_STREAMS].bytes += e->message.len;
    in->parts[s->place / BATCH_STREAMS].marks++;
    in->entries++;
    return true;
}

static bool measure(struct intake *in)
{
    struct entries *e = &in->api->reader;
    entries_begin(e, in->body, in->size, in->real);
    while (entries_next(e))
        if (!measure_entry(in, e))
            return false;
    if (e->error)
        return refuse_at(in, e->error_at, e->error);
    in->answer->unknown_keys = e->unknown_keys;
    return true;
}

/* ---- limits ---- */

static bool within_rate(struct intake *in)
{
    struct api *a = in->api;
    int64_t owed = a->owed_until - in->now;
    if (owed <= 0)
        return true;
    refuse(in, API_TOO_FAST, "api.rate is %" PRIu64 " entries a second", a->config->api.rate);
    in->answer->retry_after = (unsigned)((owed + SECOND - 1) / SECOND);
    return false;
}

/* One second's worth may come at once after a quiet time. */
static void pay(struct intake *in)
{
    struct api *a = in->api;
    int64_t from = in->now - SECOND;
    if (a->owed_until > from)
        from = a->owed_until;
    a->owed_until = from + (int64_t)(in->entries * (uint64_t)SECOND / a->config->api.rate);
}

static bool reserve(struct intake *in)
{
    struct pool *pool = in->api->dispatcher->pool;
    uint64_t total = 0;
    for (unsigned i = 0; i < API_BATCHES; i++)
        if (in->parts[i].marks)
            total += batch_cost(pool, (uint32_t)in->parts[i].bytes + 1, (uint32_t)in->parts[i].marks);
    if (total > pool->limit)
        return refuse(in, API_TOO_LARGE, "it needs %" PRIu64 " bytes of memory, and memory_limit leaves %" PRIu64,
                      total, pool->limit);
    for (unsigned i = 0; i < API_BATCHES; i++) {
        if (!in->parts[i].marks)
            continue;
        /* At least a byte: what has no size is hard to tell from what has no memory. */
        in->parts[i].batch = batch_new(pool, in->api->source, (uint32_t)in->parts[i].bytes + 1,
                                       (uint32_t)in->parts[i].marks);
        if (!in->parts[i].batch)
            return refuse(in, API_FULL, errno == EDQUOT ? "memory_limit is reached: what came before is not delivered yet"
                                                        : "no memory now");
    }
    return true;
}

/* ---- filling ---- */

static int64_t time_of(struct intake *in, const struct entries *e)
{
    struct api *a = in->api;
    if (e->has_time) { /* equal ones in a row are counted up: Loki would store equal entries once */
        a->ties = e->time == a->said_time ? a->ties + 1 : 0;
        a->said_time = e->time;
        return e->time + a->ties;
    }
    a->last_time = in->real > a->last_time ? in->real : a->last_time + 1;
    return a->last_time;
}

/* There was room for each entry and its stream when they were measured, and they are the same again. */
static void fill_entry(struct intake *in, const struct entries *e)
{
    struct api_stream *s = stream_of(in, e);
    assert(s && s->request == in->api->requests);
    struct batch *b = in->parts[s->place / BATCH_STREAMS].batch;
    int stream = batch_stream(b, s->stream);
    uint32_t len = (uint32_t)json_unescape(&e->message, b->data + b->used);
    struct mark m = {.off = b->used, .len = len, .end = b->used + len, .stream = (uint16_t)stream, .time = time_of(in, e)};
    bool marked = stream >= 0 && batch_mark(b, m);
    assert(marked);
    b->used += len;
}

static void fill(struct intake *in)
{
    struct entries *e = &in->api->reader;
    entries_begin(e, in->body, in->size, in->real);
    while (entries_next(e))
        fill_entry(in, e);
}

static void hand_over(struct intake *in)
{
    struct api *a = in->api;
    for (unsigned i = 0; i < API_BATCHES; i++) {
        struct batch *b = in->parts[i].batch;
        if (!b)
            continue;
        b->ordinal = true;
        b->from = a->ordinal;
        b->to = a->ordinal += b->n;
        dispatch(a->dispatcher, b);
    }
    atomic_store(&a->source->offset, a->ordinal);
    atomic_store(&a->source->size, a->ordinal);
    atomic_store(&a->source->last_read, in->real);
}

static bool prepare(struct intake *in)
{
    if (!dispatch_ready(in->api->dispatcher, NULL))
        return refuse(in, API_FULL, "a sink is full: what came before is not delivered yet");
    return within_rate(in) && measure(in) && reserve(in);
}

void api_take(struct api *a, const char *body, size_t size, struct api_answer *answer)
{
    struct intake in = {.api = a, .answer = answer, .body = body, .size = size, .now = clock_mono(), .real = clock_real()};
    *answer = (struct api_answer){.outcome = API_TAKEN};
    a->requests++;
    bool taken = prepare(&in);
    settle_streams(&in, taken);
    if (taken) {
        pay(&in);
        fill(&in);
        hand_over(&in);
        answer->entries = in.entries;
    } else {
        for (unsigned i = 0; i < API_BATCHES; i++)
            if (in.parts[i].batch)
                batch_drop(in.parts[i].batch);
    }
    atomic_fetch_add(&a->outcomes[answer->outcome], 1);
}

/* ---- life ---- */

static void api_thing_end(struct thing *t)
{
    struct api *a = container_of(t, struct api, thing);
    for (unsigned i = 0; i < API_STREAMS; i++)
        release(&a->streams[i]);
    source_unref(a->source);
    a->source = NULL;
}

int api_begin(struct api *a, struct scope *owner, const struct config *config, struct dispatcher *dispatcher,
              struct past *past)
{
    static const char key[] = "api";
    memset(a, 0, sizeof *a);
    a->config = config;
    a->dispatcher = dispatcher;
    int r = thing_begin(&a->thing, owner, BIRTH_HANDLE, "api", 0, api_thing_end);
    if (r < 0)
        return r;
    a->source = source_obtain(SOURCE_API, key, "POST /api/v1/logs");
    if (!a->source) {
        r = -errno;
        thing_unborn(&a->thing);
        return r;
    }
    a->source->matched = "api.enabled";
    struct past_source *before = past ? past_find(past, key) : NULL;
    if (before)
        past_claim(past, before, a->source);
    a->ordinal = source_highest(a->source);
    atomic_store(&a->source->offset, a->ordinal);
    atomic_store(&a->source->size, a->ordinal);
    a->owed_until = clock_mono() - SECOND;
    return 0;
}

void api_end(struct api *a)
{
    thing_end(&a->thing);
}
