#include "leak/judge/trace.h"

#include <math.h>

#include "base/clock.h"
#include "unit.h"

#define BEGIN (INT64_C(1700000000) * SECOND)

static struct trace trace;

/* A sample every `step`, of f(seconds since the begin). */
static void fill(int64_t span, int64_t step, double (*f)(double seconds))
{
    trace_begin(&trace);
    for (int64_t t = 0; t < span; t += step)
        trace_add(&trace, BEGIN + t, f((double)t / SECOND));
}

static double rising(double seconds)
{
    return 1e12 + seconds;
}

static void cells_of_any_length_hold_the_mean_and_the_floor(void **state)
{
    static const int64_t spans[] = {30 * MINUTE, 6 * HOUR, 24 * HOUR, 96 * HOUR, 190 * HOUR};
    for (unsigned s = 0; s < 5; s++) {
        fill(spans[s], 15 * SECOND, rising);
        assert_int_equal(trace.begin, BEGIN);
        assert_true((int64_t)trace.n * trace.length <= spans[s]);
        assert_true((int64_t)(trace.n + 1) * trace.length >= spans[s]);
        assert_true(trace.n >= 29);
        for (unsigned i = 0; i < trace.n; i++) {
            double first = (double)i * (double)trace.length / SECOND, last = first + (double)trace.length / SECOND - 15;
            assert_true(fabs(trace.cells[i].mean - (first + last) / 2) <= last * 1e-6);
            assert_true(fabs(trace.cells[i].low - (first + 22.5)) <= last * 1e-6); /* the mean of the first minute */
            assert_true(fabs(trace.cells[i].high - (last - 22.5)) <= last * 1e-6); /* of the last */
            assert_int_equal(trace.cells[i].n, trace.length / (15 * SECOND));
        }
    }
}

static void a_month_is_kept_in_nine_days(void **state)
{
    fill(30 * 24 * HOUR, MINUTE, rising);
    assert_int_equal(trace.length, TRACE_LONGEST);
    assert_true(trace.n >= TRACE_CELLS - 1 && trace.n <= TRACE_CELLS);
    int64_t end = trace.begin + trace.n * trace.length;
    assert_true(BEGIN + 30 * 24 * HOUR - end <= TRACE_LONGEST);
    double expected = (double)(trace.begin - BEGIN) / SECOND;
    assert_true(fabs(trace.cells[0].low - expected) < 1);
}

static void gaps_are_cells_without_samples(void **state)
{
    trace_begin(&trace);
    trace_add(&trace, BEGIN, 5);
    trace_add(&trace, BEGIN + 10 * MINUTE, 7);
    trace_add(&trace, BEGIN + 11 * MINUTE, 7);
    assert_int_equal(trace.n, 11);
    assert_int_equal(trace.cells[0].n, 1);
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(trace.cells[i].n, 0);
    assert_true(trace.cells[10].low == 2);
}

/* The clock was set, or the agent slept for months. */
static void after_too_long_a_gap_it_begins_anew(void **state)
{
    fill(HOUR, MINUTE, rising);
    assert_int_equal(trace_add(&trace, BEGIN + 1000000 * HOUR, 1), 0);
    assert_int_equal(trace.n, 0);
    assert_int_equal(trace.begin, BEGIN + 1000000 * HOUR);
    assert_true(trace.zero == 1);
}

static double spiked(double seconds)
{
    return fmod(seconds, 3600) == 1800 ? 0 : 100;
}

static void one_low_sample_is_no_floor(void **state)
{
    fill(6 * HOUR, 5 * SECOND, spiked);
    for (unsigned i = 0; i < trace.n; i++)
        assert_true(trace.cells[i].low >= -9); /* one of twelve in its minute */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cells_of_any_length_hold_the_mean_and_the_floor),
        TEST(a_month_is_kept_in_nine_days),
        TEST(gaps_are_cells_without_samples),
        TEST(after_too_long_a_gap_it_begins_anew),
        TEST(one_low_sample_is_no_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
