#include "core/past.h"

#include "base/clock.h"
#include "core/keeper.h"
#include "core/sink.h"
#include "unit.h"

static char dir[64];
static struct scope scope;
static struct sink sink = {.name = "one"}, *const list[1] = {&sink};
static struct store *store;
static struct keeper keeper;

static int begin(void **state)
{
    assert_int_equal(unit_directory(dir, sizeof dir, "past"), 0);
    assert_int_equal(scope_begin(&scope, &scope_root, "world"), 0);
    assert_int_equal(book_begin(&sink.book, &sink), 0);
    assert_int_equal(sources_begin(&scope, list, 1), 0);
    int error;
    assert_non_null(store = store_open(&scope, dir, &error));
    return 0;
}

static int end(void **state)
{
    char command[128];
    keeper_end(&keeper);
    book_end(&sink.book);
    sources_end();
    store_close(store);
    scope_end(&scope);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    return assert_tree_empty(state);
}

static void wait_until_all_are_gone(void)
{
    for (int i = 0; sources_count() && i < 60000; i++)
        usleep(1000);
    assert_int_equal(sources_count(), 0);
}

/* What waited was delivered before its file was found: the ledger of the start is not the last word. */
static void a_source_that_comes_back_has_the_counts_it_left_with(void **state)
{
    assert_int_equal(store_begin(store), 0);
    assert_int_equal(store_put_source(store, &(struct store_source){"file:1", "/var/log/a", NULL, 5}), 0);
    assert_int_equal(store_put_position(store, &(struct store_position){"file:1", "one", 20, 7, NULL}), 0);
    assert_int_equal(store_put_ledger(store, &(struct store_ledger){"file:1", "one", {
        [STORE_TAKEN_RECORDS] = 3, [STORE_TAKEN_BYTES] = 9, [STORE_DEAD_RECORDS] = 3, [STORE_DEAD_BYTES] = 9}}), 0);
    assert_int_equal(store_commit(store), 0);
    struct past *past = past_load(&scope, store, list, 1);
    assert_non_null(past);
    assert_int_equal(past_obtain_waiting(past), 0);
    assert_int_equal(keeper_begin(&keeper, &scope, store, list, 1, MILLISECOND, NULL), 0);

    struct source *s = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    assert_int_equal(s->first[0].counts.dead.records, 3);
    account_found_dead(&s->first[0], (struct amount){0});
    source_unref(s);
    wait_until_all_are_gone();

    s = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    past_claim(past, past_find(past, "file:1"), s);
    assert_int_equal(s->first[0].counts.dead.records, 0);
    assert_int_equal(s->first[0].counts.dropped[DROP_PURGED].records, 3);
    assert_int_equal(s->first[0].position.offset, 20);
    source_unref(s);
    wait_until_all_are_gone();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_source_that_comes_back_has_the_counts_it_left_with, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
