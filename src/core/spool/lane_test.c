#include "core/spool/lane.h"

#include "unit.h"

struct account {
    int nothing;
};

static const char *text_of(const struct lane *l)
{
    static char text[200];
    struct buf out;
    assert_int_equal(buf_begin(&out, &scope_root, "text", 4096), 0);
    assert_int_equal(lane_print(l, &out), 0);
    snprintf(text, sizeof text, "%s", out.data);
    buf_end(&out);
    return text;
}

static void begin(struct lane *l)
{
    assert_int_equal(lane_begin(l, &scope_root), 0);
    assert_int_equal(lane_reserve(l), 0);
}

static void a_range_goes_on_over_what_is_for_others(void **state)
{
    struct lane l;
    begin(&l);
    assert_string_equal(text_of(&l), "");
    lane_append(&l, 0x100000000, 0x100000010, 0);
    lane_append(&l, 0x100000020, 0x100000030, 0x100000000);
    assert_string_equal(text_of(&l), "1:0-1:30");
    lane_append(&l, 0x200000000, 0x200000010, 0x100000000);
    assert_string_equal(text_of(&l), "1:0-2:10");
    lane_end(&l);
}

static void what_is_not_for_it_is_never_covered(void **state)
{
    struct lane l;
    begin(&l);
    lane_append(&l, 0x100000000, 0x100000010, 0);
    lane_void(&l, 0x100000020);
    lane_append(&l, 0x100000020, 0x100000030, 0);
    assert_string_equal(text_of(&l), "1:0-1:10 1:20-1:30");
    /* A new process begins a new segment: behind what was committed lies what was not. */
    lane_reserve(&l);
    lane_append(&l, 0x500000000, 0x500000010, 0x500000000);
    assert_string_equal(text_of(&l), "1:0-1:10 1:20-1:30 5:0-5:10");
    lane_end(&l);
}

static void what_is_with_the_sink_counts_until_it_is_done(void **state)
{
    struct lane l;
    begin(&l);
    for (uint64_t i = 0; i < 5; i++)
        lane_append(&l, 0x100000000 + 16 * i, 0x100000000 + 16 * i + 16, 0);
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(lane_reserve(&l), 0);
        assert_true(lane_unread(&l) == 0x100000000 + 16 * i);
        lane_take(&l, 0x100000000 + 16 * i, 0x100000000 + 16 * i + 16);
    }
    assert_int_equal(lane_flights(&l), 4);
    assert_string_equal(text_of(&l), "1:0-1:50");
    assert_true(lane_land(&l, 0x100000010, NULL, 0));
    assert_false(lane_land(&l, 0x100000010, NULL, 0));
    assert_string_equal(text_of(&l), "1:0-1:10 1:20-1:50");
    assert_false(lane_needs(&l, 0x100000010, 0x100000020));
    assert_true(lane_needs(&l, 0x10000001f, 0x100000021));
    lane_put_back(&l, 0x100000020, NULL, 0);
    assert_true(lane_unread(&l) == 0x100000020);
    assert_string_equal(text_of(&l), "1:0-1:10 1:20-1:50");
    assert_true(lane_land(&l, 0x100000000, NULL, 0));
    assert_true(lane_land(&l, 0x100000030, NULL, 0));
    assert_int_equal(lane_flights(&l), 0);
    assert_string_equal(text_of(&l), "1:20-1:30 1:40-1:50");
    lane_take(&l, 0x100000020, 0x100000030);
    assert_true(lane_unread(&l) == 0x100000040);
    lane_skip(&l, 0x100000048);
    assert_string_equal(text_of(&l), "1:20-1:30 1:48-1:50");
    lane_skip(&l, LANE_NOTHING - 1);
    assert_true(lane_unread(&l) == LANE_NOTHING);
    assert_true(lane_land(&l, 0x100000020, NULL, 0));
    assert_string_equal(text_of(&l), "");
    assert_false(lane_needs(&l, 0, LANE_NOTHING));
    lane_end(&l);
}

static void the_adopted_are_known_by_their_numbers(void **state)
{
    struct account a, b;
    struct lane l;
    begin(&l);
    lane_adopt(&l, 0x100000000, 0x100000010, &a, 7);
    lane_reserve(&l);
    lane_adopt(&l, 0x100000010, 0x100000020, &b, 7);
    lane_reserve(&l);
    lane_append(&l, 0x100000020, 0x100000030, 0);
    assert_true(lane_unread(&l) == 0x100000020);
    assert_false(lane_land(&l, 0, &a, 8));
    assert_true(lane_land(&l, 0, &b, 7));
    assert_string_equal(text_of(&l), "1:0-1:10 1:20-1:30");
    lane_put_back(&l, 0, &a, 7);
    assert_true(lane_unread(&l) == 0x100000000);
    lane_reserve(&l);
    lane_append(&l, 0x100000030, 0x100000040, 0);
    assert_string_equal(text_of(&l), "1:0-1:10 1:20-1:40");
    lane_end(&l);
}

/* A thousand records, ended in any order: the list stays as long as what is open. */
static void many_are_ended_in_any_order(void **state)
{
    enum { N = 20000, OPEN = 100 };
    struct lane l;
    uint64_t open[OPEN], n = 0, next = 0x100000000;
    unsigned seed = 1;
    begin(&l);
    lane_append(&l, next, next + N, 0);
    for (unsigned i = 0; i < N; i++) {
        if (n == OPEN) {
            seed = seed * 1103515245 + 12345;
            uint64_t k = (seed >> 16) % OPEN;
            assert_true(lane_land(&l, open[k], NULL, 0));
            open[k] = open[--n];
        }
        assert_int_equal(lane_reserve(&l), 0);
        lane_take(&l, next, next + 1);
        open[n++] = next++;
    }
    while (n)
        assert_true(lane_land(&l, open[--n], NULL, 0));
    assert_string_equal(text_of(&l), "");
    assert_true(l.flights.cap < 2 * N * sizeof(struct lane_flight));
    lane_end(&l);
}

static void what_was_printed_is_parsed_and_nothing_else(void **state)
{
    static const char *const good[] = {"", "1:0-1:10", "1:0-1:10 1:20-ffffffff:30"};
    static const char *const bad[] = {"x", "1", "1:0", "1:0-", "1:0-1:0", "1:10-1:0", "1:0-1:10 1:5-1:20", "1:0-1:10,",
                                      "1:0-1:100000000", "-1:0-1:1", "1:0-1:10 x", "1:+0-1:10", " 1:0-1:10"};
    struct lane l;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        begin(&l);
        assert_int_equal(lane_parse(&l, good[i]), 0);
        assert_string_equal(text_of(&l), good[i]);
        lane_end(&l);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(&l);
        assert_int_equal(lane_parse(&l, bad[i]), -EUCLEAN);
        assert_true(lane_unread(&l) == LANE_NOTHING);
        lane_end(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_range_goes_on_over_what_is_for_others),
        TEST(what_is_not_for_it_is_never_covered),
        TEST(what_is_with_the_sink_counts_until_it_is_done),
        TEST(the_adopted_are_known_by_their_numbers),
        TEST(many_are_ended_in_any_order),
        TEST(what_was_printed_is_parsed_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
