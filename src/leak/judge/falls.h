/*
 * falls: where a trace falls at once and stays down: the teeth of a garbage collector when there are many, a restarted process when
 * there are few and far between. The end of a burst is neither: it falls to where it came from.
 */
#pragma once

#include "leak/judge/trace.h"

enum { FALLS_MOST = 64 };

struct falls {
    unsigned n;
    unsigned at[FALLS_MOST]; /* the first cell behind each */
    bool teeth;
    unsigned life; /* the cell with which the present life begins: 0, or behind the last restart */
};

void falls_find(struct falls *f, const struct trace *t);
