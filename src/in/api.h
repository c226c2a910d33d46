/*
 * api: the source of what programs post to /api/v1/logs. One source for all of them; src/web has the route.
 *
 * A request is taken whole or not at all. Its entries live in memory until they are delivered: an answer of 202 says
 * that logcap has them, not that a sink has. If the process is asked to stop before a sink has them and the sink's
 * drain_grace is not enough, they are dropped there and the ledger says so (reason `shutdown`); if it is
 * killed they are gone. What must not be lost belongs in a file.
 *
 * Labels: source="api" (or the entry's source_type), service="api", instance (config.host), level, source_id, then
 * the entry's own labels, which win. A name gets '_' for what may not stand in it.
 * Time: the entry's timestamp; without one the time of arrival, and no two entries get the same.
 *
 * Limits, beside api.max_body: api.rate entries a second, of which one second's may come at once (a request
 * that goes beyond is taken if nothing is owed, and the next ones wait for it); what the sinks and the memory_limit have
 * room for; and API_STREAMS sets of labels. A set counts until it has had no entry for API_STREAM_LIFE, which is when
 * Loki too closes a stream by default (ingester.chunk_idle_period).
 *
 * Position: the ordinal of the last entry, since the first start. It orders what is in flight and resumes nothing;
 * the ledger goes on from where it was.
 *
 * Thread: the web's, between begin and end. The counters: any.
 */
#pragma once

#include "base/clock.h"
#include "core/dispatcher.h"
#include "core/past.h"
#include "in/entries.h"

enum { API_STREAMS = 256, API_BATCHES = API_STREAMS / BATCH_STREAMS };
#define API_STREAM_LIFE (30 * MINUTE)

enum api_outcome {
    API_TAKEN,
    API_INVALID,   /* `at` and `why`; too many streams too */
    API_TOO_LARGE, /* it would never fit */
    API_TOO_FAST,  /* the rate; after retry_after */
    API_FULL,      /* no room at a sink or in memory now */
    API_OUTCOMES
};
const char *api_outcome_name(enum api_outcome outcome);

struct api_answer {
    enum api_outcome outcome;
    uint64_t entries, unknown_keys; /* taken; passed over in them */
    size_t at;                      /* the byte of the body */
    char why[160];
    unsigned retry_after; /* seconds */
};

struct api_stream {
    struct stream *stream; /* NULL: free */
    int64_t used;          /* clock_mono(); 0: by the request being read only */
    uint64_t request;      /* the last that had an entry for it, */
    unsigned place;        /* and which of its streams it was there */
};

struct api {
    struct thing thing;
    const struct config *config;
    struct dispatcher *dispatcher;
    struct source *source;
    struct api_stream streams[API_STREAMS];
    uint64_t requests;
    uint64_t ordinal;   /* entries so far */
    int64_t said_time, ties; /* of the last entry with one; how many before it said the same */
    int64_t last_time;  /* the last that was given to an entry without one */
    int64_t owed_until; /* the rate: clock_mono() at which all that was taken is paid for */
    struct entries reader;
    _Atomic uint64_t outcomes[API_OUTCOMES];
};

/* past: NULL if nothing is known. 0 or -errno. */
int api_begin(struct api *a, struct scope *owner, const struct config *config, struct dispatcher *dispatcher,
              struct past *past);
void api_end(struct api *a); /* nothing when not alive */
void api_take(struct api *a, const char *body, size_t size, struct api_answer *answer);
