/*
 * live: GET /live, what the page shows, once a second: one snapshot for all who follow, made while somebody does.
 *
 * The event `snapshot` is {"at", "host", "stats", "health", "sources", "latency", "dead_letters", "engines_down",
 * "leaks"}: what /stats and /health say, the sums over all sources, the quantiles of each sink's recent requests, engines of containers
 * that do not answer, what the detector has found.
 *
 * Thread: the web's.
 */
#pragma once

#include "config/limits.h"
#include "core/latency.h"
#include "web/feed.h"

struct web;

struct live {
    struct scope scope;
    struct web *web;
    struct feed *first;
    struct timer tick;
    struct buf text;    /* the last snapshot */
    int64_t taken;      /* clock_mono(); 0: none */
    struct {
        const struct sink *sink; /* whose */
        struct recent recent;
    } latency[SINKS_MAX];
};

int live_begin(struct live *l, struct scope *owner, struct loop *loop, struct web *w);
