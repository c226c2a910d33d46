#include "store/store_intents.h"

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

static const struct store_intent row = {.source_key = "file:1", .sink = "loki", .from = 100, .to = UINT64_MAX >> 1,
                                        .anchor = 1790000000123456789, .tie = -5, .ties = 3, .skipping = true,
                                        .settings = INT64_MIN, .sent_with = 7};

struct found {
    struct store_intent rows[8];
    char text[8][16];
    unsigned n, n_texts;
};

static bool find(const struct store_intent *r, void *arg)
{
    struct found *f = arg;
    assert_string_equal(r->sink, "loki");
    f->rows[f->n++] = *r;
    return true;
}

static bool find_text(const struct store_settings *r, void *arg)
{
    struct found *f = arg;
    snprintf(f->text[f->n_texts++], sizeof f->text[0], "%s", r->text);
    return true;
}

static struct found read_all(struct store *s)
{
    struct found f = {0};
    assert_int_equal(store_each_intent(s, find, &f), 0);
    assert_int_equal(store_each_settings(s, find_text, &f), 0);
    return f;
}

static int put(struct store *s, const char *source, uint64_t from, uint64_t to)
{
    struct store_intent r = row;
    r.source_key = source;
    r.from = from;
    r.to = to;
    int e = store_begin(s);
    if (e == 0)
        e = store_put_settings(s, &(struct store_settings){INT64_MIN, "{\"a\":\"b\"}"});
    if (e == 0)
        e = store_put_intent(s, &r);
    if (e == 0)
        return store_commit(s);
    store_rollback(s);
    return e;
}

static void rows_come_back_as_they_were(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, "file:1", row.from, row.to), 0);
    store_close(s);
    s = open_store();
    struct found f = read_all(s);
    assert_int_equal(f.n, 1);
    assert_true(f.rows[0].from == row.from && f.rows[0].to == row.to);
    assert_true(f.rows[0].anchor == row.anchor && f.rows[0].tie == row.tie && f.rows[0].ties == row.ties);
    assert_true(f.rows[0].skipping);
    assert_true(f.rows[0].settings == row.settings && f.rows[0].sent_with == row.sent_with);
    assert_int_equal(f.n_texts, 1);
    assert_string_equal(f.text[0], "{\"a\":\"b\"}");
    store_close(s);
}

static void they_come_in_the_order_of_bytes_and_go_with_the_position(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, "file:1", 20, 30), 0);
    assert_int_equal(put(s, "file:1", 5, 20), 0);
    assert_int_equal(put(s, "file:0", 7, 9), 0);
    struct found f = read_all(s);
    assert_int_equal(f.n, 3);
    assert_true(f.rows[0].from == 7 && f.rows[1].from == 5 && f.rows[2].from == 20);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_delete_intents(s, "file:1", "loki", 29), 0);
    assert_int_equal(store_delete_intents(s, "file:0", "other", 29), 0);
    assert_int_equal(store_commit(s), 0);
    f = read_all(s);
    assert_int_equal(f.n, 2);
    assert_true(f.rows[0].from == 7 && f.rows[1].from == 20);
    store_close(s);
}

/* A reset of positions means: all of it again. */
static void they_go_with_their_source_and_with_its_positions(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, "file:1", 1, 2), 0);
    assert_int_equal(put(s, "file:2", 1, 2), 0);
    assert_int_equal(put(s, "file:3", 1, 2), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_delete_positions(s, "file:1", "loki"), 0);
    assert_int_equal(store_delete_positions(s, "file:2", "other"), 0);
    assert_int_equal(store_delete_source(s, "file:3"), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(read_all(s).n, 1);
    store_close(s);
}

static void settings_that_nobody_names_are_forgotten(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, "file:1", 1, 2), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_settings(s, &(struct store_settings){7, "sent_with"}), 0);
    assert_int_equal(store_put_settings(s, &(struct store_settings){8, "nobody"}), 0);
    assert_int_equal(store_forget(s, 0), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(read_all(s).n_texts, 2);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_source(s, &(struct store_source){"file:1", "/a", NULL, 5}), 0);
    assert_int_equal(store_forget(s, 10), 0);
    assert_int_equal(store_commit(s), 0);
    struct found f = read_all(s);
    assert_int_equal(f.n, 0);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(rows_come_back_as_they_were),
        IN_DIR(they_come_in_the_order_of_bytes_and_go_with_the_position),
        IN_DIR(they_go_with_their_source_and_with_its_positions),
        IN_DIR(settings_that_nobody_names_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
