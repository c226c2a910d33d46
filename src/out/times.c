#include "out/times.h"

#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "core/source.h"

enum { STEPS_OF_MAX_AGE = 168 }; /* an hour of a week */

const char *times_verdict_name(enum times_verdict v)
{
    static const char *const names[TIMES_VERDICTS] = {
        "fine",          "too_old_kept",    "too_old_clamped",    "too_old_dead_letter",
        "too_far_kept", "too_far_clamped", "too_far_dead_letter"};
    return names[v];
}

void times_set(struct times *t, const struct times_config *c, int64_t now)
{
    *t = (struct times){.config = c, .now = now, .oldest = INT64_MIN, .latest = INT64_MAX};
    if (c->max_age)
        t->oldest = now - c->max_age;
    if (c->max_ahead && now < INT64_MAX - c->max_ahead)
        t->latest = now + c->max_ahead;
}

static int64_t step_of_old(const struct times_config *c)
{
    int64_t step = c->max_age / STEPS_OF_MAX_AGE;
    return step > SECOND ? step : SECOND;
}

static int64_t step_of_far(const struct times_config *c)
{
    return c->max_ahead < MINUTE ? c->max_ahead : MINUTE;
}

int64_t times_hold(const struct times_config *c)
{
    return c->max_age && c->too_old == TIMES_CLAMP ? step_of_old(c) : INT64_MAX;
}

static int64_t floor_to(int64_t time, int64_t step)
{
    int64_t rest = time % step;
    return time - (rest < 0 ? rest + step : rest);
}

/* Where in a step the record lies. */
static int64_t place_in(const struct batch *b, uint32_t mark, int64_t step)
{
    const char *key = b->source->key;
    uint64_t place = b->from + (b->ordinal ? mark : b->marks[mark].off);
    return (int64_t)((XXH3_64bits(key, strlen(key)) % (uint64_t)step + place) % (uint64_t)step);
}

enum times_verdict times_judge_other(const struct times *t, const struct batch *b, uint32_t mark, int64_t *time)
{
    const struct times_config *c = t->config;
    bool old = *time < t->oldest;
    enum times_action action = old ? c->too_old : c->too_far;
    if (action == TIMES_CLAMP) {
        int64_t step = old ? step_of_old(c) : step_of_far(c);
        *time = old ? floor_to(t->oldest, step) + 2 * step : floor_to(t->now, step);
        *time += place_in(b, mark, step);
    }
    return (old ? TIMES_OLD_KEPT : TIMES_FAR_KEPT) + action;
}
