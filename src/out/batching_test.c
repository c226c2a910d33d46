/*
 * The controller against simulated servers: where it comes to rest, after how many requests, and how far it strays.
 */
#include "out/batching.h"

#include "base/clock.h"
#include "out/retry.h"
#include "unit.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static const struct batching_limits limits = {
    .enabled = true, .min_size = 64 * KIB, .max_size = 16 * MIB, .first_size = 64 * KIB,
    .min_delay = 50 * MILLISECOND, .max_delay = 1 * SECOND, .target_latency = 2 * SECOND};

struct server {
    double fixed, per_mib;  /* ns */
    double full, beyond;    /* beyond `full` MiB each further one takes this much */
    double noise;           /* a factor of e^(noise * normal) */
    double burst;           /* MiB; 429 for what is larger; 0: none */
};

static struct batching b;
static uint64_t random_state;

static double uniform(void)
{
    return (double)(retry_random(&random_state) >> 11) / (double)(1ull << 53);
}

static double normal(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform();
    return sum;
}

/* e^(noise * normal), without the library of mathematics for one function. */
static double noisy(double noise)
{
    double x = noise * normal(), sum = 1, term = 1;
    for (int k = 1; k < 30; k++)
        sum += term *= x / k;
    return sum;
}

static double latency_of(const struct server *s, double mib)
{
    double took = s->fixed + s->per_mib * mib;
    if (s->full > 0 && mib > s->full)
        took += s->beyond * (mib - s->full);
    return took * noisy(s->noise);
}

struct course {
    uint64_t least, most; /* of the size, over the requests looked at */
    unsigned changes, refused;
    double mean;
};

/* Sends n requests at full load. */
static struct course drive(const struct server *s, unsigned n)
{
    struct course c = {.least = UINT64_MAX};
    for (unsigned i = 0; i < n; i++) {
        uint64_t size = b.size;
        double mib = (double)size / MIB;
        if (s->burst > 0 && mib > s->burst) {
            c.refused++;
            batching_overloaded(&b, size);
        } else {
            batching_answered(&b, size, (int64_t)latency_of(s, mib));
        }
        c.changes += b.size != size;
        c.least = b.size < c.least ? b.size : c.least;
        c.most = b.size > c.most ? b.size : c.most;
        c.mean += (double)b.size / n;
        assert_in_range(b.size, limits.min_size, limits.max_size);
        assert_in_range(b.delay, limits.min_delay, limits.max_delay);
    }
    return c;
}

static void begin(uint64_t first, int64_t target)
{
    static struct batching_limits l;
    l = limits;
    l.first_size = first;
    l.target_latency = target;
    random_state = 4711;
    batching_begin(&b, &l);
}

/* Each request takes as long, whatever its size: the largest is best, and that is where it stays. */
static void fixed_latency_climbs_to_the_largest(void **state)
{
    struct server s = {.fixed = 50e6};
    begin(64 * KIB, 2 * SECOND);
    drive(&s, 10 * BATCHING_WINDOW);
    assert_int_equal(b.size, 16 * MIB);
    struct course c = drive(&s, 10000);
    assert_int_equal(c.changes, 0);
}

/* Twice the bytes take twice the time: nothing is gained. It is away from where it began in one window of 65. */
static void latency_per_byte_stays_where_it_is(void **state)
{
    struct server s = {.fixed = 0.1e6, .per_mib = 100e6};
    begin(256 * KIB, 0);
    drive(&s, 1000 * BATCHING_WINDOW);
    assert_int_equal(b.next_wait, BATCHING_WAIT_MOST);
    struct course c = drive(&s, 1000 * BATCHING_WINDOW);
    assert_int_equal(c.least, 256 * KIB);
    assert_int_equal(c.most, 512 * KIB);
    assert_in_range(c.changes, 2 * 1000 / (BATCHING_WAIT_MOST + 3), 2 * 1000 / BATCHING_WAIT_MOST + 2);
    assert_true(c.mean < 256 * KIB * 1.02);
}

/* 20 ms and 12 ms a MiB: from 2 to 4 MiB (44 to 68 ms) pays by 29 %, from 4 to 8 MiB (116 ms) by 17 %, which is too little. */
static void it_climbs_until_it_stops_paying(void **state)
{
    struct server s = {.fixed = 20e6, .per_mib = 12e6};
    begin(64 * KIB, 0);
    drive(&s, 50 * BATCHING_WINDOW);
    struct course c = drive(&s, 2000 * BATCHING_WINDOW);
    assert_int_equal(c.least, 4 * MIB);
    assert_int_equal(c.most, 8 * MIB);
    assert_true(c.mean < 4 * MIB * 1.03);
}

/* Beyond 2 MiB the server falls behind. */
static void it_stops_where_the_server_saturates(void **state)
{
    struct server s = {.fixed = 30e6, .per_mib = 1e6, .full = 2, .beyond = 60e6};
    begin(64 * KIB, 0);
    drive(&s, 50 * BATCHING_WINDOW);
    struct course c = drive(&s, 2000 * BATCHING_WINDOW);
    assert_in_range(c.least, 2 * MIB, 2 * MIB);
    assert_in_range(c.most, 2 * MIB, 4 * MIB);
    assert_true(c.mean < 2 * MIB * 1.03);
}

/* 300 ms and 100 ms a MiB with a target of 400 ms: 1 MiB. From below and from above it comes to within a tenth of it. */
static void the_target_holds(void **state)
{
    struct server s = {.fixed = 300e6, .per_mib = 100e6};
    static const uint64_t firsts[] = {64 * KIB, 16 * MIB};
    for (int i = 0; i < 2; i++) {
        begin(firsts[i], 400 * MILLISECOND);
        drive(&s, 40 * BATCHING_WINDOW);
        struct course c = drive(&s, 2000 * BATCHING_WINDOW);
        assert_true(latency_of(&s, (double)c.least / MIB) > 0.9 * 400e6);
        assert_true(latency_of(&s, (double)c.most / MIB) < 1.1 * 400e6);
        assert_true(c.changes < 2000 / 10);
    }
}

/* Latencies that differ by a factor of two around their mean: it comes to about the same place, and stays thereabouts. */
static void noise_does_not_shake_it(void **state)
{
    struct server s = {.fixed = 20e6, .per_mib = 10e6, .noise = 0.35};
    begin(64 * KIB, 0);
    drive(&s, 100 * BATCHING_WINDOW);
    struct course c = drive(&s, 5000 * BATCHING_WINDOW);
    assert_in_range(c.least, 1 * MIB, 8 * MIB);
    assert_true(c.mean > 2 * MIB && c.mean < 16 * MIB);
    assert_true(c.changes < 5000 / 5);
    struct server flat = {.fixed = 100e6, .noise = 0.35};
    begin(64 * KIB, 2 * SECOND);
    drive(&flat, 200 * BATCHING_WINDOW);
    c = drive(&flat, 1000 * BATCHING_WINDOW);
    assert_true(c.mean > 15.0 * MIB);
    struct server near = {.fixed = 300e6, .per_mib = 100e6, .noise = 0.35}; /* the mean of the noise is 1.06 */
    begin(4 * MIB, 400 * MILLISECOND);
    drive(&near, 100 * BATCHING_WINDOW);
    c = drive(&near, 5000 * BATCHING_WINDOW);
    assert_true(c.mean > 0.4 * MIB && c.mean < 1.6 * MIB);
    assert_in_range(c.most, MIB, 3 * MIB);
}

/* A server that takes bursts of 300 KiB: what it refuses becomes rare, and what is sent is what it takes. */
static void it_finds_what_the_server_takes_at_once(void **state)
{
    struct server s = {.fixed = 20e6, .burst = 300.0 / 1024};
    begin(16 * MIB, 2 * SECOND);
    struct course c = drive(&s, 6);
    assert_in_range(b.size, 150 * KIB, 300 * KIB);
    assert_int_equal(c.refused, 6);
    drive(&s, 1000 * BATCHING_WINDOW);
    c = drive(&s, 1000 * BATCHING_WINDOW);
    assert_in_range(c.refused, 1000 / (BATCHING_WAIT_MOST + 3), 1000 / BATCHING_WAIT_MOST + 1);
    assert_in_range(c.least, 128 * KIB, 300 * KIB);
}

/* Twenty that were sent together and failed together count once. */
static void a_burst_of_failures_counts_once(void **state)
{
    begin(8 * MIB, 2 * SECOND);
    for (int i = 0; i < 20; i++)
        batching_overloaded(&b, 8 * MIB);
    assert_int_equal(b.size, 4 * MIB);
    for (int i = 0; i < 20; i++)
        batching_overloaded(&b, KIB); /* not for their size */
    assert_int_equal(b.size, 4 * MIB);
}

/* Few lines: what is not full says nothing about sizes, and delays follow latency, overload and nothing else. */
static void at_low_load_delay_follows_latency(void **state)
{
    begin(1 * MIB, 2 * SECOND);
    assert_int_equal(b.delay, limits.max_delay);
    for (int i = 0; i < 100; i++)
        batching_answered(&b, 200, 200 * MICROSECOND);
    assert_int_equal(b.delay, limits.min_delay);
    for (int i = 0; i < 100; i++)
        batching_answered(&b, 200, 4 * MILLISECOND);
    assert_in_range(b.delay, 390 * MILLISECOND, 410 * MILLISECOND);
    batching_overloaded(&b, 200);
    assert_in_range(b.delay, 780 * MILLISECOND, 820 * MILLISECOND);
    for (int i = 0; i < 10; i++)
        batching_overloaded(&b, 200);
    assert_int_equal(b.delay, limits.max_delay);
    for (int i = 0; i < 100; i++)
        batching_answered(&b, 200, 4 * MILLISECOND);
    assert_in_range(b.delay, 390 * MILLISECOND, 410 * MILLISECOND);
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 10000; i++) {
        batching_answered(&b, 200, (int64_t)(4e6 * noisy(0.35)));
        least = b.delay < least ? b.delay : least;
        most = b.delay > most ? b.delay : most;
    }
    assert_in_range(least, 250 * MILLISECOND, 400 * MILLISECOND);
    assert_in_range(most, 400 * MILLISECOND, 750 * MILLISECOND);
    assert_int_equal(b.size, 1 * MIB);
}

static void when_disabled_nothing_changes(void **state)
{
    struct batching_limits off = limits;
    off.enabled = false;
    off.max_size = MIB;
    batching_begin(&b, &off);
    for (int i = 0; i < 1000; i++) {
        batching_answered(&b, MIB, 10 * SECOND);
        batching_overloaded(&b, MIB);
    }
    assert_int_equal(b.size, MIB);
    assert_int_equal(b.delay, limits.max_delay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fixed_latency_climbs_to_the_largest),
        TEST(latency_per_byte_stays_where_it_is),
        TEST(it_climbs_until_it_stops_paying),
        TEST(it_stops_where_the_server_saturates),
        TEST(the_target_holds),
        TEST(noise_does_not_shake_it),
        TEST(it_finds_what_the_server_takes_at_once),
        TEST(a_burst_of_failures_counts_once),
        TEST(at_low_load_delay_follows_latency),
        TEST(when_disabled_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
