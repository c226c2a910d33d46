#include "codec/doc.h"

#include <math.h>

#include "unit.h"

static struct buf out;

static void begin(void)
{
    assert_int_equal(buf_begin(&out, &scope_root, "doc", 4096), 0);
}

static void ends_as(const char *expected)
{
    assert_false(out.failed);
    assert_string_equal(out.data, expected);
    buf_end(&out);
}

static void commas_and_levels(void **state)
{
    begin();
    struct doc d = {.out = &out};
    doc_object(&d, NULL);
    doc_array(&d, "a");
    doc_array_end(&d);
    doc_object(&d, "o");
    doc_uint(&d, "u", UINT64_MAX);
    doc_int(&d, "i", INT64_MIN);
    doc_object_end(&d);
    doc_raw(&d, NULL, "");
    doc_raw(&d, NULL, "\"x\":1,\"y\":2");
    doc_bool(&d, "b", true);
    doc_object_end(&d);
    ends_as("{\"a\":[],\"o\":{\"u\":18446744073709551615,\"i\":-9223372036854775808},"
            "\"x\":1,\"y\":2,\"b\":true}");
}

static void text_is_escaped(void **state)
{
    begin();
    struct doc d = {.out = &out};
    doc_array(&d, NULL);
    doc_string(&d, NULL, "q\"b\\n\n\x01\x7f");
    doc_string(&d, NULL, "\xc3\xa9 \xff \xc0\xaf \xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x82");
    doc_string(&d, NULL, NULL);
    doc_array_end(&d);
    ends_as("[\"q\\\"b\\\\n\\n\\u0001\\u007f\","
            "\"\xc3\xa9 \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xf0\x9f\x98\x80 \xef\xbf\xbd\",null]");
}

static void numbers_and_times(void **state)
{
    begin();
    struct doc d = {.out = &out};
    doc_array(&d, NULL);
    doc_real(&d, NULL, 0.25);
    doc_real(&d, NULL, 12541952);
    doc_real(&d, NULL, NAN);
    doc_time(&d, NULL, 0);
    doc_time(&d, NULL, INT64_C(1700000000123456789));
    doc_array_end(&d);
    ends_as("[0.25,12541952,null,null,\"2023-11-14T22:13:20.123Z\"]");
}

static void numbers_are_as_short_as_they_are_exact(void **state)
{
    char text[NUMBER_TEXT];
    assert_string_equal(number_text(0.1, text), "0.1");
    assert_string_equal(number_text(123456789 / 1e9, text), "0.123456789");
    assert_string_equal(number_text(9007199254740991.0, text), "9007199254740991");
    assert_string_equal(number_text(0.1 + 0.2, text), "0.30000000000000004");
    assert_string_equal(number_text(NAN, text), "nan");
}

static void too_much_is_told(void **state)
{
    assert_int_equal(buf_begin(&out, &scope_root, "doc", 64), 0);
    struct doc d = {.out = &out};
    doc_array(&d, NULL);
    for (int i = 0; i < 100; i++)
        doc_uint(&d, NULL, 1000);
    assert_true(out.failed);
    buf_end(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commas_and_levels),
        TEST(text_is_escaped),
        TEST(numbers_and_times),
        TEST(numbers_are_as_short_as_they_are_exact),
        TEST(too_much_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
