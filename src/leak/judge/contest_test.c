#include "leak/judge/contest.h"

#include <math.h>

#include "unit.h"

#define HOUR_S 3600.0

static struct windows w;
static struct contest c;
static uint32_t seed;

static double noise(void)
{
    double sum = 0;
    for (unsigned i = 0; i < 12; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += (seed >> 8) / 16777216.0;
    }
    return sum - 6;
}

/* 60 pieces of `hours`, f of the hours, with noise of sigma 1. */
static void hold(double hours, double (*f)(double hours))
{
    seed = 7;
    w = (struct windows){.n = 60, .span = hours * HOUR_S, .length = hours * HOUR_S / 60};
    for (unsigned i = 0; i < w.n; i++) {
        w.time[i] = (i + .5) * w.length;
        w.value[i] = f(w.time[i] / HOUR_S) + noise();
    }
    contest_hold(&c, &w);
}

static double level(double h)
{
    return 500;
}

static double two_steps(double h)
{
    return 40 * (h > 5) - 20 * (h > 13);
}

static double saturating(double h)
{
    return 100 * (1 - exp(-h / 3));
}

static double plateau(double h)
{
    return 100 * fmin(fmax((h - 4) / 6, 0), 1);
}

static double course(double h)
{
    return 100 * sin(2 * M_PI * (h - 5) / 24);
}

static void each_way_to_end_is_recognized(void **state)
{
    static const struct {
        double (*f)(double);
        enum contest_shape shape;
        double from, to; /* hours */
        unsigned steps;
    } cases[] = {
        {level, CONTEST_FLAT, 0, 0, 0},
        {two_steps, CONTEST_FLAT, 0, 0, 2},
        {saturating, CONTEST_SATURATING, 0, 3, 0},
        {plateau, CONTEST_PLATEAU, 4, 10, 0},
        {course, CONTEST_DAY, 0, 0, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        hold(20, cases[i].f);
        assert_int_equal(c.ends.shape, cases[i].shape);
        assert_int_equal(c.ends.steps, cases[i].steps);
        assert_true(fabs(c.ends.from / HOUR_S - cases[i].from) < .5 && fabs(c.ends.to / HOUR_S - cases[i].to) < .5);
        assert_true(c.ends.bic < c.endless.bic);
        assert_true(c.ends.sigma > .7 && c.ends.sigma < 1.3);
    }
}

static double line(double h)
{
    return 5 * h;
}

static double late(double h)
{
    return 40 * fmax(0, h - 9);
}

static double accelerating(double h)
{
    return h * h / 3;
}

static double line_with_warm_up(double h)
{
    return 5 * h + saturating(h);
}

static double line_with_pool(double h)
{
    return 5 * h + plateau(h);
}

static void each_way_to_go_on_is_recognized(void **state)
{
    static const struct {
        double (*f)(double);
        enum contest_shape shape;
        enum contest_warm_up warm_up;
        double from, rise;
    } cases[] = {
        {line, CONTEST_LINE, CONTEST_NO_WARM_UP, 0, 100},
        {late, CONTEST_LATE, CONTEST_NO_WARM_UP, 9, 440},
        {accelerating, CONTEST_ACCELERATING, CONTEST_NO_WARM_UP, 0, 400. / 3},
        {line_with_warm_up, CONTEST_LINE, CONTEST_SATURATING_WARM_UP, 0, 100},
        {line_with_pool, CONTEST_LINE, CONTEST_STRAIGHT_WARM_UP, 0, 100},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        hold(20, cases[i].f);
        assert_int_equal(c.endless.shape, cases[i].shape);
        if (cases[i].warm_up)
            assert_int_equal(c.endless.warm_up, cases[i].warm_up);
        assert_true(fabs(c.endless.from / HOUR_S - cases[i].from) < 1.5);
        assert_true(fabs(c.endless.rise / cases[i].rise - 1) < .15);
        assert_true(c.endless.bic < c.ends.bic - 20);
    }
}

static double daily_line(double h)
{
    return 5 * h + 3 * course(h);
}

static double days(double h)
{
    return 3 * course(h);
}

static void a_day_is_taken_off_once_it_is_known(void **state)
{
    hold(40, daily_line);
    assert_true(c.endless.bic < c.ends.bic - 8);
    assert_true(fabs(c.endless.rise - 200) < 10);
    hold(40, days);
    assert_true(c.ends.bic < c.endless.bic);
}

static double warm_up_and_day(double h)
{
    return 100 * (1 - exp(-h)) + 40 * sin(2 * M_PI * (h - 14) / 24);
}

/* As long as no day is known it may be one, on top of what has ended. */
static void a_warm_up_and_half_a_day_look_like_growth(void **state)
{
    hold(17, warm_up_and_day);
    assert_true(c.classes[CONTEST_COURSE_ON_TOP].bic < c.endless.bic);
    hold(17, line_with_warm_up);
    assert_true(c.classes[CONTEST_COURSE_ON_TOP].bic > c.endless.bic + 8);
}

/* Nothing to divide by, nothing that is new. */
static void what_is_exact_or_tiny_is_no_trouble(void **state)
{
    seed = 1;
    for (unsigned n = 1; n < 10; n++) {
        w = (struct windows){.n = n, .span = n * 60, .length = 60};
        for (unsigned i = 0; i < n; i++) {
            w.time[i] = (i + .5) * 60;
            w.value[i] = 0;
        }
        contest_hold(&c, &w);
        assert_false(isnan(c.ends.bic) || isnan(c.endless.bic));
        for (unsigned i = 0; i < n; i++)
            w.value[i] = 1e15 * i;
        contest_hold(&c, &w);
        assert_false(isnan(c.ends.bic) || isnan(c.endless.bic));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_way_to_end_is_recognized),
        TEST(each_way_to_go_on_is_recognized),
        TEST(a_day_is_taken_off_once_it_is_known),
        TEST(a_warm_up_and_half_a_day_look_like_growth),
        TEST(what_is_exact_or_tiny_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
