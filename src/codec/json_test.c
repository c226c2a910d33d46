#include "codec/json.h"

#include <stdlib.h>

#include "unit.h"

static void assert_written(const char *text, size_t n, const char *expected)
{
    struct buf b;
    assert_int_equal(buf_begin(&b, &scope_root, "json", 1 << 20), 0);
    assert_int_equal(json_add_string(&b, text, n), 0);
    assert_string_equal(b.data, expected);
    buf_end(&b);
}

static void strings_are_escaped(void **state)
{
    assert_written("", 0, "\"\"");
    assert_written("plain", 5, "\"plain\"");
    assert_written("\"\\/", 3, "\"\\\"\\\\/\"");
    assert_written("\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\"");
    assert_written("a\0b\x1f\x7f", 5, "\"a\\u0000b\\u001f\\u007f\"");
    assert_written("\xe2\x82\xac", 3, "\"\xe2\x82\xac\"");
}

static void what_is_not_utf8_is_repaired(void **state)
{
    assert_written("a\xff\n\xe2\x82", 5, "\"a\xef\xbf\xbd\\n\xef\xbf\xbd\"");
    assert_written("\xe2\x82\"\xac", 4, "\"\xef\xbf\xbd\\\"\xef\xbf\xbd\"");
    assert_written("\xf0\x9f\x98", 3, "\"\xef\xbf\xbd\""); /* as long as its repair */
}

static void what_does_not_fit_is_not_begun(void **state)
{
    struct buf b;
    assert_int_equal(buf_begin(&b, &scope_root, "json", 9), 0);
    assert_int_equal(json_add_cstring(&b, "abc"), 0);
    assert_int_equal(json_add_cstring(&b, "ab"), 0);
    buf_clear(&b);
    assert_int_equal(json_add_cstring(&b, "ab"), 0);
    assert_int_equal(json_add_cstring(&b, "a\x01"), -EFBIG);
    assert_true(b.failed);
    assert_string_equal(b.data, "\"ab\"");
    assert_int_equal(b.len, 4);
    buf_end(&b);
}

/* The tokens as letters: {}[] as they are, k s n t f 0, and E for an error. */
static const char *tokens(const char *text)
{
    static const char letters[] = "E {}[]ksntf0";
    static char out[512];
    struct json j;
    size_t n = 0, size = strlen(text);
    char *exact = calloc(1, size + !size); /* so that a sanitizer sees its end */
    memcpy(exact, text, size);
    json_begin(&j, exact, size);
    while (json_next(&j) > JSON_END && n < sizeof out - 2)
        out[n++] = letters[j.type];
    if (j.type == JSON_ERROR)
        out[n++] = 'E';
    assert_int_equal(json_next(&j), j.type);
    assert_true((j.type == JSON_ERROR) == (j.error != NULL));
    assert_true(j.at <= size);
    out[n] = 0;
    free(exact);
    return out;
}

static void tokens_come_in_order(void **state)
{
    assert_string_equal(tokens("[]"), "[]");
    assert_string_equal(tokens(" 1 "), "n");
    assert_string_equal(tokens("\"\""), "s");
    assert_string_equal(tokens("[[],{}]"), "[[]{}]");
    assert_string_equal(tokens("{\"a\":[1,-2.5e+3,true,null,{}],\"b\\u00e9\" : \"\\ud83d\\ude00x\"}"),
                        "{k[nnt0{}]ks}");
    assert_string_equal(tokens("[0,-0,0.0,1E5,1e-5,false]\r\n\t"), "[nnnnnf]");
}

static void it_is_strict(void **state)
{
    static const char *const wrong[] = {
        "", " ", "{", "[", "[1", "[1,]", "[,1]", "{\"a\":1,}", "{\"a\" 1}", "{\"a\":}", "{\"a\"}", "{1:2}", "{,}",
        "01", "-", "-01", "+1", "1.", ".5", "1e", "1e+", "1.e1", "0x1", "NaN", "nul", "tru", "truex", "'a'",
        "\"a", "\"a\\", "\"\\\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u12\"", "\"\\u123", "\"\t\"", "\"\xff\"", "\"\xe2\x82\"",
        "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\ud800\\ud800\"",
        "[1] 2", "1 1", "[]]", "]", "}", "[}", "{]", "[1}", "{\"a\":1]", "/**/1", "[1 2]",
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *got = tokens(wrong[i]);
        if (!*got || got[strlen(got) - 1] != 'E')
            fail_msg("%s was read as %s", wrong[i], got);
    }
}

static void errors_say_where(void **state)
{
    struct json j;
    json_begin(&j, "{\"a\": tru}", 10);
    while (json_next(&j) > JSON_END)
        ;
    assert_int_equal(j.at, 6);
    assert_string_equal(j.error, "unexpected word");
    json_begin(&j, "[\"ab\\q\"]", 8);
    while (json_next(&j) > JSON_END)
        ;
    assert_int_equal(j.at, 4);
}

static void depth_is_bounded(void **state)
{
    char deep[2 * JSON_DEPTH + 2];
    memset(deep, '[', JSON_DEPTH);
    memset(deep + JSON_DEPTH, ']', JSON_DEPTH);
    deep[2 * JSON_DEPTH] = 0;
    assert_string_equal(tokens(deep), deep);
    memset(deep, '[', JSON_DEPTH + 1);
    struct json j;
    json_begin(&j, deep, sizeof deep - 1);
    while (json_next(&j) > JSON_END)
        ;
    assert_int_equal(j.type, JSON_ERROR);
    assert_int_equal(j.at, JSON_DEPTH);
}

static void assert_text(struct json *j, const char *expected)
{
    char out[64];
    size_t n = json_unescape(j, out);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
}

static void strings_are_unescaped(void **state)
{
    const char *text = "[\"\\ud83d\\ude00\\u00e9\\u20aC\\n\\/\", \"as it is\", \"\\b\\f\\r\\t\\\"\\\\\"]";
    struct json j;
    json_begin(&j, text, strlen(text));
    assert_int_equal(json_next(&j), JSON_ARRAY_BEGIN);
    assert_int_equal(json_next(&j), JSON_STRING);
    assert_true(j.escaped);
    assert_text(&j, "\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac\n/");
    assert_int_equal(json_next(&j), JSON_STRING);
    assert_false(j.escaped);
    assert_true(json_is(&j, "as it is"));
    assert_false(json_is(&j, "as it i"));
    assert_text(&j, "as it is");
    assert_int_equal(json_next(&j), JSON_STRING);
    assert_text(&j, "\b\f\r\t\"\\");
}

static void integers_fit_or_are_none(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},          {"-0", true, 0},
        {"42", true, 42},        {"-42", true, -42},
        {"1.0", false},          {"1e3", false},
        {"true", false},         {"\"1\"", false},
        {"9223372036854775807", true, INT64_MAX}, {"9223372036854775808", false},
        {"-9223372036854775808", true, INT64_MIN}, {"-9223372036854775809", false},
        {"18446744073709551616", false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json j;
        int64_t value = cases[i].value;
        json_begin(&j, cases[i].text, strlen(cases[i].text));
        json_next(&j);
        if (json_int(&j, &value) != cases[i].good || value != cases[i].value)
            fail_msg("%s", cases[i].text);
    }
}

static void values_can_be_skipped(void **state)
{
    const char *text = "{\"a\": {\"x\": [1, {}]}, \"b\": 2, \"c\": [3, [4]], \"d\": 5}";
    struct json j;
    json_begin(&j, text, strlen(text));
    assert_int_equal(json_next(&j), JSON_OBJECT_BEGIN);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(json_next(&j), JSON_KEY);
        assert_true(json_is(&j, (const char *[]){"a", "b", "c"}[i]));
        assert_true(json_skip(&j));
    }
    assert_int_equal(json_next(&j), JSON_KEY);
    assert_int_equal(json_next(&j), JSON_NUMBER);
    assert_true(json_skip(&j)); /* nothing */
    assert_int_equal(json_next(&j), JSON_OBJECT_END);
    assert_int_equal(json_next(&j), JSON_END);
    json_begin(&j, "[1, [2, }", 9);
    assert_int_equal(json_next(&j), JSON_ARRAY_BEGIN);
    assert_false(json_skip(&j));
}

static void write_some(void)
{
    struct buf b;
    if (buf_begin(&b, &scope_root, "json", 1 << 20) == 0) {
        char text[1000];
        memset(text, '\n', sizeof text);
        int r = json_add_string(&b, text, sizeof text);
        assert_true(r == 0 ? b.len == 2 * sizeof text + 2 : b.failed && b.len == 0);
    }
    buf_end(&b);
}

static void it_survives_torture(void **state)
{
    TORTURE(write_some);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strings_are_escaped),
        TEST(what_is_not_utf8_is_repaired),
        TEST(what_does_not_fit_is_not_begun),
        TEST(tokens_come_in_order),
        TEST(it_is_strict),
        TEST(errors_say_where),
        TEST(depth_is_bounded),
        TEST(strings_are_unescaped),
        TEST(integers_fit_or_are_none),
        TEST(values_can_be_skipped),
        TEST(it_survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
