#include "web/shown.h"

#include <stdio.h>

void amount_write(struct doc *d, const char *key, struct amount a)
{
    doc_object(d, key);
    doc_uint(d, "records", a.records);
    doc_uint(d, "bytes", a.bytes);
    doc_object_end(d);
}

void counts_write(struct doc *d, const struct counts *c)
{
    amount_write(d, "taken", c->taken);
    amount_write(d, "delivered", c->delivered);
    amount_write(d, "in_flight", c->in_flight);
    amount_write(d, "spooled", c->spooled);
    amount_write(d, "dead", c->dead);
    amount_write(d, "skipped", c->skipped);
    doc_object(d, "dropped");
    for (int i = 0; i < DROP_REASONS; i++)
        amount_write(d, drop_reason_name(i), c->dropped[i]);
    doc_object_end(d);
}

void source_status_write(struct doc *d, struct source *s)
{
    uint64_t offset = s->offset, size = s->size;
    doc_string(d, "state", source_state_name(s->state));
    doc_uint(d, "offset", offset);
    doc_uint(d, "size", size);
    doc_uint(d, "lag_bytes", size > offset ? size - offset : 0);
    doc_string(d, "matched", s->matched);
    pthread_mutex_lock(&s->lock);
    doc_string(d, "error", s->error);
    pthread_mutex_unlock(&s->lock);
}

void sink_status_write(struct doc *d, struct sink *s, struct scope *scratch)
{
    struct buf own;
    char error[sizeof s->error];
    pthread_mutex_lock(&s->lock);
    snprintf(error, sizeof error, "%s", s->error);
    pthread_mutex_unlock(&s->lock);
    doc_bool(d, "failing", s->stats.failing);
    doc_string(d, "error", error[0] ? error : NULL);
    doc_bool(d, "started", s->started);
    if (s->started && s->type->describe && buf_begin(&own, scratch, "describe", 64 * 1024) == 0) {
        if (s->type->describe(s, &own) >= 0 && own.len && !own.failed)
            doc_raw(d, NULL, own.data);
        buf_end(&own);
    }
}
