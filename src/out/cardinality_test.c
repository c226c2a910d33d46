#include "out/cardinality.h"

#include <stdlib.h>

#include "unit.h"

static struct cardinality c;

static void begin(uint32_t limit)
{
    assert_int_equal(cardinality_begin(&c, &scope_root, limit, 0), 0);
}

/* {app, user, path} without what was demoted; how many labels were demoted for it. */
static unsigned send(unsigned app, unsigned user, unsigned path, int64_t now, const char **last)
{
    static const char *const names[] = {"app", "path", "user"};
    char values[3][16];
    unsigned demoted = 0;
    snprintf(values[0], 16, "a%u", app);
    snprintf(values[1], 16, "/%u", path);
    snprintf(values[2], 16, "u%u", user);
    for (;;) {
        struct loki_pair labels[3];
        unsigned n = 0;
        uint32_t distinct = 0;
        for (unsigned i = 0; i < 3; i++)
            if (!cardinality_is_demoted(&c, names[i]))
                labels[n++] = (struct loki_pair){names[i], values[i]};
        const char *name = cardinality_add(&c, labels, n, now, &distinct);
        if (!name)
            return demoted;
        if (last)
            *last = name;
        assert_true(distinct > 1);
        demoted++;
    }
}

static void within_the_limit_nothing_happens(void **state)
{
    begin(1000);
    for (int round = 0; round < 3; round++)
        for (unsigned i = 0; i < 1000; i++)
            assert_int_equal(send(i % 10, i, 0, round, NULL), 0);
    assert_int_equal(c.n, 1000);
    scope_end(&c.scope);
}

static void one_beyond_it_the_label_with_the_most_values_goes(void **state)
{
    const char *name = NULL;
    begin(1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(send(i % 10, i, i % 7, 0, NULL), 0);
    assert_int_equal(send(0, 1000, 0, 0, &name), 1);
    assert_string_equal(name, "user");
    assert_true(cardinality_is_demoted(&c, "user"));
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(send(i % 10, i, i % 7, 0, NULL), 0);
    assert_int_equal(c.n, 70);
    assert_string_equal(cardinality_demoted(&c, 0), "user");
    assert_null(cardinality_demoted(&c, 1));
    scope_end(&c.scope);
}

/* Two that each make too many: both go, and then it is over. */
static void the_next_one_goes_when_that_is_not_enough(void **state)
{
    unsigned demoted = 0;
    begin(500);
    for (unsigned i = 0; i < 10000; i++)
        demoted += send(i % 10, i, i / 2, 0, NULL);
    assert_int_equal(demoted, 2);
    assert_false(cardinality_is_demoted(&c, "app"));
    assert_int_equal(c.n, 10);
    scope_end(&c.scope);
}

/* Few values each, many together. */
static void products_of_small_labels_count_too(void **state)
{
    unsigned demoted = 0;
    begin(500);
    for (unsigned i = 0; i < 30 * 40 * 2; i++)
        demoted += send(i % 30, i / 30 % 40, i / 1200, 0, NULL);
    assert_int_equal(demoted, 1);
    assert_true(cardinality_is_demoted(&c, "app") || cardinality_is_demoted(&c, "user"));
    scope_end(&c.scope);
}

static void what_is_not_used_for_a_window_makes_room(void **state)
{
    begin(100);
    uint64_t kept = cardinality_hash((struct loki_pair[]){{"app", "a0"}, {"path", "/0"}, {"user", "u0"}}, 3);
    for (unsigned hour = 0; hour < 48; hour++)
        for (unsigned i = 0; i < 90; i++) {
            int64_t now = hour * CARDINALITY_WINDOW + i * MINUTE / 2;
            assert_int_equal(send(0, hour && i == 0 ? 0 : hour * 100 + i, 0, now, NULL), 0);
            if (i % 20 == 0)
                cardinality_touch(&c, kept, now);
        }
    assert_int_equal(c.n_demoted, 0);
    scope_end(&c.scope);
}

/* A client that makes up the names as well: beyond so many they are no labels, and the streams stay few. */
static void names_are_bounded_too(void **state)
{
    begin(100);
    for (unsigned i = 0; i < 10000; i++) {
        char name[16];
        uint32_t values;
        snprintf(name, sizeof name, "n%u", i);
        struct loki_pair label = {name, "v"};
        unsigned n = cardinality_is_demoted(&c, name) ? 0 : 1;
        assert_null(cardinality_add(&c, &label, n, 0, &values));
    }
    assert_int_equal(c.n, CARDINALITY_NAMES + 1);
    scope_end(&c.scope);
}

static void without_a_limit_nothing_is_counted(void **state)
{
    begin(0);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(send(i, i, i, 0, NULL), 0);
    assert_null(c.streams);
    scope_end(&c.scope);
}

static void memory_is_as_it_says(void **state)
{
    begin(1000000);
    for (unsigned i = 0; i < 3000000; i++)
        send(i % 3, i, 0, 0, NULL);
    assert_true((uint64_t)c.slots * 16 <= 2u * 1048576 * 16);
    assert_int_equal(c.bits, 65536);
    scope_end(&c.scope);
}

static void torture_body(void)
{
    if (cardinality_begin(&c, &scope_root, 20, 0) < 0)
        return;
    for (unsigned i = 0; i < 400; i++)
        send(i % 2, i, i % 3, 0, NULL);
    scope_end(&c.scope);
}

static void it_survives_torture(void **state)
{
    TORTURE(torture_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(within_the_limit_nothing_happens),
        TEST(one_beyond_it_the_label_with_the_most_values_goes),
        TEST(the_next_one_goes_when_that_is_not_enough),
        TEST(products_of_small_labels_count_too),
        TEST(what_is_not_used_for_a_window_makes_room),
        TEST(names_are_bounded_too),
        TEST(without_a_limit_nothing_is_counted),
        TEST(memory_is_as_it_says),
        TEST(it_survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
