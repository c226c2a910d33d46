#include "core/letters/letters_alert.h"

#include "base/clock.h"
#include "unit.h"

static void it_is_raised_by_the_rate_and_over_at_half_of_it(void **state)
{
    struct letters_alert a = {.rate = 10};
    int64_t now = 1000 * MINUTE;
    letters_alert_came(&a, now, 9);
    assert_false(letters_alert_judge(&a, now, 9));
    letters_alert_came(&a, now + 30 * SECOND, 1);
    assert_true(letters_alert_judge(&a, now + 30 * SECOND, 10));
    assert_true(a.raised);
    assert_false(letters_alert_judge(&a, now + 30 * SECOND, 10)); /* said once */
    /* After a minute the first nine are out, and one is below half. */
    assert_true(letters_alert_judge(&a, now + 65 * SECOND, 10));
    assert_false(a.raised);
}

static void it_does_not_flap_between_half_and_the_limit(void **state)
{
    struct letters_alert a = {.rate = 10};
    int64_t now = 7 * MINUTE;
    letters_alert_came(&a, now, 12);
    assert_true(letters_alert_judge(&a, now, 12));
    for (int i = 1; i <= 20; i++) {
        letters_alert_came(&a, now + i * 10 * SECOND, 1); /* six a minute */
        assert_false(letters_alert_judge(&a, now + i * 10 * SECOND, 12));
    }
    assert_true(a.raised);
}

static void it_is_raised_by_the_total(void **state)
{
    struct letters_alert a = {.total = 100};
    assert_false(letters_alert_judge(&a, SECOND, 99));
    assert_true(letters_alert_judge(&a, SECOND, 100));
    assert_false(letters_alert_judge(&a, SECOND, 90));
    assert_true(letters_alert_judge(&a, SECOND, 89));
    assert_false(a.raised);
}

static void without_limits_it_stays_silent(void **state)
{
    struct letters_alert a = {0};
    letters_alert_came(&a, SECOND, 1000000);
    assert_false(letters_alert_judge(&a, SECOND, 1000000));
}

static void a_long_silence_and_a_clock_at_zero_are_all_right(void **state)
{
    struct letters_alert a = {.rate = 5};
    letters_alert_came(&a, 0, 5);
    assert_true(letters_alert_judge(&a, 0, 5));
    assert_int_equal(letters_alert_in_a_minute(&a, 100 * 24 * HOUR), 0);
    assert_true(letters_alert_judge(&a, 100 * 24 * HOUR, 5));
    assert_false(a.raised);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_raised_by_the_rate_and_over_at_half_of_it),
        TEST(it_does_not_flap_between_half_and_the_limit),
        TEST(it_is_raised_by_the_total),
        TEST(without_limits_it_stays_silent),
        TEST(a_long_silence_and_a_clock_at_zero_are_all_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
