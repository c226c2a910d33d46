#include "core/letters/letter_ask.h"

#include "base/clock.h"
#include "core/letters/letter_json.h"
#include "unit.h"

static const char *read_it(struct letter_ask *ask, const char *text)
{
    return letter_ask_read(ask, text, strlen(text));
}

static void what_is_asked_is_read_and_written(void **state)
{
    struct letter_ask ask, again;
    struct buf out = {0};
    assert_null(read_it(&ask, " {\"sink\":\"a\\\"b\",\"reason\":\"too_old\",\"source\":\"/var/**\",\"older_than\":\"2h\",\"ids\":[9,7],"
                              "\"dry_run\":true}\n"));
    assert_string_equal(ask.filter.sink, "a\"b");
    assert_string_equal(ask.filter.code, "too_old");
    assert_int_equal(ask.filter.older_than, 2 * HOUR);
    assert_int_equal(ask.filter.n_ids, 2);
    assert_int_equal(ask.filter.ids[0], 7);
    assert_true(ask.dry_run && !ask.all && letter_ask_restricts(&ask));
    assert_int_equal(buf_begin(&out, &scope_root, "out", 4096), 0);
    assert_int_equal(letter_ask_write(&ask, &out), 0);
    assert_null(letter_ask_read(&again, out.data, out.len));
    assert_memory_equal(&ask, &again, sizeof ask);
    buf_end(&out);
    assert_null(read_it(&ask, ""));
    assert_null(read_it(&ask, "{\"all\":true}"));
    assert_false(letter_ask_restricts(&ask));
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct letter_ask ask;
    char many[8 * LETTER_IDS] = "{\"ids\":[1";
    static const char *const wrong[] = {
        "[]", "7", "{\"x\":1}", "{\"ids\":[0]}", "{\"ids\":[-1]}", "{\"ids\":[1.5]}", "{\"ids\":{}}", "{\"reason\":\"none\"}",
        "{\"source\":\"[\"}", "{\"older_than\":\"-1h\"}", "{\"older_than\":true}", "{\"all\":1}", "{\"sink\":\"a\\u0000b\"}", "{} {}",
        "{\"sink\":", "{\"sink\":[\"a\"]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!read_it(&ask, wrong[i]))
            fail_msg("%s", wrong[i]);
    for (int i = 0; i < LETTER_IDS; i++)
        strcat(many, ",1");
    strcat(many, "]}");
    assert_non_null(read_it(&ask, many));
}

static bool takes(const char *text, int64_t id, const char *name)
{
    struct letter_ask ask;
    const struct store_letter l = {.id = id, .source_key = "file:1", .source_name = name};
    assert_null(read_it(&ask, text));
    return letter_filter_takes(&ask.filter, &l);
}

static void a_filter_takes_what_it_says(void **state)
{
    assert_true(takes("{}", 3, "/a/b"));
    assert_true(takes("{\"ids\":[5,3]}", 3, "/a/b"));
    assert_false(takes("{\"ids\":[5,3]}", 4, "/a/b"));
    assert_true(takes("{\"source\":\"/a/*\"}", 3, "/a/b"));
    assert_false(takes("{\"source\":\"/a/*\"}", 3, "/a/b/c"));
    assert_true(takes("{\"source\":\"file:1\"}", 3, "/x"));
    struct letter_ask ask;
    assert_null(read_it(&ask, "{\"ids\":[5,3],\"older_than\":\"1s\"}"));
    struct store_letter_query q = letter_filter_query(&ask.filter, 10 * SECOND);
    assert_int_equal(q.after, 2);
    assert_int_equal(q.until, 5);
    assert_int_equal(q.before, 9 * SECOND + 1); /* exactly so old is old enough */
    assert_null(q.sink);
}

static void a_letter_is_written_to_the_byte(void **state)
{
    struct buf out = {0};
    struct store_letter l = {.id = 1, .sink = "loki", .source_key = "k", .source_name = "/a", .place = 2, .code = "invalid",
                             .says = "no\n", .refused_at = 1, .tried_at = 1, .attempts = 1, .time = -1, .labels = "{}",
                             .line = "\xff\0x", .line_n = 3};
    assert_int_equal(buf_begin(&out, &scope_root, "out", 4096), 0);
    assert_int_equal(letter_json(&out, &l), 0);
    assert_non_null(strstr(out.data, "\"line\":\"\xef\xbf\xbd\\u0000x\",\"line_base64\":\"/wB4\",\"bytes\":3}"));
    assert_non_null(strstr(out.data, "\"time\":\"1969-12-31T23:59:59.999999999Z\",\"time_ns\":\"-1\""));
    assert_non_null(strstr(out.data, "\"next_try\":null"));
    static const struct {
        const char *line, *base64;
    } pairs[] = {{"\xff", "/w=="}, {"\xff\xfe", "//4="}, {"\xff\xfe\xfd\xfc", "//79/A=="}};
    for (int i = 0; i < 3; i++) {
        char expected[40];
        buf_clear(&out);
        l.line = pairs[i].line;
        l.line_n = strlen(pairs[i].line);
        assert_int_equal(letter_json(&out, &l), 0);
        snprintf(expected, sizeof expected, "\"line_base64\":\"%s\"", pairs[i].base64);
        assert_non_null(strstr(out.data, expected));
    }
    buf_end(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_asked_is_read_and_written),
        TEST(what_makes_no_sense_is_refused),
        TEST(a_filter_takes_what_it_says),
        TEST(a_letter_is_written_to_the_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
