/*
 * windows: a trace cut into a few dozen pieces of equal length, the newest whole: what a trend is looked for in.
 *
 * Of a piece either the mean or the floor counts, whichever says more: the mean where noise is white, the floor where peaks, jobs and
 * a garbage collector's teeth lie on top of what matters.
 */
#pragma once

#include "leak/judge/basis.h"
#include "leak/judge/falls.h"
#include "leak/judge/trace.h"

struct windows {
    unsigned n;
    double length;            /* s, of a piece */
    double span;              /* s, from the begin of the first to the end of the last */
    int64_t begin;            /* of the first */
    double time[BASIS_ROWS];  /* s since begin: the middle */
    double value[BASIS_ROWS]; /* above the trace's zero */
    bool floors;              /* else means */
    bool teeth;               /* a few, each of several pieces: then */
    double phase[BASIS_ROWS]; /* the time since the last fall, in teeth; else 0 */
};

/* Of the present life; where there are many teeth wider than a piece, one piece for each: its floor. */
void windows_cut(struct windows *w, const struct trace *t, const struct falls *f);

/* A quick look: whether the end may lie above the begin, or above the middle, by `least` at least. */
bool windows_rise(const struct windows *w, double least);
