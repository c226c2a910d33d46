#include "leak/tell/alert_record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"

static void records_thing_end(struct thing *t)
{
    struct alert_records *r = container_of(t, struct alert_records, thing);
    source_unref(r->source);
    r->source = NULL;
}

int alert_records_begin(struct alert_records *r, struct scope *owner, struct dispatcher *dispatcher, struct past *past)
{
    static const char key[] = "api:alerts";
    *r = (struct alert_records){.dispatcher = dispatcher};
    int e = thing_begin(&r->thing, owner, BIRTH_HANDLE, "alerts", 0, records_thing_end);
    if (e < 0)
        return e;
    r->source = source_obtain(SOURCE_API, key, "logcap alerts");
    if (!r->source) {
        e = -errno;
        thing_unborn(&r->thing);
        return e;
    }
    r->source->matched = "resource_monitoring.alert_records";
    struct past_source *before = past ? past_find(past, key) : NULL;
    if (before)
        past_claim(past, before, r->source);
    r->ordinal = source_highest(r->source);
    return 0;
}

void alert_records_end(struct alert_records *r)
{
    thing_end(&r->thing);
}

static const char *level_of(const struct alert *a)
{
    return a->event == ALARM_RESOLVED ? "info" : a->severity >= LEAK_HIGH ? "error" : "warn";
}

static struct batch *batch_of(struct alert_records *r, const struct alert *a, const char *host, const struct buf *text)
{
    char kind[SERIES_NAME];
    const struct label labels[] = {
        {"source", "logcap"}, {"service", "logcap"}, {"instance", host}, {"level", level_of(a)}, {"kind", alert_kind(a, kind)},
    };
    uint32_t len = (uint32_t)text->len;
    if (!dispatch_ready(r->dispatcher, NULL))
        return NULL;
    struct batch *b = batch_new(r->dispatcher->pool, r->source, len, 1);
    if (!b)
        return NULL;
    struct stream *stream = stream_get(labels, sizeof labels / sizeof *labels);
    int index = stream ? batch_stream(b, stream) : -1;
    stream_unref(stream);
    if (index < 0) {
        batch_drop(b);
        return NULL;
    }
    r->last_time = a->time > r->last_time ? a->time : r->last_time + 1;
    memcpy(b->data, text->data, len);
    b->used = len;
    bool marked = batch_mark(b, (struct mark){.len = len, .end = len, .stream = (uint16_t)index, .time = r->last_time});
    assert(marked);
    return b;
}

void alert_record(struct alert_records *r, const struct alert *a, const char *host, const struct buf *text)
{
    struct batch *b = text->len ? batch_of(r, a, host, text) : NULL;
    if (!b) {
        atomic_fetch_add(&r->refused, 1);
        return;
    }
    b->ordinal = true;
    b->from = r->ordinal;
    b->to = ++r->ordinal;
    dispatch(r->dispatcher, b);
    atomic_store(&r->source->offset, r->ordinal);
    atomic_store(&r->source->size, r->ordinal);
    atomic_store(&r->source->last_read, a->time);
    atomic_fetch_add(&r->written, 1);
}
