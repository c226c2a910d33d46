#include "leak/judge/alarm.h"

#include "base/clock.h"
#include "unit.h"

static const struct alarm_settings settings = {.hold = 2 * MINUTE, .clear = 5 * MINUTE, .cooldown = 30 * MINUTE};

/* Minute by minute, one letter each: '.' none, w, h, c. What happened, in the same way: '.', R(aised), W(orse), r(esolved). */
static void step_through(const struct alarm_settings *s, const char *severities, const char *expected)
{
    struct alarm a = {0};
    char events[256] = "";
    for (unsigned i = 0; severities[i]; i++) {
        enum leak_severity severity = (enum leak_severity)(strchr(".whc", severities[i]) - ".whc");
        events[i] = ".RWr"[alarm_step(&a, s, (i + 1) * MINUTE, severity)];
    }
    assert_string_equal(events, expected);
}

static void it_is_raised_once_what_is_bad_has_lasted(void **state)
{
    step_through(&settings, "..wwwww", "....R..");
    step_through(&settings, "w.w.w.w", ".......");
    step_through(&alarm_defaults, ".wwwwww", ".R.....");
}

static void worse_is_said_and_better_is_not(void **state)
{
    step_through(&settings, "wwwhhhhccccwwwwhhhccc", "..R..W...W...........");
    /* A moment of worse is no worse. */
    step_through(&settings, "wwwhhwwhwww", "..R........");
}

static void what_goes_up_and_down_is_one_alarm(void **state)
{
    step_through(&settings, "www.w..ww...w....w.", "..R................");
    step_through(&settings, "www......", "..R.....r");
}

static void the_cooldown_delays_the_next_alarm_but_not_a_worse_one(void **state)
{
    step_through(&settings, "www......wwwwwwwwwwwwwwwwwwwwwwwwwww", "..R.....r.......................R...");
    step_through(&settings, "www......wwwwcccc", "..R.....r......R.");
    /* What was over before the cooldown was is not raised at all. */
    step_through(&settings, "www......wwwww......................", "..R.....r...........................");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_raised_once_what_is_bad_has_lasted),
        TEST(worse_is_said_and_better_is_not),
        TEST(what_goes_up_and_down_is_one_alarm),
        TEST(the_cooldown_delays_the_next_alarm_but_not_a_worse_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
