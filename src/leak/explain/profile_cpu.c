#include "leak/explain/profile_cpu.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/ticks.h"

static const int64_t period = 10 * MILLISECOND, take_each = 100 * MILLISECOND;

static const struct profile_sort sort = {
    .name = "profile",
    .values = {{"samples", "count"}, {"cpu", "nanoseconds"}},
    .n_values = 2,
    .first_value = 1,
    .period = {"cpu", "nanoseconds"},
};

bool profile_wait(int64_t span, int cancel)
{
    struct pollfd fd = {cancel, POLLIN, 0};
    int64_t end = clock_mono() + span, left;
    while ((left = end - clock_mono()) > 0)
        if (poll(&fd, 1, (int)(left < SECOND ? left / MILLISECOND + 1 : 1000)) > 0)
            return false;
    return true;
}

static void take(struct profile *p)
{
    const int64_t values[PROFILE_VALUES] = {1, period};
    struct tick tick;
    while (ticks_take(&tick))
        profile_add(p, tick.frames, tick.n, NULL, values, NULL, 0);
}

int profile_cpu(struct profile *p, struct scope *owner, int64_t span, int cancel)
{
    struct ticks ticks;
    int r = profile_begin(p, owner, &sort);
    if (r < 0)
        return r;
    p->period = period;
    int64_t begun = clock_mono(), found = begun;
    r = ticks_begin(&ticks, &p->scope, period);
    for (int64_t now = begun; r == 0 && now < begun + span; now = clock_mono()) {
        int64_t left = begun + span - now;
        if (!profile_wait(left < take_each ? left : take_each, cancel))
            r = -ECANCELED;
        take(p);
        if (now - found >= SECOND && r == 0) {
            found = now;
            (void)ticks_find(&ticks, &p->scope); /* a thread that cannot be measured is left out */
        }
    }
    if (r == 0) {
        p->left_out += ticks_missed();
        p->duration = clock_mono() - begun;
    }
    ticks_end(&ticks);
    if (r < 0)
        profile_end(p);
    return r;
}
