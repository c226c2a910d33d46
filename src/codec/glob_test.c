#include "codec/glob.h"

#include "unit.h"

static void matches(const char *pattern, const char *path)
{
    if (glob_check(pattern) || !glob_match(pattern, path))
        fail_msg("'%s' does not match '%s'", pattern, path);
}

static void misses(const char *pattern, const char *path)
{
    if (glob_check(pattern) || glob_match(pattern, path))
        fail_msg("'%s' matches '%s'", pattern, path);
}

static void a_star_stays_within_a_directory(void **state)
{
    matches("/a/*", "/a/b");
    matches("/a/*", "/a/");
    matches("/a/*", "/a/.hidden");
    misses("/a/*", "/a/b/c");
    matches("/a/*/c", "/a/b/c");
    misses("/a/*/c", "/a/c");
    matches("/a/x*y*z", "/a/xaybz");
    misses("/a/x*y*z", "/a/xaybzc");
    matches("/a/?", "/a/b");
    misses("/a/?", "/a/");
    misses("/a?b", "/a/b");
}

static void two_stars_go_through_directories(void **state)
{
    matches("/a/**", "/a/b/c");
    matches("/var/log/**/*.log", "/var/log/a.log");
    matches("/var/log/**/*.log", "/var/log/x/y/a.log");
    misses("/var/log/**/*.log", "/var/lib/a.log");
    matches("**/foo", "foo");
    matches("**/foo", "a/b/foo");
    misses("**/foo", "xfoo");
    misses("**/foo", "a/xfoo");
    matches("/a**z", "/ab/c/z");
    matches("/***/b", "/b");
}

/* "No directory at all" only where a component begins, however the pattern got there. */
static void no_directory_only_between_slashes(void **state)
{
    misses("/a**/b", "/ab");
    matches("/a**/b", "/ax/b");
    misses("/a,**/b", "/a,b");
    misses("/\\{**/b", "/{b");
    misses("/a{**/,}b", "/axb");
    matches("/a{**/,}b", "/ab");
    matches("/{**/,x}b", "/b");
    matches("/{a/,b}**/c", "/a/c");
    misses("/{a/,b}**/c", "/bc");
}

static void without_a_slash_it_is_the_name(void **state)
{
    matches("*.gz", "/a/b.gz");
    matches("*.gz", "b.gz");
    misses("*.gz", "/a.gz/b");
    matches("*", "");
    matches("web", "/srv/web");
}

static void classes_and_escapes(void **state)
{
    matches("[a-c]", "b");
    misses("[a-c]", "d");
    matches("[!a-c]", "d");
    misses("[^a-c]", "b");
    misses("[!a]", "");
    matches("[]]", "]");
    matches("[!]]", "a");
    matches("[a-]", "-");
    matches("[\\]]", "]");
    matches("[\\a-\\c]", "b");
    misses("[c-a]", "b");
    misses("/a[!b]c", "/a/c");
    matches("a\\*", "a*");
    misses("a\\*", "ab");
    matches("\\\\", "\\");
    matches("[*]", "*");
}

static void braces_nest(void **state)
{
    matches("{a,b{c,d}}x", "ax");
    matches("{a,b{c,d}}x", "bdx");
    misses("{a,b{c,d}}x", "bx");
    misses("{a,b}x", "cx");
    matches("/a{,/b}/c", "/a/c");
    matches("/a{,/b}/c", "/a/b/c");
    matches("{a}", "a");
    matches("{}", "");
    matches("a,b", "a,b");
    misses("{a,b}", "a,b");
    matches("{a\\,b,c}", "a,b");
    matches("{[,],x}", ",");
}

static void mistakes_are_named(void **state)
{
    assert_string_equal(glob_check("[a"), "'[' without ']'");
    assert_string_equal(glob_check("[]"), "'[' without ']'");
    assert_string_equal(glob_check("[!]"), "'[' without ']'");
    assert_string_equal(glob_check("[a\\"), "'[' without ']'");
    assert_string_equal(glob_check("{a"), "'{' without '}'");
    assert_string_equal(glob_check("a}"), "'}' without '{'");
    assert_string_equal(glob_check("a\\"), "'\\' at the end escapes nothing");
    assert_string_equal(glob_check(""), "the pattern is empty");
    assert_false(glob_match("[a", "[a"));
}

static void the_longest_pattern_and_no_longer(void **state)
{
    char pattern[GLOB_MAX + 2], path[GLOB_MAX + 1];
    memset(pattern, '*', sizeof pattern);
    pattern[GLOB_MAX + 1] = 0;
    assert_non_null(glob_check(pattern));
    pattern[GLOB_MAX] = 0;
    memset(path, 'a', GLOB_MAX);
    path[GLOB_MAX] = 0;
    matches(pattern, path);
    memset(pattern, '?', GLOB_MAX);
    matches(pattern, path);
    misses(pattern, path + 1);
    for (unsigned i = 0; i < GLOB_MAX; i += 2)
        memcpy(pattern + i, "*a", 2);
    matches(pattern, path);
    path[GLOB_MAX - 1] = 'b';
    misses(pattern, path);
}

static void assert_root(const char *pattern, const char *expected)
{
    char out[64];
    assert_ptr_equal(glob_root(pattern, out, sizeof out), out);
    assert_string_equal(out, expected);
}

static void the_root_is_the_constant_part(void **state)
{
    char out[6];
    assert_root("/var/log/**/x", "/var/log");
    assert_root("/var/log/a", "/var/log");
    assert_root("/var/l*", "/var");
    assert_root("/{a,b}/c", "/");
    assert_root("/**", "/");
    assert_root("*.log", "");
    assert_root("/a\\*b/c*", "/a*b");
    assert_root("/var//*", "/var");
    assert_root("//*", "/");
    assert_non_null(glob_root("/a/b/*", out, 6)); /* its slash and the NUL */
    assert_null(glob_root("/a/b/*", out, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_star_stays_within_a_directory),
        TEST(two_stars_go_through_directories),
        TEST(no_directory_only_between_slashes),
        TEST(without_a_slash_it_is_the_name),
        TEST(classes_and_escapes),
        TEST(braces_nest),
        TEST(mistakes_are_named),
        TEST(the_longest_pattern_and_no_longer),
        TEST(the_root_is_the_constant_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
