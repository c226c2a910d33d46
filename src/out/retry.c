#include "out/retry.h"

static int64_t ceiling(const struct retry_limits *l, unsigned failures)
{
    int64_t most = l->least;
    for (unsigned i = 0; i < failures && most < l->most; i++)
        most *= 2;
    return most < l->most ? most : l->most;
}

int64_t retry_failed(struct retry *r, const struct retry_limits *l, bool standing, int64_t after, uint64_t random)
{
    int64_t most = ceiling(l, r->failures);
    r->failures++;
    if (l->max_retries && r->failures > l->max_retries)
        return RETRY_GIVE_UP;
    int64_t delay = standing ? l->most : l->least;
    if (most > delay)
        delay += (int64_t)(random % (uint64_t)(most - delay + 1));
    if (after > RETRY_AFTER_MOST)
        after = RETRY_AFTER_MOST;
    return after > delay ? after : delay;
}
