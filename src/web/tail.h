/*
 * tail: GET /tail, lines as they pass, for those who watch: ?sources=NAMES&text=T | ?regex=R, &case=1, &limit=N lines a second.
 *
 * `sources` are names or patterns of sources, one a line; without it all. Ten times a second what the tap (core/tap.h) has is
 * looked at, each line by each one's filter, and sent as event `lines`:
 *
 *     {"at": MS, "sources": ["NAME", ...], "lines": [[MS, SOURCE, "TEXT", BYTES_CUT_OFF], ...], "passed": N, "missed": N, "left_out": N}
 *
 * SOURCE is an index into sources. passed: records that went by in the chosen sources since the last event; missed: those
 * that were not looked at, left_out: those that the filter took, but that are more than are sent. An event comes at least each second.
 *
 * What the tap holds of a source that another one chose is not shown to who did not. At most TAIL_MOST at once.
 * Thread: the web's.
 */
#pragma once

#include "web/feed.h"

enum { TAIL_MOST = 8 };

struct tail {
    struct scope scope;
    struct web *web;
    struct feed *first;
    unsigned n;
    struct timer tick;
};

int tail_begin(struct tail *t, struct scope *owner, struct loop *loop, struct web *w);
