/*
 * judge: whether a series (tasks of a kind, descriptors, bytes of memory) leaks.
 *
 * Fed with samples as they come it keeps a bounded picture of the past (trace.h: days in some KB), and says at any moment
 * what the samples up to then show. Three kinds of rule, each usable without the others:
 *   - fixed thresholds, as configured: absolute ones, an increase over the baseline, a rate of growth;
 *   - the trend: whether the floor of the series grows, and nothing that ends (a warm-up, a pool, steps, a daily
 *     cycle) explains that. It needs no setting;
 *   - the real limit: that it is reached, or will be within the hour (nearing.h).
 *
 * Baseline: the floor of what came between half of warm_up and warm_up. From then on it falls with the floor, and rises only to a
 * level at which growth was seen to end (a step, a plateau, a cache that is full): never with a trend, or it would learn the leak.
 *
 * Pure: no clock, no I/O, no memory but its own, the same answer for the same samples. Units are the caller's. A judge belongs to
 * one thread at a time; it holds nothing that must be given back. To keep what it knows over a restart of the agent, feed it
 * the stored history.
 */
#pragma once

#include "leak/judge/lately.h"
#include "leak/judge/nearing.h"
#include "leak/judge/trace.h"
#include "leak/judge/verdict.h"

struct judge_settings {
    bool trend;
    double increase;   /* over the baseline: warning; 1.5 times: high; twice: critical. 0: off */
    double warn, max;  /* absolute, of the whole value: warning, critical. 0: off */
    double rate;       /* percent of the baseline by which the floor grows in a check interval: warning. 0: off */
    double limit;      /* RLIMIT_NOFILE, memory.max, pids.max: what the process cannot pass. 0: none known */
    double least;      /* growth below this is none, in the series' unit; 0: what noise and rounding say */
    int64_t interval;  /* ns: of `rate` */
    int64_t warm_up;   /* ns after the start in which nothing is compared with the baseline */
};

/* Everything off but the trend; 30 s, 5 min. */
extern const struct judge_settings judge_defaults;

struct judge {
    struct judge_settings settings;
    struct trace trace;
    struct lately lately;
    struct nearing nearing;
    struct approach approach; /* while nearing.near */
    int64_t first, last;   /* when the samples came; LEAK_NEVER */
    int64_t due;           /* when the trend is looked for again */
    double value;          /* the latest, whole */
    double baseline;
    bool has_baseline;
    bool leaking;
    int64_t leaking_since; /* when that was found */
    int64_t doubted;       /* since when it looks like none; LEAK_NEVER */
    int64_t lasted;        /* for how long it had grown, when it last looked like a leak */
    int64_t life;          /* when the process was started again, as far as that is known */
    int64_t carried_until; /* what leaked before that does so until then, if nothing else is found */
    bool sure;             /* the leak is worth an alert */
    struct verdict by_trend; /* as of the last look */
    struct verdict verdict;
};

void judge_begin(struct judge *j, const struct judge_settings *settings);
/* Other settings for what was seen already. */
void judge_set(struct judge *j, const struct judge_settings *settings);

/*
 * A sample. `expected` is the part of the value that is accounted for (two tasks for each open source, say): thresholds over the
 * baseline and the trend see only what is beyond it; 0 when nothing is known. A sample that is not later than the one before, or
 * not finite, is not taken (false). Gaps are allowed.
 */
bool judge_add(struct judge *j, int64_t time, double value, double expected);

/*
 * The process that the series belongs to was started again: what comes is a warm-up once more. Without being told, a judge
 * recognizes it by the fall to a fraction of the value.
 */
void judge_restart(struct judge *j, int64_t time);

/* As of the last sample. The same until the next one. */
const struct verdict *judge_verdict(const struct judge *j);
