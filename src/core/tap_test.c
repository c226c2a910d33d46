#include "core/tap.h"

#include "core/dispatcher.h"
#include "unit.h"

static struct pool pool;
static struct source *loud, *quiet;
static struct stream *stream;

static void begin(void)
{
    assert_int_equal(streams_begin(&scope_root), 0);
    assert_int_equal(pool_begin(&pool, &scope_root, 8 << 20), 0);
    assert_int_equal(sources_begin(&scope_root, NULL, 0), 0);
    loud = source_obtain(SOURCE_FILE, "file:1", "/var/log/loud.log");
    quiet = source_obtain(SOURCE_FILE, "file:2", "/var/log/quiet.log");
    stream = stream_get(&(struct label){"job", "a"}, 1);
}

static void end(void)
{
    stream_unref(stream);
    source_unref(loud);
    source_unref(quiet);
    sources_end();
    pool_end(&pool);
    streams_end();
}

/* `n` records of `size` bytes; the first of each `joined` go on in the next. */
static struct batch *make(struct source *s, uint32_t n, uint32_t size, uint32_t joined)
{
    struct batch *b = batch_new(&pool, s, n * size, n);
    batch_stream(b, stream);
    for (uint32_t i = 0; i < n; i++) {
        memset(b->data + i * size, 'a' + (char)(i % 26), size);
        batch_mark(b, (struct mark){.off = i * size, .len = size, .time = 1000 + i, .more = joined && i % joined != joined - 1});
    }
    return b;
}

static void put(struct tap *t, struct batch *b)
{
    tap_put(t, b, batch_count(b, 0, UINT64_MAX).records);
    batch_drop(b);
}

struct seen {
    uint64_t records, loud, quiet;
    struct tap_counts counts;
};

static struct seen take(struct tap *t)
{
    struct seen s = {0};
    uint32_t n, at = 0;
    const char *data = tap_take(t, &n, &s.counts);
    for (const struct tapped *r; (r = tap_next(data, n, &at)); s.records++) {
        bool is_loud = r->name_n == strlen(loud->name) && memcmp(tapped_name(r), loud->name, r->name_n) == 0;
        bool is_quiet = r->name_n == strlen(quiet->name) && memcmp(tapped_name(r), quiet->name, r->name_n) == 0;
        assert_true(is_loud || is_quiet);
        s.loud += is_loud;
        s.quiet += is_quiet;
    }
    assert_int_equal(at, n);
    assert_int_equal(s.counts.passed, s.records + s.counts.missed);
    return s;
}

static void what_passes_is_copied(void **state)
{
    struct dispatcher d = {.pool = &pool};
    struct tap t;
    uint32_t n, at = 0;
    struct tap_counts counts;
    begin();
    tap_begin(&t);
    assert_int_equal(tap_open(&t, &scope_root, &d), 0);
    dispatch(&d, make(loud, 4, 5, 2)); /* two records of two marks each */
    const char *data = tap_take(&t, &n, &counts);
    const struct tapped *r = tap_next(data, n, &at);
    assert_int_equal(r->n, 10);
    assert_int_equal(r->time, 1000);
    assert_memory_equal(tapped_text(r), "aaaaabbbbb", 10);
    assert_memory_equal(tapped_name(r), loud->name, r->name_n);
    r = tap_next(data, n, &at);
    assert_memory_equal(tapped_text(r), "cccccddddd", 10);
    assert_null(tap_next(data, n, &at));
    assert_int_equal(counts.passed, 2);
    assert_int_equal(counts.missed, 0);
    tap_close(&t, &d);
    dispatch(&d, make(loud, 4, 5, 0));
    assert_int_equal(birth_count(BIRTH_BATCH), 0);
    tap_end(&t);
    end();
}

/* However much passes, the one who says little is seen, and what is missed is counted to the record. */
static void the_loud_leave_room_for_the_quiet(void **state)
{
    struct dispatcher d = {.pool = &pool};
    struct tap t;
    begin();
    tap_begin(&t);
    assert_int_equal(tap_open(&t, &scope_root, &d), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            put(&t, make(loud, 5000, 200, 0));
        put(&t, make(quiet, 1, 100, 0));
        struct seen s = take(&t);
        assert_int_equal(s.quiet, 1);
        assert_true(s.loud > 500 && s.loud < 2000);
        assert_int_equal(s.counts.passed, 25001);
    }
    tap_close(&t, &d);
    tap_end(&t);
    end();
}

static void only_what_is_asked_for(void **state)
{
    static const char *const one[] = {"/var/log/quiet.log"}, *const both[] = {"/nowhere", "/var/**/*.log"};
    struct dispatcher d = {.pool = &pool};
    struct tap t;
    begin();
    tap_begin(&t);
    assert_int_equal(tap_open(&t, &scope_root, &d), 0);
    tap_select(&t, one, 1);
    put(&t, make(loud, 10, 10, 0));
    put(&t, make(quiet, 10, 10, 0));
    struct seen s = take(&t);
    assert_int_equal(s.counts.passed, 10);
    assert_int_equal(s.quiet, 10);
    tap_select(&t, both, 2);
    put(&t, make(loud, 10, 10, 0));
    put(&t, make(quiet, 10, 10, 0));
    assert_int_equal(take(&t).records, 20);
    tap_close(&t, &d);
    tap_end(&t);
    end();
}

static void long_ones_are_cut(void **state)
{
    struct dispatcher d = {.pool = &pool};
    struct tap t;
    uint32_t n, at = 0;
    struct tap_counts counts;
    begin();
    tap_begin(&t);
    assert_int_equal(tap_open(&t, &scope_root, &d), 0);
    put(&t, make(loud, 4, 3000, 4));
    const char *data = tap_take(&t, &n, &counts);
    const struct tapped *r = tap_next(data, n, &at);
    assert_int_equal(r->n, TAP_LINE);
    assert_int_equal(r->whole, 12000);
    tap_close(&t, &d);
    tap_end(&t);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_passes_is_copied),
        TEST(the_loud_leave_room_for_the_quiet),
        TEST(only_what_is_asked_for),
        TEST(long_ones_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
