#include "net/secret.h"

#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

static char dir[64], file[80];

static int make_dir(void **state)
{
    int r = unit_directory(dir, sizeof dir, "secret");
    snprintf(file, sizeof file, "%s/secret", dir);
    return r;
}

static int remove_dir(void **state)
{
    unlink(file);
    return rmdir(dir) < 0 ? -1 : assert_tree_empty(state);
}

/* n times the character, and a line's end. */
static void write_file(char c, size_t n)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    while (n--)
        putc(c, f);
    putc('\n', f);
    assert_int_equal(fclose(f), 0);
}

static void a_value_is_given_without_a_file(void **state)
{
    struct secret s;
    secret_begin(&s, &scope_root, "hunter2", "");
    assert_string_equal(secret_get(&s), "hunter2");
    secret_end(&s);
}

static void a_file_is_followed(void **state)
{
    struct secret s;
    secret_begin(&s, &scope_root, "", file);
    assert_null(secret_get(&s));
    write_file('a', 3);
    assert_string_equal(secret_get(&s), "aaa");
    write_file('b', 4);
    assert_string_equal(secret_get(&s), "bbbb");
    assert_int_equal(unlink(file), 0);
    assert_string_equal(secret_get(&s), "bbbb");
    secret_end(&s);
}

static void a_file_is_taken_whole_or_not(void **state)
{
    struct secret s;
    secret_begin(&s, &scope_root, "", file);
    write_file('a', SECRET_MAX - 1);
    assert_int_equal(strlen(secret_get(&s)), SECRET_MAX - 1);
    write_file('b', SECRET_MAX);
    assert_int_equal(*secret_get(&s), 'a');
    assert_int_equal(strlen(secret_get(&s)), SECRET_MAX - 1);
    secret_end(&s);
    secret_begin(&s, &scope_root, "", file);
    assert_null(secret_get(&s));
    secret_end(&s);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_is_given_without_a_file),
        IN_DIR(a_file_is_followed),
        IN_DIR(a_file_is_taken_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
