#include "codec/utf8.h"

#include <stdlib.h>

#include "unit.h"

#define BAD "\xef\xbf\xbd"

static void assert_valid(const char *text, bool valid)
{
    size_t n = strlen(text);
    char *exact = calloc(1, n + !n); /* so that a sanitizer sees its end */
    memcpy(exact, text, n);
    if (utf8_valid(exact, n) != valid)
        fail_msg("\"%s\" is %svalid", text, valid ? "" : "not ");
    free(exact);
}

static void assert_repaired(const char *text, const char *expected)
{
    char out[256];
    size_t n = strlen(text), size = utf8_repair(text, n, out);
    assert_int_equal(utf8_repaired_size(text, n), size);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(out, expected, size);
    assert_true(utf8_valid(out, size));
}

static void the_borders_of_each_length(void **state)
{
    assert_valid("", true);
    assert_true(utf8_valid("\0", 1));
    assert_valid("\x7f", true);
    assert_valid("\x80", false);
    assert_valid("\xc1\xbf", false); /* overlong */
    assert_valid("\xc2\x80", true);
    assert_valid("\xdf\xbf", true);
    assert_valid("\xe0\x9f\xbf", false);
    assert_valid("\xe0\xa0\x80", true);
    assert_valid("\xed\x9f\xbf", true);
    assert_valid("\xed\xa0\x80", false); /* the first surrogate */
    assert_valid("\xed\xbf\xbf", false);
    assert_valid("\xee\x80\x80", true);
    assert_valid("\xef\xbf\xbf", true);
    assert_valid("\xf0\x8f\xbf\xbf", false);
    assert_valid("\xf0\x90\x80\x80", true);
    assert_valid("\xf4\x8f\xbf\xbf", true);
    assert_valid("\xf4\x90\x80\x80", false); /* beyond U+10FFFF */
    assert_valid("\xf5\x80\x80\x80", false);
    assert_valid("\xff", false);
}

static void a_bad_byte_is_found_at_every_place(void **state)
{
    char text[100];
    for (size_t n = 1; n <= sizeof text; n++) {
        memset(text, 'x', n);
        assert_true(utf8_valid(text, n));
        for (size_t at = 0; at < n; at++) {
            text[at] = '\xe2';
            assert_false(utf8_valid(text, n));
            assert_int_equal(utf8_repaired_size(text, n), n + 2);
            text[at] = 'x';
        }
    }
}

static void characters_cut_short_are_invalid(void **state)
{
    assert_valid("abcdefgh\xc3", false);
    assert_valid("abcdefgh\xe2\x82", false);
    assert_valid("abcdefgh\xf0\x9f\x98", false);
    assert_valid("\xe2\x82\xac""abcdefgh\xf0\x9f\x98\x80", true);
}

/* The examples of the Unicode Standard, 3.9, "U+FFFD Substitution of Maximal Subparts". */
static void each_maximal_part_becomes_one_replacement(void **state)
{
    assert_repaired("plain", "plain");
    assert_repaired("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", BAD BAD BAD BAD BAD BAD BAD BAD "A");
    assert_repaired("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", BAD BAD BAD BAD BAD BAD BAD BAD "A");
    assert_repaired("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", BAD BAD BAD BAD BAD "A" BAD BAD "B");
    assert_repaired("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", BAD BAD BAD BAD "A");
    assert_repaired("a\xff\xe2\x82z", "a" BAD BAD "z");
}

static void repair_may_overlap(void **state)
{
    const char *text = "\xff" "a\xe2\x82" "b\xff\xff" "\xc3\xa9";
    const char *expected = BAD "a" BAD "b" BAD BAD "\xc3\xa9";
    size_t n = strlen(text), size = strlen(expected);
    char room[64];
    memcpy(room + size - n, text, n);
    assert_int_equal(utf8_repair(room + size - n, n, room), size);
    assert_memory_equal(room, expected, size);
}

static void a_cut_leaves_characters_whole(void **state)
{
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"; /* 1, 2, 3 and 4 bytes */
    const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10, 10};
    for (size_t max = 0; max < sizeof expected / sizeof *expected; max++)
        assert_int_equal(utf8_cut(text, 10, max), expected[max]);
    assert_int_equal(utf8_cut("abcdef", 6, 3), 3);
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
    assert_int_equal(utf8_cut("\xe2\x82xyz", 5, 1), 1); /* no character: cut anywhere */
}

static void what_fits_is_counted_after_the_repair(void **state)
{
    const char *text = "a\xff\xe2\x82\xac\xf0\x9f\x98"; /* 1, 1 -> 3, 3 and 3 -> 3 bytes */
    const size_t takes[] = {0, 1, 1, 1, 2, 2, 2, 5, 5, 5, 8, 8}, sizes[] = {0, 1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10};
    for (size_t max = 0; max < sizeof takes / sizeof *takes; max++) {
        size_t size = 99;
        assert_int_equal(utf8_fit(text, 8, max, &size), takes[max]);
        assert_int_equal(size, sizes[max]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_borders_of_each_length),
        TEST(a_bad_byte_is_found_at_every_place),
        TEST(characters_cut_short_are_invalid),
        TEST(each_maximal_part_becomes_one_replacement),
        TEST(repair_may_overlap),
        TEST(a_cut_leaves_characters_whole),
        TEST(what_fits_is_counted_after_the_repair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
