#include "core/ledger_rows.h"

#include "unit.h"

static struct counts sample(void)
{
    struct counts c = {
        .taken = {122, 12200}, .delivered = {40, 4000}, .spooled = {10, 1000},
        .dead = {5, 500}, .in_flight = {39, 3900}, .skipped = {7, 700},
    };
    for (unsigned i = 0; i < DROP_REASONS; i++)
        c.dropped[i] = (struct amount){1 + i, 100 * (1 + i)};
    return c;
}

static void what_is_in_flight_is_not_stored(void **state)
{
    uint64_t row[STORE_COUNTERS];
    struct counts before = sample(), after;
    counts_to_row(&before, row);
    counts_from_row(&after, row);
    assert_int_equal(after.taken.records, 83);
    assert_int_equal(after.taken.bytes, 8300);
    assert_int_equal(after.in_flight.records, 0);
    uint64_t records = after.delivered.records + after.spooled.records + after.dead.records;
    for (unsigned i = 0; i < DROP_REASONS; i++)
        records += after.dropped[i].records;
    assert_int_equal(records, after.taken.records);
}

static void everything_else_comes_back(void **state)
{
    uint64_t row[STORE_COUNTERS];
    struct counts before = sample(), after;
    counts_to_row(&before, row);
    counts_from_row(&after, row);
    before.taken = after.taken;
    before.in_flight = (struct amount){0};
    assert_memory_equal(&before, &after, sizeof after);
}

static void a_counter_never_turns_negative_in_the_store(void **state)
{
    uint64_t row[STORE_COUNTERS];
    struct counts c = {.delivered = {UINT64_MAX, 1}};
    counts_to_row(&c, row);
    assert_true(row[STORE_DELIVERED_RECORDS] == INT64_MAX);
    assert_int_equal(row[STORE_DELIVERED_BYTES], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_in_flight_is_not_stored),
        TEST(everything_else_comes_back),
        TEST(a_counter_never_turns_negative_in_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
