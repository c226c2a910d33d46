#include "out/times.h"

#include "base/clock.h"
#include "core/source.h"
#include "unit.h"

#define DAY (24 * HOUR)
#define NOW (INT64_C(1795233240) * SECOND + 123456789)

static struct mark marks[4];
static struct source source = {.key = (char[]){"file:1"}}, other = {.key = (char[]){"file:2"}};
static struct batch batch = {.marks = marks, .n = 4, .from = 1000, .source = &source};

static enum times_verdict judge(const struct times_config *c, int64_t now, uint32_t mark, int64_t *time)
{
    struct times t;
    times_set(&t, c, now);
    return times_judge(&t, &batch, mark, time);
}

static enum times_verdict judge_time(const struct times_config *c, int64_t time)
{
    int64_t got;
    marks[0] = (struct mark){.time = time};
    return judge(c, NOW, 0, &got);
}

static void limits_are_where_they_are_said_to_be(void **state)
{
    struct times_config c = {.max_age = 7 * DAY, .max_ahead = 10 * MINUTE};
    assert_int_equal(judge_time(&c, NOW - 7 * DAY), TIMES_FINE);
    assert_int_equal(judge_time(&c, NOW - 7 * DAY - 1), TIMES_OLD_KEPT);
    assert_int_equal(judge_time(&c, NOW + 10 * MINUTE), TIMES_FINE);
    assert_int_equal(judge_time(&c, NOW + 10 * MINUTE + 1), TIMES_FAR_KEPT);
    c.too_old = TIMES_DEAD_LETTER;
    c.too_far = TIMES_CLAMP;
    assert_int_equal(judge_time(&c, 0), TIMES_OLD_DEAD);
    assert_int_equal(judge_time(&c, INT64_MAX), TIMES_FAR_CLAMPED);
    c.max_age = c.max_ahead = 0;
    assert_int_equal(judge_time(&c, INT64_MIN), TIMES_FINE);
    assert_int_equal(judge_time(&c, INT64_MAX), TIMES_FINE);
}

static void what_is_kept_keeps_its_time(void **state)
{
    struct times_config c = {.max_age = 7 * DAY};
    int64_t got;
    marks[0] = (struct mark){.time = 42};
    assert_int_equal(judge(&c, NOW, 0, &got), TIMES_OLD_KEPT);
    assert_int_equal(got, 42);
}

/* For limits from seconds to years, at any time of day: the server takes it, for as long as it is said to hold. */
static void clamped_times_are_taken(void **state)
{
    static const int64_t limits[] = {10 * SECOND, 6 * HOUR, 7 * DAY, 400 * DAY};
    for (unsigned i = 0; i < 4; i++)
        for (int64_t now = NOW; now < NOW + DAY; now += 7 * MINUTE + 13 * MILLISECOND) {
            struct times_config c = {.max_age = limits[i], .max_ahead = limits[i], .too_old = TIMES_CLAMP, .too_far = TIMES_CLAMP};
            int64_t got;
            marks[1] = (struct mark){.time = 1, .off = 77};
            assert_int_equal(judge(&c, now, 1, &got), TIMES_OLD_CLAMPED);
            assert_true(got >= now - limits[i] + times_hold(&c));
            assert_true(got <= now);
            marks[1].time = now + 2 * limits[i];
            assert_int_equal(judge(&c, now, 1, &got), TIMES_FAR_CLAMPED);
            assert_true(got > now - MINUTE && got <= now + limits[i]);
        }
}

/* Equal lines stay two, in their order, and those of two files too; sent again in the same hour, they are the same. */
static void clamped_times_differ_by_place_and_not_by_moment(void **state)
{
    struct times_config c = {.max_age = 7 * DAY, .too_old = TIMES_CLAMP};
    int64_t hour = NOW - NOW % HOUR, first, second, again, elsewhere;
    marks[0] = (struct mark){.time = 5, .off = 0};
    marks[1] = (struct mark){.time = 5, .off = 60};
    judge(&c, hour, 0, &first);
    judge(&c, hour, 1, &second);
    assert_int_equal(second - first, 60);
    for (int64_t now = hour; now < hour + HOUR; now += MINUTE) {
        judge(&c, now, 0, &again);
        assert_int_equal(again, first);
    }
    judge(&c, hour + HOUR, 0, &again);
    assert_int_equal(again, first + HOUR);
    /* The same record, read into another batch. */
    batch.from += 40;
    marks[2] = (struct mark){.time = 5, .off = 20};
    judge(&c, hour, 2, &again);
    batch.from -= 40;
    assert_int_equal(again, second);
    batch.source = &other;
    judge(&c, hour, 0, &elsewhere);
    batch.source = &source;
    assert_true(elsewhere != first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(limits_are_where_they_are_said_to_be),
        TEST(what_is_kept_keeps_its_time),
        TEST(clamped_times_are_taken),
        TEST(clamped_times_differ_by_place_and_not_by_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
