#include "codec/loki.h"

#include <stdlib.h>

#include "unit.h"

/* A request with one stream without entries takes this, then what the entries take. */
#define STREAM "\x0a\x84\x80\x80\x00\x0a\x02{}"

static char out[4096];

static struct loki_encoder encoder(size_t cap, size_t max_line)
{
    struct loki_encoder e = {.out = out, .cap = cap, .max_line = max_line};
    memset(out, 'x', sizeof out);
    assert_int_equal(loki_stream_begin(&e, "{}", 2), 0);
    return e;
}

static void assert_entry(size_t n, const char *expected, size_t n_expected)
{
    assert_int_equal(n, 9 + n_expected);
    assert_memory_equal(out + 5, "\x0a\x02{}", 4);
    assert_memory_equal(out + 9, expected, n_expected);
}

static void a_stream_has_a_length_of_four_bytes(void **state)
{
    struct loki_encoder e = encoder(64, 0);
    loki_stream_end(&e);
    assert_int_equal(e.len, 9);
    assert_memory_equal(out, STREAM, 9);
    e = encoder(1024, 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(loki_entry(&e, 0, "0123456789", 10, NULL, 0), 0);
    loki_stream_end(&e); /* 4 + 10 * 20 */
    assert_int_equal(e.len, 209);
    assert_memory_equal(out, "\x0a\xcc\x81\x80\x00", 5);
}

static void entries_are_time_line_and_metadata(void **state)
{
    struct loki_encoder e = encoder(128, 0);
    char metadata[32];
    long n = loki_metadata(&(struct loki_pair){"k", "v"}, 1, metadata, sizeof metadata);
    assert_int_equal(n, 8);
    assert_memory_equal(metadata, "\x1a\x06\x0a\x01k\x12\x01v", 8);
    assert_int_equal(loki_entry(&e, 2000000300, "hello", 5, metadata, 8), 0);
    assert_entry(e.len, "\x12\x16\x0a\x05\x08\x02\x10\xac\x02\x12\x05hello\x1a\x06\x0a\x01k\x12\x01v", 24);
}

static void times_before_1970_have_nanos_too(void **state)
{
    struct loki_encoder e = encoder(128, 0);
    assert_int_equal(loki_entry(&e, -1, "", 0, NULL, 0), 0);
    assert_entry(e.len,
                 "\x12\x15\x0a\x11\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\xff\x93\xeb\xdc\x03\x12\x00",
                 23);
}

static void assert_line(const char *line, size_t max_line, const char *expected, uint64_t cut)
{
    struct loki_encoder e = encoder(256, max_line);
    size_t n = strlen(line), n_expected = strlen(expected);
    assert_int_equal(loki_entry(&e, 0, line, n, NULL, 0), 0);
    assert_int_equal(e.cut, cut);
    assert_int_equal(e.len, 9 + 10 + n_expected);
    assert_int_equal(out[18], n_expected);
    assert_memory_equal(out + 19, expected, n_expected);
    for (size_t split = 0; split <= n; split++) { /* the same in two marks */
        struct mark marks[2] = {{.len = (uint32_t)split, .more = 1},
                                {.off = (uint32_t)split, .len = (uint32_t)(n - split)}};
        e = encoder(256, max_line);
        assert_int_equal(loki_entry_marks(&e, marks->time, line, marks, 2, NULL, 0), 0);
        assert_int_equal(e.cut, cut);
        assert_int_equal(e.len, 9 + 10 + n_expected);
        assert_memory_equal(out + 19, expected, n_expected);
    }
}

static void lines_are_repaired_and_cut(void **state)
{
    assert_line("as it is", 0, "as it is", 0);
    assert_line("b\xff\xfe!", 0, "b\xef\xbf\xbd\xef\xbf\xbd!", 0);
    assert_line("\xf0\x9f\x98", 0, "\xef\xbf\xbd", 0);
    assert_line("\xe2\x82\xac\xe2\x82\xac", 6, "\xe2\x82\xac\xe2\x82\xac", 0);
    assert_line("\xe2\x82\xac\xe2\x82\xac", 5, "\xe2\x82\xac", 3);
    assert_line("abcdef", 4, "abcd", 2);
    assert_line("abc\xff""def", 5, "abc", 4); /* the repair takes three bytes */
    assert_line("abc\xff""def", 6, "abc\xef\xbf\xbd", 3);
}

/* With any capacity: all of it or nothing, and not a byte more. */
static void what_does_not_fit_is_not_written(void **state)
{
    static const char line[] = "b\xff\xe2\x82\xac";
    struct mark marks[2] = {{.len = 3, .more = 1}, {.off = 3, .len = 2}};
    for (size_t cap = 0; cap < 64; cap++) {
        char *exact = malloc(cap + !cap);
        struct loki_encoder e = {.out = exact, .cap = cap};
        if (loki_stream_begin(&e, "{}", 2) < 0) {
            assert_int_equal(e.len, 0);
        } else {
            int alone = loki_entry(&e, -1, line, 5, "\x1a\x00", 2);
            assert_true(alone == 0 ? e.len > 9 : alone == -ENOSPC && e.len == 9);
            e.len = 9;
            assert_int_equal(loki_entry_marks(&e, marks->time, line, marks, 2, "\x1a\x00", 2), alone);
            assert_true(alone == 0 ? e.len > 9 : e.len == 9);
            assert_int_equal(alone, cap - 9 >= loki_entry_bound(7, 2) ? 0 : -ENOSPC);
        }
        free(exact);
    }
}

static void a_stream_ends_before_256_mib(void **state)
{
    struct loki_encoder e = encoder(64, 0);
    e.cap = 1 << 30;
    e.len = (1 << 28) - 10;
    assert_int_equal(loki_entry(&e, 0, "x", 1, NULL, 0), -EFBIG);
    assert_int_equal(e.len, (1 << 28) - 10);
}

static void labels_are_quoted_and_repaired(void **state)
{
    const char *expected = "{a=\"x\\\"\\\\\\n\\u0001\", b=\"\xef\xbf\xbd\"}";
    const struct loki_pair pairs[] = {{"a", "x\"\\\n\x01"}, {"b", "\xff"}};
    char room[64];
    assert_int_equal(loki_labels(pairs, 2, room, sizeof room), strlen(expected));
    assert_string_equal(room, expected);
    assert_int_equal(loki_labels(NULL, 0, room, sizeof room), 2);
    assert_string_equal(room, "{}");
    assert_int_equal(loki_labels(&(struct loki_pair){"a", "\xf0\x9f\x98"}, 1, room, sizeof room), 9);
    assert_string_equal(room, "{a=\"\xef\xbf\xbd\"}"); /* as long as its repair */
    for (size_t cap = 0; cap < strlen(expected) + 1; cap++) {
        char *exact = malloc(cap + !cap);
        assert_int_equal(loki_labels(pairs, 2, exact, cap), -ENOSPC);
        free(exact);
    }
}

static void metadata_is_repaired(void **state)
{
    const struct loki_pair pairs[] = {{"a", "\xff"}, {"b", ""}};
    char room[64];
    assert_int_equal(loki_metadata(pairs, 2, room, sizeof room), 17);
    assert_memory_equal(room, "\x1a\x08\x0a\x01""a\x12\x03\xef\xbf\xbd\x1a\x05\x0a\x01""b\x12\x00", 17);
    assert_int_equal(loki_metadata(pairs, 2, room, 17), 17);
    assert_int_equal(loki_metadata(pairs, 2, room, 16), -ENOSPC);
    assert_int_equal(loki_metadata(pairs, 0, room, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stream_has_a_length_of_four_bytes),
        TEST(entries_are_time_line_and_metadata),
        TEST(times_before_1970_have_nanos_too),
        TEST(lines_are_repaired_and_cut),
        TEST(what_does_not_fit_is_not_written),
        TEST(a_stream_ends_before_256_mib),
        TEST(labels_are_quoted_and_repaired),
        TEST(metadata_is_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
