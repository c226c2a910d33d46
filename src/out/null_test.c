/*
 * The null sink: all that it is given counts as delivered, and no memory stays with it.
 */
#include "out/null.h"

#include <unistd.h>

#include "base/clock.h"
#include "core/dispatcher.h"
#include "core/source.h"
#include "unit.h"

static void all_is_secured_at_once(void **state)
{
    struct scope scope;
    struct pool pool;
    struct sink_config config = {.name = "null", .queue_size = 1000};
    struct sink sink, *list[] = {&sink};
    struct dispatcher dispatcher = {list, 1, &pool};
    struct counts n = {0};
    assert_int_equal(scope_begin(&scope, &scope_root, "test"), 0);
    assert_int_equal(streams_begin(&scope), 0);
    assert_int_equal(pool_begin(&pool, &scope, 1 << 20), 0);
    assert_int_equal(sink_begin(&sink, &scope, 0, &config, NULL, &null_sink, &pool), 0);
    assert_int_equal(sources_begin(&scope, list, 1), 0);
    struct source *source = source_obtain(SOURCE_FILE, "file:1", "/a");
    struct stream *stream = stream_get(&(struct label){"job", "a"}, 1);
    assert_int_equal(sink_start(&sink), 0);

    struct batch *b = batch_new(&pool, source, 64, 8);
    assert_non_null(b);
    int at = batch_stream(b, stream);
    memcpy(b->data, "one\ntwo\n", 8);
    b->used = 8;
    for (uint32_t i = 0; i < 2; i++)
        assert_true(batch_mark(b, (struct mark){.off = 4 * i, .len = 3, .end = 4 * i + 4, .stream = (uint16_t)at}));
    b->to = 8;
    dispatch(&dispatcher, b);
    for (int i = 0; i < 5000 && n.delivered.records < 2; i++) {
        usleep(1000);
        book_totals(&sink.book, &n);
    }
    assert_int_equal(n.delivered.records, 2);
    assert_int_equal(n.delivered.bytes, 6);
    assert_int_equal(n.in_flight.records, 0);
    assert_int_equal(source_lowest(source).offset, 8);
    assert_int_equal(atomic_load(&sink.stats.records_out), 2);
    assert_int_equal(atomic_load(&sink.stats.bytes_out), 6);

    int64_t began = clock_mono();
    sink_stop(&sink, began + 10 * SECOND);
    sink_join(&sink);
    assert_true(clock_mono() - began < 5 * SECOND);
    assert_int_equal(atomic_load(&pool.used), 0);
    stream_unref(stream);
    source_unref(source);
    sink_end(&sink);
    sources_end();
    pool_end(&pool);
    streams_end();
    scope_end(&scope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_secured_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
