#include "core/latency.h"

#include <math.h>

/* The doubling, and which quarter of it: the two bits behind the highest one. */
static unsigned bucket_of(uint64_t us)
{
    if (us < 4)
        return (unsigned)us;
    unsigned top = 63 - (unsigned)__builtin_clzll(us);
    unsigned bucket = 4 * (top - 1) + (unsigned)(us >> (top - 2) & 3);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The most that a value of the bucket is. */
static double end_of(unsigned bucket)
{
    return bucket < 4 ? bucket : ldexp(5 + bucket % 4, (int)(bucket / 4) - 1);
}

void latency_add(struct latency *l, uint64_t microseconds)
{
    atomic_fetch_add_explicit(&l->counts[bucket_of(microseconds)], 1, memory_order_relaxed);
}

void recent_update(struct recent *r, const struct latency *l, float kept)
{
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        uint32_t now = atomic_load_explicit(&l->counts[i], memory_order_relaxed);
        r->weights[i] = r->weights[i] * kept + (float)(now - r->seen[i]);
        r->seen[i] = now;
    }
}

double recent_quantile(const struct recent *r, double part)
{
    double all = 0, sum = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        all += (double)r->weights[i];
    for (unsigned i = 0; i < LATENCY_BUCKETS && all > 0; i++) {
        sum += (double)r->weights[i];
        if (sum >= all * part && r->weights[i] > 0)
            return end_of(i);
    }
    return -1;
}
