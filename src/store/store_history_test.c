#include "store/store_history.h"

#include "base/fd.h"
#include "unit.h"

static char dir[128];

static int make_directory(void **state)
{
    return unit_directory(dir, sizeof dir, "history");
}

static int remove_directory(void **state)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf --one-file-system '%s'", dir);
    return system(command) == 0 ? 0 : -1;
}

struct seen {
    unsigned n;
    struct store_history rows[8];
};

static bool see(const struct store_history *row, void *arg)
{
    struct seen *s = arg;
    s->rows[s->n++] = *row;
    return s->n < 8;
}

static int put(struct store *s, const char *series, int64_t length, int64_t start, double value)
{
    return store_put_history(s, &(struct store_history){series, length, start, value - 1, value, value + 1});
}

static void steps_are_found_by_series_and_length_and_forgotten_by_age(void **state)
{
    struct seen seen = {0};
    int error;
    struct store *s = store_open(&scope_root, dir, &error);
    assert_non_null(s);
    assert_int_equal(store_begin(s), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(put(s, "fds", 60, 6000 + 60 * i, 10 + i), 0);
    assert_int_equal(put(s, "fds", 3600, 3600, 5), 0);
    assert_int_equal(put(s, "tasks", 60, 6060, 99), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);

    s = store_open(&scope_root, dir, &error);
    assert_int_equal(store_each_history(s, "fds", 60, 6060, 6120, see, &seen), 0);
    assert_int_equal(seen.n, 2);
    assert_true(seen.rows[0].start == 6060 && seen.rows[0].least == 10 && seen.rows[0].mean == 11 && seen.rows[0].most == 12);
    assert_true(seen.rows[1].start == 6120);

    assert_int_equal(store_begin(s), 0);
    assert_int_equal(put(s, "fds", 60, 6180, 21), 0); /* the same minute, after a restart */
    assert_int_equal(store_forget_history(s, 60, 6120), 0);
    assert_int_equal(store_commit(s), 0);
    seen.n = 0;
    assert_int_equal(store_each_history(s, "fds", 60, 0, 10000, see, &seen), 0);
    assert_int_equal(seen.n, 2);
    assert_true(seen.rows[1].least == 12 && seen.rows[1].mean == 17 && seen.rows[1].most == 22);
    seen.n = 0;
    assert_int_equal(store_each_history(s, "fds", 3600, 0, 10000, see, &seen), 0);
    assert_int_equal(seen.n, 1); /* of another length: not forgotten */
    seen.n = 0;
    assert_int_equal(store_each_history(s, "nobody", 60, 0, 10000, see, &seen), 0);
    assert_int_equal(seen.n, 0);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(steps_are_found_by_series_and_length_and_forgotten_by_age),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
