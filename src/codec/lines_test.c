#include "codec/lines.h"

#include <stdlib.h>

#include "unit.h"

static struct mark marks[256];

static uint32_t mark(const char *text, uint32_t cap, uint32_t *consumed)
{
    memset(marks, 0xff, sizeof marks);
    return lines_mark(text, (uint32_t)strlen(text), marks, cap, consumed);
}

static void assert_line(uint32_t i, uint32_t off, uint32_t len, uint32_t end)
{
    assert_int_equal(marks[i].off, off);
    assert_int_equal(marks[i].len, len);
    assert_int_equal(marks[i].end, end);
    assert_int_equal(marks[i].stream, 0);
    assert_int_equal(marks[i].more, 0);
    assert_int_equal(marks[i].time, 0);
}

static void lines_are_marked_without_their_ends(void **state)
{
    uint32_t consumed;
    assert_int_equal(mark("ab\n\ncd\r\n\r\n\r\r\ne\rf\n", 256, &consumed), 6);
    assert_line(0, 0, 2, 3);
    assert_line(1, 3, 0, 4);
    assert_line(2, 4, 2, 8);
    assert_line(3, 8, 0, 10);
    assert_line(4, 10, 1, 13); /* one '\r' belongs to the end, not two */
    assert_line(5, 13, 3, 17);
    assert_int_equal(consumed, 17);
}

static void what_has_no_end_is_left(void **state)
{
    uint32_t consumed = 7;
    assert_int_equal(mark("", 256, &consumed), 0);
    assert_int_equal(consumed, 0);
    assert_int_equal(mark("no end\r", 256, &consumed), 0);
    assert_int_equal(consumed, 0);
    assert_int_equal(mark("a\nb", 256, &consumed), 1);
    assert_int_equal(consumed, 2);
}

static void no_more_than_cap(void **state)
{
    uint32_t consumed;
    assert_int_equal(mark("a\nb\nc\n", 2, &consumed), 2);
    assert_int_equal(consumed, 4);
    assert_int_equal(marks[2].off, UINT32_MAX);
    assert_int_equal(mark("a\n", 0, &consumed), 0);
    assert_int_equal(consumed, 0);
}

/* Where the ends of lines lie must not matter to how many bytes are compared at a time. */
static void a_newline_is_found_at_every_place(void **state)
{
    for (uint32_t size = 1; size <= 200; size++) {
        char *text = malloc(size); /* so that a sanitizer sees its bounds */
        for (uint32_t at = 0; at < size; at++) {
            uint32_t consumed;
            memset(text, 'x', size);
            text[at] = '\n';
            assert_int_equal(lines_mark(text, size, marks, 256, &consumed), 1);
            assert_line(0, 0, at, at + 1);
            assert_int_equal(consumed, at + 1);
        }
        free(text);
    }
}

static void only_newlines_in_steps_of_every_cap(void **state)
{
    char text[200];
    memset(text, '\n', sizeof text);
    for (uint32_t cap = 1; cap <= 201; cap++) {
        uint32_t at = 0, consumed;
        for (uint32_t n; (n = lines_mark(text + at, sizeof text - at, marks, cap, &consumed)) > 0; at += n) {
            assert_int_equal(consumed, n);
            assert_line(n - 1, n - 1, 0, n);
        }
        assert_int_equal(at, sizeof text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_marked_without_their_ends),
        TEST(what_has_no_end_is_left),
        TEST(no_more_than_cap),
        TEST(a_newline_is_found_at_every_place),
        TEST(only_newlines_in_steps_of_every_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
