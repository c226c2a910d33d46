#include "out/batching.h"

enum { LATENCY_OVER = 8, STRETCH_MOST = 64 };
static const double TOLERANCE = 1.1; /* of the target: what is less is noise */

static double clamp(double v, double least, double most)
{
    return v < least ? least : v > most ? most : v;
}

static void set_size(struct batching *b, double size)
{
    b->size = (uint64_t)clamp(size, (double)b->limits->min_size, (double)b->limits->max_size);
}

static void set_delay(struct batching *b)
{
    const struct batching_limits *l = b->limits;
    if (b->latency > 0)
        b->delay = (int64_t)clamp(BATCHING_REST * b->latency * b->stretch, (double)l->min_delay, (double)l->max_delay);
}

void batching_begin(struct batching *b, const struct batching_limits *l)
{
    *b = (struct batching){.limits = l, .size = l->max_size, .delay = l->max_delay, .stretch = 1,
                           .next_wait = BATCHING_WAIT_LEAST};
    if (l->enabled)
        set_size(b, (double)l->first_size);
}

static void clear_window(struct batching *b)
{
    b->n = 0;
    b->bytes = 0;
    b->took = 0;
}

static void wait_longer(struct batching *b)
{
    b->wait = b->next_wait;
    b->next_wait = b->next_wait < BATCHING_WAIT_MOST / 2 ? 2 * b->next_wait : BATCHING_WAIT_MOST;
    b->before = 0;
}

/* What a larger size brought, in comparison with what it should have. */
static bool paid(const struct batching *b, double rate)
{
    double grew = (double)b->size / (double)b->before - 1;
    return rate >= b->rate_before * (1 + BATCHING_PAYS * grew);
}

static void try_larger(struct batching *b, double latency, double rate)
{
    double target = (double)b->limits->target_latency, times = 2;
    if (target > 0 && latency * times > target)
        times = target / latency;
    if (times < TOLERANCE || b->size >= b->limits->max_size)
        return;
    b->before = b->size;
    b->rate_before = rate;
    set_size(b, (double)b->size * times);
}

static void judge_window(struct batching *b)
{
    double latency = (double)b->took / b->n, rate = (double)b->bytes / (double)b->took;
    double target = (double)b->limits->target_latency;
    clear_window(b);
    if (target > 0 && latency > TOLERANCE * target) {
        set_size(b, (double)b->size * clamp(target / latency, 0.5, 1));
        wait_longer(b);
        return;
    }
    if (b->before && !paid(b, rate)) {
        b->size = b->before;
        wait_longer(b);
        return;
    }
    if (b->before)
        b->next_wait = BATCHING_WAIT_LEAST;
    b->before = 0;
    if (b->wait)
        b->wait--;
    else
        try_larger(b, latency, rate);
}

void batching_answered(struct batching *b, uint64_t bytes, int64_t took)
{
    if (!b->limits->enabled)
        return;
    if (took < 1)
        took = 1;
    b->latency += b->latency > 0 ? ((double)took - b->latency) / LATENCY_OVER : (double)took;
    b->stretch += (1 - b->stretch) / LATENCY_OVER;
    set_delay(b);
    if (bytes < b->size / 2)
        return;
    b->n++;
    b->bytes += bytes;
    b->took += took;
    if (b->n >= BATCHING_WINDOW)
        judge_window(b);
}

void batching_overloaded(struct batching *b, uint64_t bytes)
{
    if (!b->limits->enabled)
        return;
    b->stretch = clamp(2 * b->stretch, 1, STRETCH_MOST);
    b->delay = (int64_t)clamp(2 * (double)b->delay, (double)b->limits->min_delay, (double)b->limits->max_delay);
    set_delay(b);
    if (bytes < b->size / 2 || bytes > batching_most(b))
        return;
    clear_window(b);
    set_size(b, (double)b->size / 2);
    wait_longer(b);
}
