#include "core/bucket.h"

#include "base/clock.h"

void bucket_begin(struct bucket *b, uint64_t rate, uint64_t burst, int64_t now)
{
    *b = (struct bucket){.rate = rate, .burst = burst ? burst : rate, .at = now};
    b->level = (int64_t)b->burst;
}

/* Only whole bytes, and the time that they stand for: what is left of it counts the next time. */
static void fill(struct bucket *b, int64_t now)
{
    __int128 bytes = (__int128)b->rate * (now - b->at) / SECOND;
    if (bytes <= 0)
        return;
    if (bytes >= (__int128)b->burst - b->level) {
        b->level = (int64_t)b->burst;
        b->at = now;
        return;
    }
    b->level += (int64_t)bytes;
    b->at += (int64_t)(bytes * SECOND / b->rate);
}

int64_t bucket_wait(struct bucket *b, int64_t now)
{
    if (!b->rate)
        return 0;
    fill(b, now);
    if (b->level > 0)
        return 0;
    return (int64_t)(((__int128)1 - b->level) * SECOND / b->rate) + 1 - (now - b->at);
}

void bucket_take(struct bucket *b, uint64_t bytes)
{
    if (b->rate)
        b->level -= (int64_t)bytes;
}
