#include "web/filter.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "unit.h"

static bool takes(const char *pattern, bool literal, bool any_case, const char *line)
{
    struct filter f;
    char why[FILTER_WHY];
    assert_int_equal(filter_begin(&f, &scope_root, pattern, literal, any_case, why), 0);
    bool yes = filter_takes(&f, line, strlen(line));
    filter_end(&f);
    return yes;
}

static void texts_and_expressions(void **state)
{
    assert_true(takes(NULL, true, false, "x"));
    assert_true(takes("", false, false, ""));
    assert_true(takes("a.c", true, false, "xa.cx"));
    assert_false(takes("a.c", true, false, "abc"));
    assert_false(takes("ERROR", true, false, "error"));
    assert_true(takes("ERROR", true, true, "an error"));
    assert_true(takes("a.c$", false, false, "abc"));
    assert_true(takes("\xff.b", false, false, "\xff\xfe" "b"));
}

static void what_is_wrong_is_said(void **state)
{
    struct filter f;
    char why[FILTER_WHY], huge[FILTER_PATTERN + 2];
    assert_int_equal(filter_begin(&f, &scope_root, "a(", false, false, why), -EINVAL);
    assert_string_equal(why, "at character 2: missing closing parenthesis");
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    assert_int_equal(filter_begin(&f, &scope_root, huge, true, false, why), -EINVAL);
}

/* Without the limit this takes longer than the universe has. */
static void it_gives_up_on_what_takes_too_long(void **state)
{
    struct filter f;
    char why[FILTER_WHY], line[3000];
    memset(line, 'a', sizeof line);
    assert_int_equal(filter_begin(&f, &scope_root, "^(a+)+$|(?:a*)*b", false, false, why), 0);
    line[sizeof line - 1] = '!';
    for (int i = 0; i < 100; i++)
        assert_false(filter_takes(&f, line, sizeof line));
    assert_int_equal(f.gave_up, 100);
    filter_end(&f);
}

static void make_one(void)
{
    struct filter f;
    char why[FILTER_WHY];
    if (filter_begin(&f, &scope_root, "a|b", false, false, why) == 0)
        filter_end(&f);
}

static void begin_under_torture(void **state)
{
    TORTURE(make_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(texts_and_expressions),
        TEST(what_is_wrong_is_said),
        TEST(it_gives_up_on_what_takes_too_long),
        TEST(begin_under_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
