#include "codec/jsonfile.h"

#include <stdio.h>

#include "unit.h"

#define TIME "\"time\":\"2026-11-21T10:50:09.000000007Z\""
#define OUT "\",\"stream\":\"stdout\"," TIME "}\n"
#define ERR "\",\"stream\":\"stderr\"," TIME "}\n"
static const int64_t time_of_t = 1795258209000000007;

static char chunk[4096];
static struct mark marks[64];
static bool changed;

static uint32_t mark(const char *text, uint32_t *consumed)
{
    snprintf(chunk, sizeof chunk, "%s", text);
    memset(marks, 0xff, sizeof marks);
    changed = false;
    uint32_t n = jsonfile_mark(chunk, (uint32_t)strlen(text), marks, 64, consumed, &changed);
    assert_true(changed || strcmp(chunk, text) == 0);
    assert_string_equal(chunk + *consumed, text + *consumed);
    return n;
}

static void assert_mark(uint32_t i, uint16_t stream, uint16_t more, const char *text)
{
    assert_int_equal(marks[i].stream, stream);
    assert_int_equal(marks[i].more, more);
    assert_int_equal(marks[i].len, strlen(text));
    assert_memory_equal(chunk + marks[i].off, text, marks[i].len);
    assert_true(marks[i].time == (stream == WRAPPED_BARE ? WRAPPED_NO_TIME : time_of_t));
    assert_int_equal(chunk[marks[i].end - 1], '\n');
}

static void lines_give_up_their_wrapping(void **state)
{
    uint32_t consumed;
    const char *text = "{\"log\":\"a line\\n" OUT "{\"log\":\"  indented \\n" ERR "{\"log\":\"\\n" OUT;
    assert_int_equal(mark(text, &consumed), 3);
    assert_mark(0, WRAPPED_STDOUT, 0, "a line");
    assert_mark(1, WRAPPED_STDERR, 0, "  indented ");
    assert_mark(2, WRAPPED_STDOUT, 0, "");
    assert_int_equal(consumed, strlen(text));
    assert_int_equal(marks[2].end, consumed);
    assert_false(changed);
}

static void texts_are_unescaped_where_they_lie(void **state)
{
    uint32_t consumed;
    assert_int_equal(mark("{\"log\":\"\\\"q\\\" \\\\n \\/ \\b\\f\\t\\r|\\u003cb\\u003E \\u00fc \\u20ac \\ud83d\\ude00.\\n" OUT
                          "{\"log\":\"a\\r\\n" OUT "{\"log\":\"\\ud83d \\udE00x\\n" OUT,
                          &consumed), 3);
    assert_mark(0, WRAPPED_STDOUT, 0, "\"q\" \\n / \b\f\t\r|<b> ü € 😀.");
    assert_mark(1, WRAPPED_STDOUT, 0, "a");
    assert_mark(2, WRAPPED_STDOUT, 0, "\xEF\xBF\xBD \xEF\xBF\xBDx");
    assert_true(changed);
}

static void a_text_without_its_end_is_a_piece(void **state)
{
    uint32_t consumed;
    assert_int_equal(mark("{\"log\":\"one" OUT "{\"log\":\"err\\n" ERR "{\"log\":\"" OUT "{\"log\":\"\\\\n" OUT "{\"log\":\"end\\n" OUT,
                          &consumed), 5);
    assert_mark(0, WRAPPED_STDOUT, 1, "one");
    assert_mark(1, WRAPPED_STDERR, 0, "err");
    assert_mark(2, WRAPPED_STDOUT, 1, "");
    assert_mark(3, WRAPPED_STDOUT, 1, "\\n");
    assert_mark(4, WRAPPED_STDOUT, 0, "end");
}

static void attrs_and_other_keys_are_passed_over(void **state)
{
    uint32_t consumed;
    assert_int_equal(mark("{\"log\":\"a\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"}\\\"{\",\"o\":{\"p\":\"q\"}}," TIME "}\n"
                          "{\"log\":\"b\\n\",\"stream\":\"stderr\",\"attrs\":{}," TIME "}\n"
                          "{ " TIME ", \"x\": [1, {\"log\": \"no\"}], \"stream\": \"stderr\", \"log\": \"c\\n\" }\r\n",
                          &consumed), 3);
    assert_mark(0, WRAPPED_STDOUT, 0, "a");
    assert_mark(1, WRAPPED_STDERR, 0, "b");
    assert_mark(2, WRAPPED_STDERR, 0, "c");
}

static void what_is_not_in_the_form_is_a_record_as_it_is(void **state)
{
    static const char *const bad[] = {"", "bare", "{", "{\"log\":\"cut off by a po{\"log\":\"next\\n\",\"stream\":\"stdout\"," TIME "}",
                                      "{\"log\":\"a\\n\",\"stream\":\"stdout\"}", "{\"log\":\"a\\n\"," TIME "}", "{\"stream\":\"stdout\"," TIME "}",
                                      "{\"log\":\"a\\x\",\"stream\":\"stdout\"," TIME "}", "{\"log\":\"a\\u12\",\"stream\":\"stdout\"," TIME "}",
                                      "{\"log\":\"a\",\"stream\":\"stdin\"," TIME "}", "{\"log\":1,\"stream\":\"stdout\"," TIME "}",
                                      "{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"yesterday\"}", "{\"log\":\"a\",\"stream\":\"stdout\"," TIME "} x",
                                      "{\"log\":\"a\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"," TIME "}", "[]"};
    char text[256];
    uint32_t consumed;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "%s\n", bad[i]);
        assert_int_equal(mark(text, &consumed), 1);
        assert_mark(0, WRAPPED_BARE, 0, bad[i]);
        assert_false(changed);
    }
}

static void what_has_no_end_is_left_as_it_is(void **state)
{
    uint32_t consumed;
    const char *whole = "{\"log\":\"\\tx\\n" OUT;
    char text[512];
    for (size_t n = 0; n < strlen(whole); n++) {
        snprintf(text, sizeof text, "%s%.*s", whole, (int)n, whole);
        assert_int_equal(mark(text, &consumed), 1);
        assert_int_equal(consumed, strlen(whole));
        assert_mark(0, WRAPPED_STDOUT, 0, "\tx");
    }
    snprintf(chunk, sizeof chunk, "%s%s", whole, whole);
    assert_int_equal(jsonfile_mark(chunk, (uint32_t)strlen(chunk), marks, 1, &consumed, &changed), 1);
    assert_string_equal(chunk + consumed, whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_give_up_their_wrapping),
        TEST(texts_are_unescaped_where_they_lie),
        TEST(a_text_without_its_end_is_a_piece),
        TEST(attrs_and_other_keys_are_passed_over),
        TEST(what_is_not_in_the_form_is_a_record_as_it_is),
        TEST(what_has_no_end_is_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
