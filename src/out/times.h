/*
 * times: what becomes of a record whose time its server would refuse, as too old or too far ahead. Pure: the configuration
 * (struct times_config), the clock and the record's place are arguments.
 *
 * A clamped time is made of two parts, so that it is the same when the record is sent again, and another for each record:
 *   - a whole step of the clock. For what is too old one to two hours within the limit (a 168th of max_age for others than
 *     7 days, at least a second), so that it does not become too old while it waits; for what is too far ahead the minute of now
 *     (or max_ahead, if that is less)
 *   - within the step, nanoseconds from the record's place in its source and from the source's name
 * So equal lines of a source stay two, a source's order is kept within a step, and a record that is sent again, also
 * by another process, has the same time as long as the clock is in the same step; afterwards it is stored once more.
 */
#pragma once

#include "config/config.h"
#include "core/batch.h"

enum times_verdict {
    TIMES_FINE,
    TIMES_OLD_KEPT, /* the order of enum times_action */
    TIMES_OLD_CLAMPED,
    TIMES_OLD_DEAD,
    TIMES_FAR_KEPT,
    TIMES_FAR_CLAMPED,
    TIMES_FAR_DEAD,
    TIMES_VERDICTS
};
const char *times_verdict_name(enum times_verdict v); /* "too_old_clamped" */

/* What must be known to judge: made once for a request, so that all of its times are judged at one moment. */
struct times {
    const struct times_config *config;
    int64_t now; /* clock_real() */
    int64_t oldest, latest; /* that are fine */
};

void times_set(struct times *t, const struct times_config *config, int64_t now);
/* How long a judgement holds: what waited longer is to be judged again. ns; INT64_MAX: for ever. */
int64_t times_hold(const struct times_config *c);

enum times_verdict times_judge_other(const struct times *t, const struct batch *b, uint32_t mark, int64_t *time);
/* The record at `mark`; *time is what it is to have. */
static inline enum times_verdict times_judge(const struct times *t, const struct batch *b, uint32_t mark, int64_t *time)
{
    *time = b->marks[mark].time;
    if (__builtin_expect(*time >= t->oldest && *time <= t->latest, 1))
        return TIMES_FINE;
    return times_judge_other(t, b, mark, time);
}
