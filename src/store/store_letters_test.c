#include "store/store_letters.h"

#include <stdlib.h>
#include <unistd.h>

#include "directory.h"

static struct store *open_store(void)
{
    int error;
    struct store *s = store_open(&scope_root, dir, &error);
    assert_non_null(s);
    return s;
}

static struct store_letter letter(const char *sink, uint64_t place, const char *code, const char *line, size_t n)
{
    return (struct store_letter){.sink = sink, .source_key = "file:1", .source_name = "/var/log/a", .place = place,
                                 .code = code, .says = "entry is too far behind", .refused_at = 100 + (int64_t)place,
                                 .tried_at = 100 + (int64_t)place, .attempts = 1, .time = 5, .labels = "{\"a\":\"b\"}",
                                 .line = line, .line_n = n};
}

static int put(struct store *s, const struct store_letter *l, bool *again)
{
    int r = store_begin(s);
    if (r == 0)
        r = store_put_letter(s, l, again);
    if (r < 0) {
        store_rollback(s);
        return r;
    }
    return store_commit(s);
}

struct found {
    unsigned n;
    int64_t ids[8];
    uint64_t attempts;
    char line[16], code[16], says[80], labels[40];
    size_t line_n;
};

static bool find(const struct store_letter *l, void *arg)
{
    struct found *f = arg;
    f->ids[f->n++] = l->id;
    f->attempts = l->attempts;
    f->line_n = l->line_n;
    if (l->line)
        memcpy(f->line, l->line, l->line_n);
    snprintf(f->code, sizeof f->code, "%s", l->code);
    snprintf(f->says, sizeof f->says, "%s", l->says);
    snprintf(f->labels, sizeof f->labels, "%s", l->labels ? l->labels : "none");
    return f->n < 8;
}

static struct found query(struct store *s, struct store_letter_query q)
{
    struct found f = {0};
    if (!q.limit)
        q.limit = 100;
    assert_int_equal(store_each_letter(s, &q, find, &f), 0);
    return f;
}

static void a_letter_comes_back_byte_for_byte(void **state)
{
    struct store *s = open_store();
    struct found f = {0};
    bool again, found;
    struct store_letter l = letter("loki", 1, "invalid", "a\0\xff\n", 4);
    assert_int_equal(put(s, &l, &again), 0);
    assert_false(again);
    l = letter("loki", 2, "invalid", "", 0);
    assert_int_equal(put(s, &l, &again), 0);
    store_close(s);
    s = open_store();
    assert_int_equal(store_find_letter(s, 1, find, &f, &found), 0);
    assert_true(found);
    assert_int_equal(f.line_n, 4);
    assert_memory_equal(f.line, "a\0\xff\n", 4);
    assert_string_equal(f.labels, "{\"a\":\"b\"}");
    f = (struct found){0};
    assert_int_equal(store_find_letter(s, 2, find, &f, &found), 0);
    assert_true(found);
    assert_int_equal(f.line_n, 0);
    assert_int_equal(store_find_letter(s, 3, find, &f, &found), 0);
    assert_false(found);
    assert_int_equal(store_find_letter(s, 0, find, &f, &found), 0);
    assert_false(found);
    store_close(s);
}

static void one_refused_twice_is_one_letter(void **state)
{
    struct store *s = open_store();
    bool again;
    struct store_letter l = letter("loki", 1, "invalid", "x", 1);
    assert_int_equal(put(s, &l, &again), 0);
    l.code = "too_old";
    l.says = "other";
    assert_int_equal(put(s, &l, &again), 0);
    assert_true(again);
    struct found f = query(s, (struct store_letter_query){.whole = true});
    assert_int_equal(f.n, 1);
    assert_int_equal(f.attempts, 2);
    assert_string_equal(f.code, "too_old");
    assert_string_equal(f.says, "other");
    /* Another time at the same place is another entry, and so is another sink's. */
    l.time = 6;
    assert_int_equal(put(s, &l, &again), 0);
    assert_false(again);
    l.sink = "other";
    assert_int_equal(put(s, &l, &again), 0);
    assert_false(again);
    assert_int_equal(query(s, (struct store_letter_query){0}).n, 3);
    store_close(s);
}

static void queries_choose(void **state)
{
    struct store *s = open_store();
    bool again;
    for (uint64_t i = 1; i <= 6; i++) {
        struct store_letter l = letter(i % 2 ? "odd" : "even", i, i > 4 ? "too_old" : "invalid", "line", 4);
        assert_int_equal(put(s, &l, &again), 0);
    }
    struct found f = query(s, (struct store_letter_query){.sink = "even", .after = 2});
    assert_int_equal(f.n, 2);
    assert_int_equal(f.ids[0], 4);
    assert_string_equal(f.labels, "none");
    assert_int_equal(f.line_n, 4);
    assert_int_equal(query(s, (struct store_letter_query){.code = "too_old"}).n, 2);
    assert_int_equal(query(s, (struct store_letter_query){.before = 104}).n, 3);
    assert_int_equal(query(s, (struct store_letter_query){.until = 5}).n, 5);
    assert_int_equal(query(s, (struct store_letter_query){.limit = 2}).n, 2);
    store_close(s);
}

static void what_is_due_comes_in_its_order(void **state)
{
    struct store *s = open_store();
    struct found f = {0};
    bool again, found;
    for (uint64_t i = 1; i <= 3; i++) {
        struct store_letter l = letter("loki", i, "invalid", "line", 4);
        assert_int_equal(put(s, &l, &again), 0);
    }
    assert_int_equal(store_each_due_letter(s, "loki", INT64_MAX, 10, find, &f), 0);
    assert_int_equal(f.n, 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_schedule_letters(s, 2, 50), 0);
    assert_int_equal(store_retry_letter(s, 1, "blocked", "policy", 60, 40, &found), 0);
    assert_true(found);
    assert_int_equal(store_retry_letter(s, 2, "blocked", "policy", 60, 90, &found), 0);
    assert_int_equal(store_retry_letter(s, 99, "blocked", "policy", 60, 90, &found), 0);
    assert_false(found);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_each_due_letter(s, "loki", 60, 10, find, &f), 0);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.ids[0], 1);
    assert_int_equal(f.ids[1], 3);
    /* One that was refused twice is not taken up again by a limit of two. */
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_retry_letter(s, 1, "blocked", "policy", 60, 0, &found), 0);
    assert_int_equal(store_schedule_letters(s, 2, 50), 0);
    assert_int_equal(store_commit(s), 0);
    f = (struct found){0};
    assert_int_equal(store_each_due_letter(s, "loki", 60, 10, find, &f), 0);
    assert_int_equal(f.n, 1);
    store_close(s);
}

static bool add_sum(const struct store_letter_sum *sum, void *arg)
{
    struct store_letter_sum *all = arg;
    all->letters += sum->letters;
    all->bytes += sum->bytes;
    all->size += sum->size;
    return true;
}

static bool find_purged(const struct store_ledger *row, void *arg)
{
    struct store_ledger *copy = arg;
    memcpy(copy->counters, row->counters, sizeof copy->counters);
    return true;
}

static void sums_and_the_ledger_follow(void **state)
{
    struct store *s = open_store();
    struct store_letter_sum all = {0};
    struct store_ledger ledger = {"file:1", "loki", {[STORE_TAKEN_RECORDS] = 9, [STORE_DEAD_RECORDS] = 3,
                                                     [STORE_DEAD_BYTES] = 12}};
    bool again;
    int64_t last;
    assert_int_equal(store_last_letter(s, &last), 0);
    assert_int_equal(last, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        struct store_letter l = letter("loki", i, "invalid", "line", 4);
        assert_int_equal(put(s, &l, &again), 0);
    }
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_ledger(s, &ledger), 0);
    assert_int_equal(store_delete_letter(s, 3), 0);
    assert_int_equal(store_purge_ledger(s, "file:1", "loki", 1, 4), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_each_letter_sum(s, add_sum, &all), 0);
    assert_int_equal(all.letters, 2);
    assert_int_equal(all.bytes, 8);
    assert_int_equal(all.size, 2 * (4 + 9 + STORE_LETTER_OVERHEAD));
    assert_int_equal(store_last_letter(s, &last), 0);
    assert_int_equal(last, 3); /* and no letter will ever have it again */
    assert_int_equal(store_each_ledger(s, find_purged, &ledger), 0);
    assert_int_equal(ledger.counters[STORE_DEAD_RECORDS], 2);
    assert_int_equal(ledger.counters[STORE_DEAD_BYTES], 8);
    assert_int_equal(ledger.counters[STORE_PURGED_RECORDS], 1);
    assert_int_equal(ledger.counters[STORE_PURGED_BYTES], 4);
    store_close(s);
}

static void a_source_with_letters_is_not_forgotten(void **state)
{
    struct store *s = open_store();
    struct store_letter l = letter("loki", 1, "invalid", "line", 4);
    struct store_letter_sum all = {0};
    struct store_ledger ledger = {.counters = {0}};
    bool again;
    assert_int_equal(store_begin(s), 0);
    store_put_source(s, &(struct store_source){"file:1", "/var/log/a", NULL, 1000});
    store_put_ledger(s, &(struct store_ledger){"file:1", "loki", {[STORE_DEAD_RECORDS] = 1}});
    assert_int_equal(store_put_letter(s, &l, &again), 0);
    assert_int_equal(store_forget(s, INT64_MAX), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_each_letter_sum(s, add_sum, &all), 0);
    assert_int_equal(all.letters, 1);
    assert_int_equal(store_each_ledger(s, find_purged, &ledger), 0);
    assert_int_equal(ledger.counters[STORE_DEAD_RECORDS], 1);
    store_close(s);
}

static void put_and_look(void)
{
    int error;
    bool again, found;
    struct store_letter_sum all = {0};
    fault_spare(true);
    struct store *s = store_open(&scope_root, dir, &error);
    fault_spare(false);
    assert_non_null(s);
    struct store_letter l = letter("loki", 1, "invalid", "line", 4);
    if (put(s, &l, &again) == 0 && put(s, &l, &again) == 0 && store_begin(s) == 0) {
        store_retry_letter(s, 1, "x", "y", 1, 2, &found);
        store_delete_letter(s, 7);
        (void)store_commit(s);
    }
    if (store_each_letter_sum(s, add_sum, &all) == 0)
        assert_true(all.letters <= 1);
    store_close(s);
}

static void nothing_leaks_when_calls_fail(void **state)
{
    torture_with(put_and_look, ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(a_letter_comes_back_byte_for_byte),
        IN_DIR(one_refused_twice_is_one_letter),
        IN_DIR(queries_choose),
        IN_DIR(what_is_due_comes_in_its_order),
        IN_DIR(sums_and_the_ledger_follow),
        IN_DIR(a_source_with_letters_is_not_forgotten),
        IN_DIR(nothing_leaks_when_calls_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
