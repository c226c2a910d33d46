#include "leak/judge/judge.h"

#include <math.h>

#include "base/clock.h"
#include "leak/judge/alarm.h"
#include "unit.h"

#define BEGIN (INT64_C(1700000000) * SECOND)
#define STEP (30 * SECOND)

static struct judge judge;
static struct alarm alarm_;
static unsigned alerts;
static uint32_t seed;

static double noise(void)
{
    double sum = 0;
    for (unsigned i = 0; i < 12; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += (seed >> 8) / 16777216.0;
    }
    return sum - 6; /* nearly Gaussian, sigma 1 */
}

static void begin(const struct judge_settings *settings)
{
    judge_begin(&judge, settings);
    alarm_ = (struct alarm){0};
    alerts = 0;
    seed = 1;
}

/* f: of the hours since the begin. */
static const struct verdict *feed(double from, double to, double (*f)(double hours))
{
    for (int64_t t = (int64_t)(from * HOUR); t < (int64_t)(to * HOUR); t += STEP) {
        assert_true(judge_add(&judge, BEGIN + t, f((double)t / HOUR), 0));
        enum alarm_event e = alarm_step(&alarm_, &alarm_defaults, BEGIN + t, judge_verdict(&judge)->severity);
        alerts += e == ALARM_RAISED || e == ALARM_WORSE;
    }
    return judge_verdict(&judge);
}

static double flat(double h)
{
    return 1000 + 10 * noise();
}

static double wander(double h)
{
    static double ar;
    ar = .99 * ar + .141 * 30 * noise();
    return 1000 + ar;
}

static double warm_up(double h)
{
    return flat(h) + 600 * (1 - exp(-h / 2));
}

static double pool(double h)
{
    return flat(h) + 500 * fmin(h / 4, 1);
}

static double steps(double h)
{
    return flat(h) + 200 * (h > 3) + 100 * (h > 20) + 150 * (h > 31);
}

static double day(double h)
{
    return flat(h) + 300 * sin(2 * M_PI * (h - 3) / 24);
}

static double bursts(double h)
{
    return flat(h) + (fmod(h * 1.37, 1) < .15 ? 800 : 0);
}

static double teeth(double h)
{
    return flat(h) + 400 * fmod(h, .8);
}

static void what_ends_is_no_leak(void **state)
{
    static double (*const clean[])(double) = {flat, wander, warm_up, pool, steps, day, bursts, teeth};
    for (unsigned i = 0; i < sizeof clean / sizeof *clean; i++) {
        begin(&judge_defaults);
        const struct verdict *v = feed(0, 48, clean[i]);
        if (v->state != LEAK_STEADY || v->severity != LEAK_NONE || alerts)
            fail_msg("clean series %u: %s, %u alerts", i, leak_state_name(v->state), alerts);
    }
}

static double line(double h)
{
    return flat(h) + 10 * h;
}

static double late(double h)
{
    return flat(h) + 25 * fmax(0, h - 28);
}

static double accelerating(double h)
{
    return flat(h) + .3 * h * h;
}

static double stairs(double h)
{
    return flat(h) + 60 * floor(h / 4);
}

static double busy_hours(double h)
{
    return flat(h) + 200 * (floor(h / 24) + fmin(fmod(h, 24) / 8, 1));
}

static double line_after_warm_up(double h)
{
    return warm_up(h) + 10 * h;
}

static double line_in_days(double h)
{
    return day(h) + 10 * h;
}

static double line_under_bursts(double h)
{
    return bursts(h) + 10 * h;
}

static double line_of_teeth(double h)
{
    return teeth(h) + 10 * h;
}

static double line_over_steps(double h)
{
    return steps(h) + 10 * h;
}

/* Fewer teeth than would tell a trend by their floors. */
static double wide_teeth(double h)
{
    return flat(h) + 300 * fmod(h, 1.8);
}

static double line_of_wide_teeth(double h)
{
    return wide_teeth(h) + 40 * h;
}

static void few_teeth_hide_no_leak(void **state)
{
    for (unsigned k = 0; k < 10; k++) {
        begin(&judge_defaults);
        seed = k + 1;
        assert_int_equal(feed(0, 9, line_of_wide_teeth)->state, LEAK_LEAKING);
        begin(&judge_defaults);
        seed = k + 1;
        for (double h = 0; h < 9; h += .5)
            assert_int_not_equal(feed(h, h + .5, wide_teeth)->state, LEAK_LEAKING);
    }
}

static void what_does_not_end_is_one(void **state)
{
    static double (*const leaks[])(double) = {line,       late,         accelerating,      stairs,        busy_hours, line_after_warm_up,
                                              line_in_days, line_under_bursts, line_of_teeth, line_over_steps};
    for (unsigned i = 0; i < sizeof leaks / sizeof *leaks; i++) {
        begin(&judge_defaults);
        const struct verdict *v = feed(0, 60, leaks[i]);
        if (v->state != LEAK_LEAKING || v->severity == LEAK_NONE || !alerts)
            fail_msg("leak %u: %s, %u alerts", i, leak_state_name(v->state), alerts);
    }
}

static void the_verdict_says_how_fast_since_when_and_how_long(void **state)
{
    struct judge_settings s = judge_defaults;
    s.limit = 2000;
    begin(&s);
    const struct verdict *v = feed(0, 40, late);
    assert_int_equal(v->state, LEAK_LEAKING);
    double since = (double)(v->since - BEGIN) / HOUR;
    assert_true(since > 27 && since < 30);
    assert_true(v->slope > 23. / 60 && v->slope < 27. / 60 && v->slope_low < v->slope && v->slope < v->slope_high);
    assert_true(v->slope_low <= 25. / 60 && v->slope_high >= 25. / 60);
    /* 1300 of 2000, 25 an hour. */
    assert_true(v->limit_in > 25 * 3600 && v->limit_in < 31 * 3600);
    assert_true(v->confidence > .9);
    assert_non_null(strstr(v->reason, "no step, warm-up, pool or daily cycle explains it"));
}

/* Six hours of the rising side of a day. */
static double morning(double h)
{
    return flat(h) + 300 * sin(2 * M_PI * (h - 4) / 24);
}

static void half_a_day_proves_nothing(void **state)
{
    begin(&judge_defaults);
    const struct verdict *v = feed(0, 7, morning);
    assert_int_equal(alerts, 0);
    assert_true(v->state != LEAK_LEAKING);
}

static double paused(double h)
{
    return line(h < 30 ? h : 30);
}

/* One look that sees growth end does not clear what was proven for a day; but what stays so does. */
static void an_old_leak_that_pauses_is_doubted_first(void **state)
{
    begin(&judge_defaults);
    assert_int_equal(feed(0, 30, paused)->state, LEAK_LEAKING);
    for (double h = 30; h < 33; h += .5)
        assert_int_equal(feed(h, h + .5, paused)->state, LEAK_LEAKING);
    const struct verdict *v = feed(33, 75, paused);
    assert_int_equal(v->state, LEAK_STEADY);
    assert_int_equal(v->severity, LEAK_NONE);
    assert_int_equal(alerts, 1);
}

static double steep(double h)
{
    return flat(h) + 100 * h;
}

/* Most of what grows from the start on ends within a day: an alert waits, unless the limit does not. */
static void an_alert_waits_while_the_limit_is_far(void **state)
{
    struct judge_settings s = judge_defaults;
    begin(&s);
    assert_int_equal(feed(0, 12, line)->state, LEAK_LEAKING);
    assert_int_equal(alerts, 0);
    assert_int_not_equal(feed(12, 24, line)->severity, LEAK_NONE);
    assert_int_equal(alerts, 1);
    s.limit = 1200;
    begin(&s);
    assert_int_not_equal(feed(0, 12, line)->severity, LEAK_NONE);
    assert_int_equal(alerts, 1);
    s.limit = 2000;
    begin(&s);
    const struct verdict *v = feed(0, 6, steep);
    assert_int_equal(v->state, LEAK_LEAKING);
    assert_int_not_equal(v->severity, LEAK_NONE);
    assert_int_equal(alerts, 1);
    s.limit = 4000;
    begin(&s);
    feed(0, 12, line);
    assert_int_equal(alerts, 0);
}

/* Descriptors, of which 1200 are possible: from 100 on 25 a minute more, after a quiet time or from the start. */
static double runs_out(double h)
{
    return round(100 + fabs(2 * noise()) + 60 * 25 * fmax(0, h - 5));
}

static double runs_out_from_the_start(double h)
{
    return runs_out(h + 5);
}

/* Who runs out within the hour is told, though whether that ends cannot be known; and nobody else is. */
static void a_near_limit_is_said_without_a_proof(void **state)
{
    struct judge_settings s = judge_defaults;
    for (unsigned i = 0; i < 2; i++) { /* totals have no trend */
        s.limit = 1200;
        s.trend = !i;
        begin(&s);
        assert_int_equal(feed(0, 5.1, runs_out)->severity, LEAK_NONE);
        const struct verdict *v = feed(5.1, 5 + 26 / 60., runs_out);
        assert_int_equal(v->state, LEAK_GROWING);
        assert_int_equal(v->severity, LEAK_HIGH);
        assert_int_equal(v->rule, LEAK_BY_TIME_LEFT);
        assert_true(v->limit_in > 16 * 60 && v->limit_in < 20 * 60 && v->slope > 24 && v->slope < 26);
        assert_non_null(strstr(v->reason, "if that goes on, the limit of 1200 is reached in 1"));
        assert_int_equal(alerts, 1);
        assert_int_equal(feed(5 + 26 / 60., 5 + 31 / 60., runs_out)->severity, LEAK_CRITICAL);
        begin(&s);
        assert_int_equal(feed(0, 33 / 60., runs_out_from_the_start)->rule, LEAK_BY_TIME_LEFT);
        s.limit = 0;
        begin(&s);
        assert_int_equal(feed(0, 5 + 35 / 60., runs_out)->severity, LEAK_NONE);
        assert_int_equal(alerts, 0);
    }
}

static double half_way(double h)
{
    return flat(h) + 450 * fmin(fmax(h - 10, 0) / .5, 1);
}

/* Growth by less than half of what is left, to where it was before, or that slows down. */
static void a_limit_that_is_not_met_is_no_alert(void **state)
{
    static double (*const clean[])(double) = {flat, wander, warm_up, pool, day, teeth, half_way};
    static const double limits[] = {1100, 1300, 2000, 2200, 1600, 1500, 2000};
    for (unsigned i = 0; i < sizeof clean / sizeof *clean; i++) {
        struct judge_settings s = judge_defaults;
        s.limit = limits[i];
        begin(&s);
        feed(0, 30, clean[i]);
        if (alerts)
            fail_msg("clean series %u: %s, %u alerts: %s", i, leak_state_name(judge_verdict(&judge)->state), alerts,
                     judge_verdict(&judge)->reason);
    }
}

static double restarted(double h)
{
    return line(h < 30 ? h : h - 30);
}

static void a_restart_hides_no_leak(void **state)
{
    begin(&judge_defaults);
    assert_int_equal(feed(0, 29.9, restarted)->state, LEAK_LEAKING);
    /* The new life says nothing yet. */
    assert_int_equal(feed(29.9, 32, restarted)->state, LEAK_LEAKING);
    assert_int_equal(feed(32, 60, restarted)->state, LEAK_LEAKING);
    assert_int_equal(alerts, 1);
}

static double repaired(double h)
{
    return h < 30 ? line(h) : flat(h);
}

static void a_new_life_that_does_not_leak_clears_it(void **state)
{
    begin(&judge_defaults);
    assert_int_equal(feed(0, 30, repaired)->state, LEAK_LEAKING);
    const struct verdict *v = feed(30, 60, repaired);
    assert_int_equal(v->state, LEAK_STEADY);
    assert_int_equal(v->severity, LEAK_NONE);
    /* Also when it is told. */
    begin(&judge_defaults);
    feed(0, 30, repaired);
    judge_restart(&judge, BEGIN + 30 * HOUR);
    assert_int_equal(feed(30.01, 30.3, repaired)->state, LEAK_LEAKING);
    assert_int_equal(feed(30.3, 60, repaired)->state, LEAK_STEADY);
}

static void gaps_are_no_matter(void **state)
{
    begin(&judge_defaults);
    feed(0, 10, line);
    feed(14, 20, line);
    const struct verdict *v = feed(21.5, 40, line);
    assert_int_equal(v->state, LEAK_LEAKING);
    assert_true(v->slope > 9.5 / 60 && v->slope < 10.5 / 60);
    begin(&judge_defaults);
    feed(0, 10, flat);
    assert_int_equal(feed(30, 40, flat)->state, LEAK_STEADY);
}

static void what_is_no_sample_is_not_taken(void **state)
{
    begin(&judge_defaults);
    assert_true(judge_add(&judge, 0, 1, 0));
    assert_false(judge_add(&judge, 0, 1, 0));
    assert_true(judge_add(&judge, 10, 1, 0));
    assert_false(judge_add(&judge, 9, 1, 0));
    assert_false(judge_add(&judge, -5, 1, 0));
    assert_false(judge_add(&judge, 11, NAN, 0));
    assert_false(judge_add(&judge, 11, 1, INFINITY));
    assert_true(judge_add(&judge, INT64_C(9000000000) * SECOND, 1e300, 0));
    assert_int_equal(judge_verdict(&judge)->state, LEAK_UNDETERMINED);
}

/* ---- thresholds ---- */

static struct judge_settings thresholds(void)
{
    struct judge_settings s = judge_defaults;
    s.trend = false;
    s.increase = 100;
    s.warn = 1500;
    s.max = 2000;
    return s;
}

static double expected_now, value_now;

static const struct verdict *at(double hours, unsigned samples)
{
    for (unsigned i = 0; i < samples; i++)
        assert_true(judge_add(&judge, BEGIN + (int64_t)(hours * HOUR) + i * STEP, value_now, expected_now));
    return judge_verdict(&judge);
}

static void an_increase_over_the_baseline_has_three_severities(void **state)
{
    struct judge_settings s = thresholds();
    begin(&s);
    value_now = 50, expected_now = 20;
    const struct verdict *v = at(0, 20);
    assert_int_equal(v->severity, LEAK_NONE);
    assert_true(v->has_baseline && v->baseline == 30);
    value_now = 50 + 99;
    assert_int_equal(at(1, 5)->severity, LEAK_NONE);
    value_now = 50 + 101;
    v = at(2, 5);
    assert_int_equal(v->severity, LEAK_WARNING);
    assert_int_equal(v->rule, LEAK_BY_INCREASE);
    assert_true(v->threshold == 130 && v->baseline == 30);
    value_now = 50 + 151;
    assert_int_equal(at(3, 5)->severity, LEAK_HIGH);
    value_now = 50 + 201;
    assert_int_equal(at(4, 5)->severity, LEAK_CRITICAL);
    /* 34 new containers are no leak. */
    value_now += 500, expected_now = 20 + 700;
    assert_int_equal(at(5, 5)->severity, LEAK_NONE);
}

static void the_start_is_not_compared(void **state)
{
    struct judge_settings s = thresholds();
    begin(&s);
    expected_now = 0;
    value_now = 10;
    assert_int_equal(at(0, 3)->severity, LEAK_NONE);
    value_now = 400; /* within warm_up, and before the baseline is taken */
    const struct verdict *v = at(.03, 20);
    assert_int_equal(v->severity, LEAK_NONE);
    assert_true(v->baseline == 400);
}

static void one_odd_sample_is_no_increase(void **state)
{
    struct judge_settings s = thresholds();
    begin(&s);
    expected_now = 0;
    value_now = 50;
    at(0, 30);
    value_now = 1400;
    assert_int_equal(at(1, 2)->severity, LEAK_NONE);
    assert_int_equal(at(1.1, 3)->severity, LEAK_CRITICAL);
    value_now = 0;
    at(2, 1);
    value_now = 50;
    assert_true(at(2.1, 5)->baseline == 50);
}

static void absolute_thresholds_and_the_limit_are_of_the_whole(void **state)
{
    struct judge_settings s = thresholds();
    s.increase = 0;
    s.limit = 4000;
    begin(&s);
    expected_now = 5000;
    value_now = 1500;
    assert_int_equal(at(0, 1)->severity, LEAK_WARNING);
    assert_int_equal(judge_verdict(&judge)->rule, LEAK_BY_ABSOLUTE);
    value_now = 2000;
    assert_int_equal(at(1, 1)->severity, LEAK_CRITICAL);
    assert_int_not_equal(judge_verdict(&judge)->state, LEAK_AT_LIMIT);
    value_now = 3800;
    assert_int_equal(at(2, 1)->state, LEAK_AT_LIMIT);
    assert_int_equal(judge_verdict(&judge)->rule, LEAK_BY_LIMIT);
}

static double drip(double h)
{
    return 100 + (h > 1 ? floor((h - 1) * 60 * 2) : 0);
}

static void fast_growth_is_seen_within_fifteen_samples(void **state)
{
    struct judge_settings s = judge_defaults;
    begin(&s);
    assert_int_equal(feed(0, 1, drip)->state, LEAK_STEADY);
    const struct verdict *v = feed(1, 1 + 16 * 30. / 3600, drip);
    assert_int_equal(v->state, LEAK_GROWING);
    assert_true(v->slope > 1.8 && v->slope < 2.2);
    s.rate = .5; /* percent in 30 s: it is 1 */
    begin(&s);
    feed(0, 1, drip);
    v = feed(1, 1 + 16 * 30. / 3600, drip);
    assert_int_equal(v->severity, LEAK_WARNING);
    assert_int_equal(v->rule, LEAK_BY_RATE);
}

/* In sigmas of the noise an hour, from the second hour on. */
static double sigmas_an_hour;

static double slow_drip(double h)
{
    return flat(h) + 10 * sigmas_an_hour * fmax(0, h - 1);
}

static bool is_seen_in_time(unsigned k)
{
    double far = 1 + 4 / sigmas_an_hour, sample = 30. / 3600;
    bool seen = false;
    begin(&judge_defaults);
    seed = 1000 * (k + 1);
    feed(0, far, slow_drip);
    for (unsigned i = 0; i < 15; i++)
        seen |= feed(far + i * sample, far + (i + 1) * sample, slow_drip)->state >= LEAK_GROWING;
    return seen;
}

/* 8 sigma an hour are a fifteenth each sample, 4 a thirtieth: lost in the noise of fifteen. */
static void slow_growth_is_seen_within_fifteen_samples_of_four_sigma(void **state)
{
    unsigned seen = 0;
    for (sigmas_an_hour = 4; sigmas_an_hour <= 8; sigmas_an_hour += 4)
        for (unsigned k = 0; k < 50; k++)
            seen += is_seen_in_time(k);
    if (seen < 97)
        fail_msg("%u of 100", seen);
}

static double to_a_new_level(double h)
{
    return flat(h) + (h > 10 ? 400 : 0);
}

static void the_baseline_follows_a_step_but_no_leak(void **state)
{
    begin(&judge_defaults);
    double low = feed(0, 9, to_a_new_level)->baseline;
    assert_true(low > 950 && low < 1000);
    assert_true(feed(9, 40, to_a_new_level)->baseline > 1350);
    begin(&judge_defaults);
    feed(0, 40, line);
    assert_true(judge_verdict(&judge)->baseline < 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_ends_is_no_leak),
        TEST(what_does_not_end_is_one),
        TEST(few_teeth_hide_no_leak),
        TEST(the_verdict_says_how_fast_since_when_and_how_long),
        TEST(half_a_day_proves_nothing),
        TEST(an_old_leak_that_pauses_is_doubted_first),
        TEST(an_alert_waits_while_the_limit_is_far),
        TEST(a_near_limit_is_said_without_a_proof),
        TEST(a_limit_that_is_not_met_is_no_alert),
        TEST(a_restart_hides_no_leak),
        TEST(a_new_life_that_does_not_leak_clears_it),
        TEST(gaps_are_no_matter),
        TEST(what_is_no_sample_is_not_taken),
        TEST(an_increase_over_the_baseline_has_three_severities),
        TEST(the_start_is_not_compared),
        TEST(one_odd_sample_is_no_increase),
        TEST(absolute_thresholds_and_the_limit_are_of_the_whole),
        TEST(fast_growth_is_seen_within_fifteen_samples),
        TEST(slow_growth_is_seen_within_fifteen_samples_of_four_sigma),
        TEST(the_baseline_follows_a_step_but_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
