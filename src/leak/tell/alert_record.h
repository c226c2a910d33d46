/*
 * alert_record: alerts as records, so that they go where the lines go: a source of its own ("logcap alerts"), with the labels
 * source="logcap", service="logcap", instance, level, kind. The record is the alert's own JSON without its stacks.
 *
 * In memory until delivered, as what POST /api/v1/logs takes. When there is no room (a sink is full) an alert is not made
 * a record, and counted: it must hold up nobody. Thread: the watch's. The counter: any.
 */
#pragma once

#include "core/dispatcher.h"
#include "core/past.h"
#include "leak/watch/alert.h"

struct alert_records {
    struct thing thing;
    struct dispatcher *dispatcher;
    struct source *source;
    uint64_t ordinal;
    int64_t last_time;
    _Atomic uint64_t written, refused;
};

/* After past_load(), before the sinks start. 0 or -errno. */
int alert_records_begin(struct alert_records *r, struct scope *owner, struct dispatcher *dispatcher, struct past *past);
void alert_records_end(struct alert_records *r); /* before sources_end(); nothing when not alive */
void alert_record(struct alert_records *r, const struct alert *a, const char *host, const struct buf *text);
