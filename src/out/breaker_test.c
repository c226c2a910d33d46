#include "out/breaker.h"

#include "base/clock.h"
#include "out/retry.h"
#include "unit.h"

static const struct breaker_limits limits = {
    .enabled = true, .failures = 3, .probes = 2, .cooldown = 1 * SECOND, .max_cooldown = 5 * SECOND};

static struct breaker b;
static int64_t now;

static void begin(void)
{
    now = 1000 * SECOND;
    breaker_begin(&b, &limits, now);
}

static void one_fails(uint64_t random)
{
    uint64_t t = breaker_admit(&b, now);
    assert_true(t);
    breaker_failed(&b, t, now, -1, random);
}

static void trip(void)
{
    for (int i = 0; i < 3; i++)
        one_fails(0);
    assert_int_equal(b.state, BREAKER_OPEN);
}

static void only_failures_in_a_row_open_it(void **state)
{
    begin();
    for (int i = 0; i < 1000; i++) {
        one_fails(0);
        one_fails(0);
        breaker_succeeded(&b, breaker_admit(&b, now), now);
        assert_int_equal(b.state, BREAKER_CLOSED);
    }
    trip();
    assert_int_equal(b.opened, 1);
}

static void open_lets_nothing_through_until_it_has_cooled(void **state)
{
    begin();
    trip();
    assert_int_equal(breaker_wait(&b, now), 1 * SECOND);
    for (; now < b.until; now += 10 * MILLISECOND)
        assert_int_equal(breaker_admit(&b, now), 0);
    assert_int_equal(breaker_wait(&b, now), 0);
    assert_true(breaker_admit(&b, now));
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
}

static void half_open_lets_one_through_at_a_time(void **state)
{
    begin();
    trip();
    now = b.until;
    for (unsigned probe = 0; probe < limits.probes; probe++) {
        assert_int_equal(b.state, probe ? BREAKER_HALF_OPEN : BREAKER_OPEN);
        uint64_t t = breaker_admit(&b, now);
        assert_true(t);
        for (int i = 0; i < 100; i++)
            assert_int_equal(breaker_admit(&b, now + i * SECOND), 0);
        assert_int_equal(breaker_wait(&b, now), -1);
        breaker_succeeded(&b, t, now);
    }
    assert_int_equal(b.state, BREAKER_CLOSED);
    for (int i = 0; i < 100; i++)
        assert_true(breaker_admit(&b, now));
}

static void cooldowns_grow_to_a_bound_and_begin_anew(void **state)
{
    static const int64_t expected[] = {1, 2, 4, 5, 5, 5};
    begin();
    trip();
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(b.until - now, expected[i] * SECOND);
        now = b.until;
        one_fails(0);
        assert_int_equal(b.state, BREAKER_OPEN);
    }
    assert_int_equal(b.opened, 1);
    now = b.until;
    breaker_succeeded(&b, breaker_admit(&b, now), now);
    breaker_succeeded(&b, breaker_admit(&b, now), now);
    assert_int_equal(b.state, BREAKER_CLOSED);
    trip();
    assert_int_equal(b.until - now, 1 * SECOND);
    assert_int_equal(b.opened, 2);
}

static void cooldowns_differ_by_a_quarter_at_most(void **state)
{
    uint64_t random = 7;
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 1000; i++) {
        begin();
        one_fails(0);
        one_fails(0);
        one_fails(retry_random(&random));
        int64_t wait = b.until - now;
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, 1000 * MILLISECOND, 1010 * MILLISECOND);
    assert_in_range(most, 1240 * MILLISECOND, 1250 * MILLISECOND);
}

static void the_server_may_ask_for_more(void **state)
{
    begin();
    one_fails(0);
    one_fails(0);
    breaker_failed(&b, breaker_admit(&b, now), now, 60 * SECOND, 0);
    assert_int_equal(b.until - now, 60 * SECOND);
    now = b.until;
    breaker_failed(&b, breaker_admit(&b, now), now, 24 * HOUR, 0);
    assert_int_equal(b.until - now, RETRY_AFTER_MOST);
}

/* Ten were on their way when it opened: their answers neither close it, nor open it further, nor are they probes. */
static void what_was_sent_before_says_nothing(void **state)
{
    uint64_t early[10];
    begin();
    for (int i = 0; i < 10; i++)
        early[i] = breaker_admit(&b, now);
    for (int i = 0; i < 3; i++)
        breaker_failed(&b, early[i], now, -1, 0);
    int64_t until = b.until;
    assert_int_equal(b.state, BREAKER_OPEN);
    breaker_failed(&b, early[3], now + MILLISECOND, -1, 0);
    breaker_succeeded(&b, early[4], now + MILLISECOND);
    assert_int_equal(b.until, until);
    now = until;
    uint64_t probe = breaker_admit(&b, now);
    breaker_succeeded(&b, early[5], now);
    breaker_failed(&b, early[6], now, -1, 0);
    breaker_withdrawn(&b, early[7]);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    assert_int_equal(b.good, 0);
    assert_int_equal(breaker_admit(&b, now), 0);
    breaker_failed(&b, probe, now, -1, 0);
    assert_int_equal(b.state, BREAKER_OPEN);
}

static void a_withdrawn_probe_makes_room_for_another(void **state)
{
    begin();
    trip();
    now = b.until;
    breaker_withdrawn(&b, breaker_admit(&b, now));
    assert_true(breaker_admit(&b, now));
    assert_int_equal(breaker_admit(&b, now), 0);
}

static void when_disabled_all_go(void **state)
{
    struct breaker_limits off = limits;
    off.enabled = false;
    begin();
    breaker_begin(&b, &off, now);
    for (int i = 0; i < 1000; i++)
        one_fails(0);
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_true(breaker_admit(&b, now));
}

/* 20 slots, a server that is down for a while: how many requests it sees meanwhile, and that all slots go on afterwards. */
static void a_dead_server_sees_few_requests(void **state)
{
    enum { SLOTS = 20 };
    unsigned while_down = 0, after = 0;
    uint64_t random = 99;
    begin();
    int64_t began = now, back = now + 60 * SECOND;
    for (; now < back + 10 * SECOND; now += 10 * MILLISECOND)
        for (int i = 0; i < SLOTS; i++) {
            uint64_t t = breaker_admit(&b, now);
            if (!t)
                continue;
            if (now < back) {
                while_down++;
                breaker_failed(&b, t, now, -1, retry_random(&random));
            } else {
                after++;
                breaker_succeeded(&b, t, now);
            }
        }
    assert_in_range(while_down, 3 + 9, 3 + 3 + 60 / 5);
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_true(b.since - back <= limits.max_cooldown * 5 / 4);
    assert_true(after > SLOTS * 100);
    assert_true(b.since > began);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_failures_in_a_row_open_it),
        TEST(open_lets_nothing_through_until_it_has_cooled),
        TEST(half_open_lets_one_through_at_a_time),
        TEST(cooldowns_grow_to_a_bound_and_begin_anew),
        TEST(cooldowns_differ_by_a_quarter_at_most),
        TEST(the_server_may_ask_for_more),
        TEST(what_was_sent_before_says_nothing),
        TEST(a_withdrawn_probe_makes_room_for_another),
        TEST(when_disabled_all_go),
        TEST(a_dead_server_sees_few_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
