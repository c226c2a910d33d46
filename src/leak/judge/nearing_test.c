#include "leak/judge/nearing.h"

#include "base/clock.h"
#include "unit.h"

enum { LIMIT = 1000, LEAST = 20 };

/* A series that is looked at after each sample, as the judge does. */
struct series {
    struct nearing n;
    struct approach a;
    int64_t now;
    double value;
    bool near;
};

static struct series begin(double value)
{
    struct series s = {.value = value, .now = HOUR};
    nearing_begin(&s.n);
    return s;
}

/* So many minutes at so much a minute, a sample every `step`. */
static void go(struct series *s, double minutes, double rate, int64_t step)
{
    for (int64_t end = s->now + (int64_t)(minutes * MINUTE); s->now < end; s->now += step) {
        s->value += rate * (double)step / MINUTE;
        if (nearing_add(&s->n, s->now, s->value))
            s->near = nearing_look(&s->n, LIMIT, LEAST, &s->a);
    }
}

static void steady_growth_past_half_of_the_way_is_near(void **state)
{
    struct series s = begin(10);
    go(&s, 60, 0, 15 * SECOND);
    int64_t began = s.now;
    go(&s, 20, 20, 15 * SECOND);
    assert_false(s.near);
    go(&s, 9, 20, 15 * SECOND);
    assert_true(s.near);
    assert_true(s.a.slope * MINUTE > 19 && s.a.slope * MINUTE < 21);
    assert_true(s.a.since >= began - 4 * MINUTE && s.a.since <= began + 4 * MINUTE);
}

static void growth_since_the_start_is_believed_later(void **state)
{
    struct series s = begin(10);
    go(&s, 29, 20, 15 * SECOND);
    assert_false(s.near);
    go(&s, 10, 20, 15 * SECOND);
    assert_true(s.near);
}

static void growth_that_has_ended_leads_nowhere(void **state)
{
    struct series s = begin(10);
    go(&s, 60, 0, 15 * SECOND);
    go(&s, 24, 30, 15 * SECOND);
    assert_true(s.near);
    go(&s, 26, 0, 15 * SECOND);
    assert_false(s.near);
}

static void growth_that_slows_down_stays_near_for_longer(void **state)
{
    struct series s = begin(10);
    go(&s, 60, 0, 15 * SECOND);
    go(&s, 30, 20, 15 * SECOND);
    assert_true(s.near);
    go(&s, 20, 4, 15 * SECOND);
    assert_true(s.near);

    /* The same, but it never was near. */
    s.n.near = false;
    assert_false(nearing_look(&s.n, LIMIT, LEAST, &s.a));
}

static void a_limit_that_is_hours_away_is_not_near(void **state)
{
    struct series s = begin(10);
    go(&s, 400, 0, 10 * MINUTE);
    go(&s, 280, 2, 10 * MINUTE);
    assert_false(s.near);
    go(&s, 175, 2, 10 * MINUTE);
    assert_true(s.near);
}

static void a_jump_is_no_growth(void **state)
{
    struct series s = begin(10);
    go(&s, 60, 0, 15 * SECOND);
    go(&s, 2, 300, 15 * SECOND);
    for (int i = 0; i < 10; i++) {
        assert_false(s.near);
        go(&s, 2, 0, 15 * SECOND);
    }
}

static void what_goes_up_and_down_is_not_steady(void **state)
{
    struct series s = begin(10);
    for (int i = 0; i < 14; i++) {
        go(&s, 2, 137.5, 2 * MINUTE);
        assert_false(s.near);
        go(&s, 2, -112.5, 2 * MINUTE);
        assert_false(s.near);
    }
    assert_true(s.value > LIMIT * .7);
}

static void growth_to_where_it_was_before_is_none(void **state)
{
    struct series s = begin(700);
    go(&s, 20, 0, 15 * SECOND);
    go(&s, 60, -10, 15 * SECOND);
    go(&s, 30, 20, 15 * SECOND);
    assert_false(s.near);

    /* Another life of the process has no before. */
    nearing_begin(&s.n);
    s.value = 100;
    go(&s, 36, 20, 15 * SECOND);
    assert_true(s.near);
}

static void a_little_growth_just_below_the_limit_is_none(void **state)
{
    struct series s = begin(LIMIT - LEAST);
    go(&s, 60, 0, 15 * SECOND);
    go(&s, 30, .5, 15 * SECOND);
    assert_false(s.near);
    go(&s, 9, .5, 15 * SECOND);
    assert_false(s.near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(steady_growth_past_half_of_the_way_is_near),
        TEST(growth_since_the_start_is_believed_later),
        TEST(growth_that_has_ended_leads_nowhere),
        TEST(growth_that_slows_down_stays_near_for_longer),
        TEST(a_limit_that_is_hours_away_is_not_near),
        TEST(a_jump_is_no_growth),
        TEST(what_goes_up_and_down_is_not_steady),
        TEST(growth_to_where_it_was_before_is_none),
        TEST(a_little_growth_just_below_the_limit_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
