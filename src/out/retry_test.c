#include "out/retry.h"

#include "unit.h"

static const struct retry_limits limits = {.least = 100 * MILLISECOND, .most = 10 * SECOND};

/* With the largest and the smallest of all random numbers: the bounds of each wait. */
static void waits_grow_to_a_bound(void **state)
{
    struct retry r = {0};
    int64_t bound = limits.least;
    for (int i = 0; i < 100; i++) {
        struct retry same = r;
        assert_int_equal(retry_failed(&same, &limits, false, -1, 0), limits.least);
        same = r;
        uint64_t largest = (uint64_t)(bound - limits.least);
        assert_int_equal(retry_failed(&same, &limits, false, -1, largest), bound);
        int64_t any = retry_failed(&r, &limits, false, -1, UINT64_MAX - 12345);
        assert_true(any >= limits.least && any <= bound);
        bound = 2 * bound < limits.most ? 2 * bound : limits.most;
    }
    retry_reset(&r);
    assert_int_equal(retry_failed(&r, &limits, false, -1, 987654321), limits.least);
}

static void they_are_spread_over_the_whole_range(void **state)
{
    uint64_t random = 42;
    unsigned in[4] = {0};
    for (int i = 0; i < 4000; i++) {
        struct retry r = {.failures = 50};
        int64_t d = retry_failed(&r, &limits, false, -1, retry_random(&random));
        in[(d - limits.least) * 4 / (limits.most - limits.least + 1)]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(in[i], 850, 1150);
}

static void what_a_person_must_mend_is_tried_slowly(void **state)
{
    struct retry r = {0};
    for (int i = 0; i < 20; i++)
        assert_int_equal(retry_failed(&r, &limits, true, -1, 12345678912345), limits.most);
}

static void the_server_may_ask_for_more(void **state)
{
    struct retry r = {0};
    assert_int_equal(retry_failed(&r, &limits, false, 30 * SECOND, 0), 30 * SECOND);
    assert_int_equal(retry_failed(&r, &limits, false, 0, 0), limits.least);
    assert_int_equal(retry_failed(&r, &limits, false, 48 * HOUR, 0), RETRY_AFTER_MOST);
    assert_int_equal(retry_failed(&r, &limits, true, 1 * SECOND, 0), limits.most);
}

static void it_gives_up_when_told_so(void **state)
{
    struct retry_limits few = limits;
    struct retry r = {0};
    few.max_retries = 3;
    for (int i = 0; i < 3; i++)
        assert_true(retry_failed(&r, &few, i == 1, i == 2 ? SECOND : -1, 0) > 0);
    assert_int_equal(retry_failed(&r, &few, false, 5 * SECOND, 0), RETRY_GIVE_UP);
    retry_reset(&r);
    assert_true(retry_failed(&r, &few, false, -1, 0) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(waits_grow_to_a_bound),
        TEST(they_are_spread_over_the_whole_range),
        TEST(what_a_person_must_mend_is_tried_slowly),
        TEST(the_server_may_ask_for_more),
        TEST(it_gives_up_when_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
