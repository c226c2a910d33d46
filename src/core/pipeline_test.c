#include "core/pipeline.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "core/source.h"
#include "unit.h"

static struct world {
    struct scope scope;
    struct pool pool;
    struct source *source;
    struct stream *stream;
    struct buf error;
    struct files_group group;
    struct pipeline_tie tie;
} w;

static bool begin(void)
{
    w = (struct world){.group = {.multiline = {.start = "", .max_lines = 0},
                                 .timestamp = {.regex = "", .format = "auto"}}};
    if (scope_begin(&w.scope, &scope_root, "world") < 0)
        return false;
    sources_begin(&w.scope, NULL, 0);
    return buf_begin(&w.error, &w.scope, "error", 4096) == 0 && streams_begin(&w.scope) == 0 &&
           pool_begin(&w.pool, &w.scope, 1 << 20) == 0 &&
           (w.source = source_obtain(SOURCE_FILE, "k", "n")) &&
           (w.stream = stream_get(&(struct label){"a", "b"}, 1));
}

static void end(void)
{
    if (w.stream)
        stream_unref(w.stream);
    source_unref(w.source);
    sources_end();
    if (thing_alive(&w.pool.scope.thing))
        pool_end(&w.pool);
    streams_end();
    scope_end(&w.scope);
}

static struct batch *lines(const char *text)
{
    struct batch *b = batch_new(&w.pool, w.source, 16384, 32);
    if (!b)
        return NULL;
    b->used = (uint32_t)strlen(text);
    b->from = 100;
    memcpy(b->data, text, b->used);
    batch_stream(b, w.stream);
    uint32_t off = 0;
    for (const char *nl; (nl = strchr(text + off, '\n')); off = (uint32_t)(nl - text) + 1)
        batch_mark(b, (struct mark){.off = off,
                                    .len = (uint32_t)(nl - text) - off,
                                    .end = (uint32_t)(nl - text) + 1});
    b->to = b->from + off;
    return b;
}

static void assert_record(const struct batch *b, uint32_t i, const char *text)
{
    assert_true(i < b->n);
    assert_int_equal(b->marks[i].len, strlen(text));
    assert_memory_equal(b->data + b->marks[i].off, text, strlen(text));
}

static void without_rules_each_line_has_a_time_of_its_own(void **state)
{
    assert_true(begin());
    struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
    struct batch *b = lines("a\n\nc\n");
    assert_int_equal(pipeline_run(p, b, 1000, &w.tie, 4096, false), 0);
    assert_int_equal(b->n, 3);
    assert_int_equal(b->marks[0].time, 1000);
    assert_int_equal(b->marks[1].time, 1002);
    assert_int_equal(b->marks[2].time, 1003);
    batch_drop(b);
    end();
}

static void lines_are_joined_until_the_next_start(void **state)
{
    assert_true(begin());
    w.group.multiline.start = "^\\d";
    struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
    assert_true(pipeline_is_multiline(p));
    struct batch *b = lines("1 x\n at y\n at z\n2 x\n at q\n");
    assert_int_equal(pipeline_run(p, b, 0, &w.tie, 4096, false), 1); /* the last one may go on */
    assert_int_equal(b->n, 1);
    assert_record(b, 0, "1 x\n at y\n at z");
    assert_int_equal(b->to, 116);
    batch_drop(b);
    b = lines("1 x\n at y\n2 x\n at q\n");
    assert_int_equal(pipeline_run(p, b, 0, &w.tie, 4096, true), 0);
    assert_int_equal(b->n, 2);
    assert_record(b, 1, "2 x\n at q");
    assert_int_equal(b->to, 120);
    batch_drop(b);
    b = lines(" only\n the rest\n");
    assert_int_equal(pipeline_run(p, b, 0, &w.tie, 4096, false), 1);
    assert_int_equal(b->n, 0);
    assert_int_equal(b->to, 100);
    batch_drop(b);
    end();
}

static void a_line_in_pieces_is_one_line(void **state)
{
    assert_true(begin());
    w.group.multiline.start = "^\\d";
    w.group.timestamp.regex = "\\d{4}";
    w.group.timestamp.format = "%Y";
    struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
    struct batch *b = lines("1 in 2025\n1999\n at y\n3 a\n4 b\n");
    b->marks[0].more = b->marks[3].more = 1;
    assert_int_equal(pipeline_run(p, b, 0, &w.tie, 4096, true), 0);
    assert_int_equal(b->n, 4);
    assert_record(b, 0, "1 in 2025");
    assert_record(b, 1, "1999\n at y"); /* no start of a record, since no start of a line */
    assert_int_equal(b->marks[0].more, 1);
    assert_int_equal(b->marks[1].more, 0);
    assert_true(b->marks[1].time == b->marks[0].time);
    assert_int_equal(b->marks[2].more, 1);
    assert_true(b->marks[3].time == b->marks[2].time);
    batch_drop(b);
    b = lines("1 x\n3 a\n4 b\n");
    b->marks[1].more = 1;
    assert_int_equal(pipeline_run(p, b, 0, &w.tie, 4096, false), 1);
    assert_int_equal(b->n, 1);
    assert_int_equal(b->to, 104); /* both pieces may go on */
    batch_drop(b);
    b = lines("1 x\n3 aa\n b\n at c\n at d\n");
    b->marks[1].more = 1;
    assert_int_equal(pipeline_run(p, b, 0, &w.tie, 12, true), 0);
    assert_int_equal(b->n, 4);
    assert_record(b, 1, "3 aa");
    assert_record(b, 2, " b\n at c");
    assert_record(b, 3, " at d"); /* the pieces together have a limit */
    batch_drop(b);
    end();
}

static void records_have_a_limit_of_lines_and_bytes(void **state)
{
    assert_true(begin());
    w.group.multiline.start = "^START";
    w.group.multiline.max_lines = 2;
    struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
    struct batch *b = lines("a\nb\nc\nd\n");
    assert_int_equal(pipeline_run(p, b, 0, &w.tie, 4096, false), 0); /* the last is full: it cannot go on */
    assert_int_equal(b->n, 2);
    assert_record(b, 0, "a\nb");
    assert_record(b, 1, "c\nd");
    batch_drop(b);
    w.group.multiline.max_lines = 100;
    p = pipeline_new(&w.scope, &w.group, &w.error);
    b = lines("aaaa\nbbbb\ncccc\n");
    pipeline_run(p, b, 0, &w.tie, 9, true);
    assert_int_equal(b->n, 2);
    assert_record(b, 0, "aaaa\nbbbb");
    batch_drop(b);
    end();
}

static void times_come_from_the_line(void **state)
{
    assert_true(begin());
    w.group.timestamp.regex = "^\\[([^]]+)\\]";
    struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
    struct batch *b = lines("[2026-11-21T03:54:00Z] x\n[nonsense] y\nz\n");
    pipeline_run(p, b, 5000, &w.tie, 4096, true);
    assert_int_equal(b->marks[0].time, INT64_C(1795233240) * SECOND + 100); /* its place */
    assert_int_equal(b->marks[1].time, 5025);
    assert_int_equal(b->marks[2].time, 5038);
    batch_drop(b);
    end();
}

/* The times that the lines get, when they are read in batches of so many. */
static unsigned times_of(const char *text, uint32_t each, int64_t *times)
{
    w.group.timestamp.regex = "^\\S+";
    struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
    unsigned n = 0;
    uint64_t from = 100;
    w.tie = (struct pipeline_tie){0};
    while (*text) {
        struct batch *b = lines(text);
        b->from = from;
        b->n = b->n < each ? b->n : each;
        pipeline_run(p, b, 5000, &w.tie, 4096, true);
        for (uint32_t i = 0; i < b->n; i++)
            times[n++] = b->marks[i].time;
        from += b->marks[b->n - 1].end;
        text += b->marks[b->n - 1].end;
        batch_drop(b);
    }
    return n;
}

static void equal_times_differ_and_are_the_same_however_they_are_read(void **state)
{
    static const char *const texts[] = {
        "2026-11-21T03:54:00Z x\n2026-11-21T03:54:00Z x\n2026-11-21T03:54:01Z y\n2026-11-21T03:54:00Z x\n",
        "2026-11-21T03:54:00.125Z x\n2026-11-21T03:54:00.125Z x\n2026-11-21T03:54:00.126Z y\n2026-11-21T03:54:00.125Z x\n",
        ("2026-11-21T03:54:00.000000125Z x\n2026-11-21T03:54:00.000000125Z x\n2026-11-21T03:54:00.000000125Z x\n"
         "2026-11-21T03:54:00.000000129Z x\n")};
    static const int64_t units[] = {SECOND, MILLISECOND, 4};
    static const int64_t first[] = {0, 125 * MILLISECOND, 125};
    assert_true(begin());
    for (unsigned k = 0; k < 3; k++) {
        int64_t whole[4], again[4];
        assert_int_equal(times_of(texts[k], 32, whole), 4);
        for (uint32_t each = 1; each < 4; each++) {
            assert_int_equal(times_of(texts[k], each, again), 4);
            assert_memory_equal(whole, again, sizeof whole);
        }
        for (unsigned i = 0; i < 4; i++)
            for (unsigned j = 0; j < i; j++)
                assert_true(whole[i] != whole[j]);
        /* What is written stays what it says, and what comes later comes later. */
        int64_t base = INT64_C(1795233240) * SECOND + first[k];
        assert_in_range(whole[0], base, base + units[k] - 1);
        assert_in_range(whole[1], whole[0] + 1, base + units[k] - 1);
        if (k < 2)
            assert_in_range(whole[3], whole[1] + 1, base + units[k] - 1);
        else
            assert_int_equal(whole[3], base + 4);
    }
    end();
}

/* Lines of 1000 bytes that tell microseconds: the place says nothing. */
static void where_the_place_comes_round_neighbours_differ(void **state)
{
    static char text[3001];
    int64_t times[3];
    for (int i = 0; i < 3; i++)
        snprintf(text + i * 1000, 1001, "2026-11-21T03:54:00.000001Z%972s\n", "x");
    assert_true(begin());
    assert_int_equal(times_of(text, 2, times), 3);
    assert_int_equal(times[1] - times[0], 1);
    assert_int_equal(times[2] - times[1], 1);
    end();
}

static void a_hostile_line_does_not_match(void **state)
{
    assert_true(begin());
    w.group.multiline.start = "^(a+)+$";
    struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
    struct batch *b = lines("x\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n");
    pipeline_run(p, b, 0, &w.tie, 4096, true);
    assert_int_equal(b->n, 1);
    batch_drop(b);
    end();
}

/* 8000 repetitions that may all be taken back: more than the matcher finds room for on the thread's stack. */
static void a_long_line_matches(void **state)
{
    static char text[8192];
    assert_true(begin());
    w.group.multiline.start = "^(?:(a)|(b))+c";
    struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
    memset(text, 'a', sizeof text);
    memcpy(text, "x\n", 2);
    memcpy(text + 8000, "c\n", 3);
    struct batch *b = lines(text);
    assert_int_equal(pipeline_run(p, b, 0, &w.tie, 1 << 20, true), 0);
    assert_int_equal(b->n, 2);
    batch_drop(b);
    end();
}

static void the_library_s_memory_is_counted(void **state)
{
    assert_true(begin());
    struct scope s;
    w.group.multiline.start = "^(\\d+|[a-z]+){1,500} start";
    assert_int_equal(scope_begin(&s, &w.scope, "budget"), 0);
    scope_set_budget(&s, 0, 4096);
    assert_null(pipeline_new(&s, &w.group, &w.error));
    assert_non_null(strstr(w.error.data, "memory"));
    scope_end(&s);
    end();
}

static void bad_rules_are_explained(void **state)
{
    assert_true(begin());
    w.group.multiline.start = "(";
    assert_null(pipeline_new(&w.scope, &w.group, &w.error));
    assert_non_null(strstr(w.error.data, "multiline.start"));
    w.group.multiline.start = "";
    w.group.timestamp.regex = "x";
    w.group.timestamp.format = "none";
    assert_null(pipeline_new(&w.scope, &w.group, &w.error));
    assert_non_null(strstr(w.error.data, "timestamp.format"));
    end();
}

static void torture_body(void)
{
    if (begin()) {
        w.group.multiline.start = "^\\d";
        w.group.timestamp.regex = "^\\S+";
        struct pipeline *p = pipeline_new(&w.scope, &w.group, &w.error);
        struct batch *b = p ? lines("1 a\n b\n2 c\n") : NULL;
        if (b) {
            pipeline_run(p, b, 0, &w.tie, 4096, false);
            batch_drop(b);
        }
    }
    end();
}

static void it_survives_torture(void **state)
{
    TORTURE(torture_body);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        TEST(without_rules_each_line_has_a_time_of_its_own),
        TEST(lines_are_joined_until_the_next_start),
        TEST(a_line_in_pieces_is_one_line),
        TEST(records_have_a_limit_of_lines_and_bytes),
        TEST(times_come_from_the_line),
        TEST(equal_times_differ_and_are_the_same_however_they_are_read),
        TEST(where_the_place_comes_round_neighbours_differ),
        TEST(a_hostile_line_does_not_match),
        TEST(a_long_line_matches),
        TEST(the_library_s_memory_is_counted),
        TEST(bad_rules_are_explained),
        TEST(it_survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
