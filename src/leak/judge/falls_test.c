#include "leak/judge/falls.h"

#include <math.h>

#include "base/clock.h"
#include "unit.h"

static struct trace trace;
static struct falls falls;

static void find(double hours, double (*f)(double hours))
{
    uint32_t seed = 5;
    trace_begin(&trace);
    for (int64_t t = 0; t < (int64_t)(hours * HOUR); t += 30 * SECOND) {
        seed = seed * 1664525u + 1013904223u;
        trace_add(&trace, HOUR + t, f((double)t / HOUR) + (double)(seed >> 16) / 6553.6);
    }
    falls_find(&falls, &trace);
}

static double hours_of(unsigned cell)
{
    return (double)(cell * trace.length) / HOUR;
}

static double level(double h)
{
    return 100;
}

static double restarted(double h)
{
    return 100 + 10 * (h < 17 ? h : h - 17);
}

static double bursts(double h)
{
    return 100 + 300 * (fmod(h, 5) < .5);
}

static double teeth(double h)
{
    return 100 + 50 * fmod(h, 2);
}

static double evenings(double h)
{
    return 100 + 50 * (fmod(h, 24) < 10);
}

static double courses(double h)
{
    return 100 + 200 * sin(2 * M_PI * h / 24);
}

static void a_restart_is_found(void **state)
{
    find(30, restarted);
    assert_int_equal(falls.n, 1);
    assert_false(falls.teeth);
    assert_true(fabs(hours_of(falls.life) - 17) < .6);
}

static void what_falls_back_is_no_restart(void **state)
{
    static double (*const others[])(double) = {level, bursts, courses};
    for (unsigned i = 0; i < 3; i++) {
        find(72, others[i]);
        assert_int_equal(falls.life, 0);
        assert_false(falls.teeth);
    }
    find(96, evenings);
    assert_int_equal(falls.life, 0);
}

static void many_falls_are_teeth(void **state)
{
    find(30, teeth);
    assert_true(falls.teeth && falls.n >= 13 && falls.n <= 15);
    assert_int_equal(falls.life, 0);
    for (unsigned i = 0; i < falls.n; i++)
        assert_true(fabs(remainder(hours_of(falls.at[i]), 2)) < .5);
}

static void little_is_no_trouble(void **state)
{
    for (unsigned minutes = 0; minutes < 12; minutes++) {
        find(minutes / 60., restarted);
        assert_int_equal(falls.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_restart_is_found),
        TEST(what_falls_back_is_no_restart),
        TEST(many_falls_are_teeth),
        TEST(little_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
