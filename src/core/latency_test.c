#include "core/latency.h"

#include <string.h>

#include "unit.h"

static void quantiles_are_right_to_a_quarter(void **state)
{
    static struct latency l;
    static struct recent r;
    for (uint64_t us = 0; us < 100000; us++)
        latency_add(&l, us);
    recent_update(&r, &l, 1);
    for (int percent = 1; percent <= 100; percent++) {
        double got = recent_quantile(&r, percent / 100.0), right = percent * 1000.0;
        if (got < right * 0.99 || got > right * 1.26)
            fail_msg("%d %%: %g instead of %g", percent, got, right);
    }
}

static void what_is_long_ago_is_forgotten(void **state)
{
    static struct latency l;
    static struct recent r;
    assert_true(recent_quantile(&r, 0.5) < 0);
    for (int i = 0; i < 1000; i++)
        latency_add(&l, 5000000);
    recent_update(&r, &l, 0.9f);
    assert_true(recent_quantile(&r, 0.5) >= 5000000);
    for (int second = 0; second < 60; second++) {
        for (int i = 0; i < 10; i++)
            latency_add(&l, 1000);
        recent_update(&r, &l, 0.9f);
    }
    assert_true(recent_quantile(&r, 0.5) < 1300);
    assert_true(recent_quantile(&r, 0.9) < 1300);
}

static void the_longest_is_in_the_last_bucket(void **state)
{
    static struct latency l;
    static struct recent r;
    latency_add(&l, UINT64_MAX);
    latency_add(&l, 0);
    recent_update(&r, &l, 1);
    assert_true(recent_quantile(&r, 0.25) == 0);
    assert_true(recent_quantile(&r, 1) > 6e7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(quantiles_are_right_to_a_quarter),
        TEST(what_is_long_ago_is_forgotten),
        TEST(the_longest_is_in_the_last_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
