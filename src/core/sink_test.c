/*
 * A sink whose type cannot start: it is tried again, its leases wait, and nothing is lost whether it starts in the end
 * or the agent stops before.
 */
#include "core/sink.h"

#include <unistd.h>

#include "base/clock.h"
#include "core/dispatcher.h"
#include "core/source.h"
#include "unit.h"

/* Cannot start while it is ill; secures at once what it takes. */
static _Atomic bool ill;
static _Atomic unsigned starts;

static int weak_start(struct sink *s)
{
    starts++;
    return ill ? -EMFILE : 0;
}

static void weak_take(struct sink *s, struct lease *l)
{
    lease_secured(l, NULL);
}

static void weak_stop(struct sink *s, int64_t deadline)
{
    sink_drained(s);
}

static const struct sink_type weak_type = {
    .name = "weak", .start = weak_start, .take = weak_take, .stop = weak_stop};

struct world {
    struct scope scope;
    struct pool pool;
    struct sink_config config;
    struct sink sink, *list[1];
    struct dispatcher dispatcher;
    struct source *source;
    struct stream *stream;
};

static void begin(struct world *w)
{
    ill = true;
    starts = 0;
    *w = (struct world){.config = {.name = "weak", .queue_size = 1000}};
    w->list[0] = &w->sink;
    w->dispatcher = (struct dispatcher){w->list, 1, &w->pool};
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    assert_int_equal(streams_begin(&w->scope), 0);
    assert_int_equal(pool_begin(&w->pool, &w->scope, 1 << 20), 0);
    assert_int_equal(sink_begin(&w->sink, &w->scope, 0, &w->config, NULL, &weak_type, &w->pool), 0);
    assert_int_equal(sources_begin(&w->scope, w->list, 1), 0);
    assert_non_null(w->source = source_obtain(SOURCE_FILE, "file:1", "/var/log/a"));
    assert_non_null(w->stream = stream_get(&(struct label){"job", "a"}, 1));
    assert_int_equal(sink_start(&w->sink), 0);
}

static void end(struct world *w)
{
    stream_unref(w->stream);
    source_unref(w->source);
    sink_end(&w->sink);
    sources_end();
    pool_end(&w->pool);
    streams_end();
    scope_end(&w->scope);
}

static void feed(struct world *w, uint64_t from)
{
    struct batch *b = batch_new(&w->pool, w->source, 64, 8);
    assert_non_null(b);
    int stream = batch_stream(b, w->stream);
    memcpy(b->data, "one\n", 4);
    b->used = 4;
    assert_true(batch_mark(b, (struct mark){.len = 3, .end = 4, .stream = (uint16_t)stream}));
    b->from = from;
    b->to = from + 4;
    dispatch(&w->dispatcher, b);
}

static struct counts counts(struct world *w)
{
    struct counts n;
    book_totals(&w->sink.book, &n);
    return n;
}

static void wait_for_starts(unsigned n)
{
    for (int i = 0; i < 50000 && starts < n; i++)
        usleep(100);
    assert_true(starts >= n);
}

static bool said(struct world *w, const char *error)
{
    pthread_mutex_lock(&w->sink.lock);
    bool same = strcmp(w->sink.error, error) == 0;
    pthread_mutex_unlock(&w->sink.lock);
    return same;
}

static void starts_in_the_end_and_delivers_what_waited(void **state)
{
    struct world w;
    begin(&w);
    feed(&w, 0);
    feed(&w, 4);
    wait_for_starts(3);
    assert_true(w.sink.stats.failing);
    for (int i = 0; i < 5000 && !said(&w, "cannot start: Too many open files"); i++)
        usleep(1000);
    assert_true(said(&w, "cannot start: Too many open files"));
    assert_int_equal(counts(&w).in_flight.records, 2);
    ill = false;
    for (int i = 0; i < 5000 && counts(&w).delivered.records < 2; i++)
        usleep(1000);
    assert_int_equal(counts(&w).delivered.records, 2);
    assert_false(w.sink.stats.failing);
    assert_true(said(&w, ""));
    end(&w);
}

static void stops_while_it_cannot_start(void **state)
{
    struct world w;
    begin(&w);
    feed(&w, 0);
    wait_for_starts(2);
    int64_t began = clock_mono();
    sink_stop(&w.sink, began + 10 * SECOND);
    sink_join(&w.sink);
    assert_true(clock_mono() - began < 5 * SECOND);
    feed(&w, 4); /* the queue is shut */
    assert_int_equal(counts(&w).in_flight.records, 0);
    assert_int_equal(counts(&w).delivered.records, 0);
    assert_int_equal(source_lowest(w.source).offset, 0);
    end(&w);
}

static void a_full_queue_holds_the_source_while_it_cannot_start(void **state)
{
    struct world w;
    begin(&w);
    for (uint64_t at = 0; sink_has_room(&w.sink, NULL); at += 4) {
        assert_true(at < 4000);
        feed(&w, at);
    }
    end(&w);
}

/* ---- another configuration: a type that keeps what it takes until it stops, or is told to deliver ---- */

static struct lease *held[8];
static _Atomic unsigned n_held;
static _Atomic bool deliver;
static uint64_t delivered_from[8];
static unsigned n_delivered;

static int holder_start(struct sink *s)
{
    return 0;
}

static void holder_take(struct sink *s, struct lease *l)
{
    if (!deliver) {
        held[n_held] = l;
        n_held++;
        return;
    }
    delivered_from[n_delivered++] = l->batch->from;
    lease_secured(l, NULL);
}

static void holder_stop(struct sink *s, int64_t deadline)
{
    for (unsigned i = 0; i < n_held; i++)
        lease_returned(held[i]);
    n_held = 0;
    sink_drained(s);
}

static const struct sink_type holder_type = {
    .name = "holder", .start = holder_start, .take = holder_take, .stop = holder_stop};

static void wait_for_held(unsigned n)
{
    for (int i = 0; i < 50000 && n_held < n; i++)
        usleep(100);
    assert_int_equal(n_held, n);
}

static void another_configuration_loses_no_lease(void **state)
{
    struct world w;
    struct sink_config other = {.name = "weak", .queue_size = 5000};
    n_held = n_delivered = 0;
    deliver = false;
    begin(&w);
    sink_stop(&w.sink, clock_mono());
    sink_join(&w.sink);
    sink_end(&w.sink);
    assert_int_equal(sink_begin(&w.sink, &w.scope, 0, &w.config, NULL, &holder_type, &w.pool), 0);
    assert_int_equal(sink_start(&w.sink), 0);
    for (int round = 0; round < 3; round++) {
        if (round == 0) {
            feed(&w, 0);
            feed(&w, 4);
        }
        wait_for_held(round == 0 ? 2 : 2 + (unsigned)round);
        sink_hold(&w.sink, clock_mono());
        sink_join(&w.sink);
        feed(&w, 8 + 4 * (uint64_t)round);
        assert_int_equal(counts(&w).in_flight.records, 3 + round);
        deliver = round == 2;
        assert_int_equal(sink_change(&w.sink, round % 2 ? &w.config : &other, NULL, NULL), 0);
        assert_int_equal(sink_start(&w.sink), 0);
    }
    for (int i = 0; i < 5000 && counts(&w).delivered.records < 5; i++)
        usleep(1000);
    assert_int_equal(counts(&w).delivered.records, 5);
    assert_ptr_equal(w.sink.config, &other);
    sink_stop(&w.sink, clock_mono());
    sink_join(&w.sink);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(delivered_from[i], 4 * i);
    end(&w);
}

static void what_was_kept_is_given_back_at_the_end(void **state)
{
    struct world w;
    begin(&w); /* ill: cannot start */
    feed(&w, 0);
    wait_for_starts(2);
    sink_hold(&w.sink, clock_mono());
    sink_join(&w.sink);
    feed(&w, 4);
    assert_int_equal(sink_change(&w.sink, &w.config, NULL, NULL), 0);
    assert_int_equal(sink_start(&w.sink), 0);
    sink_stop(&w.sink, clock_mono());
    sink_join(&w.sink);
    assert_int_equal(counts(&w).in_flight.records, 0);
    assert_int_equal(source_lowest(w.source).offset, 0);
    end(&w);
}

static void a_sink_whose_thread_did_not_come_back_gives_all_back(void **state)
{
    struct world w;
    begin(&w);
    feed(&w, 0);
    sink_hold(&w.sink, clock_mono());
    sink_join(&w.sink);
    sink_go_on(&w.sink); /* and sink_start() failed */
    feed(&w, 4);
    sink_stop(&w.sink, clock_mono());
    sink_join(&w.sink);
    assert_int_equal(counts(&w).in_flight.records, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(starts_in_the_end_and_delivers_what_waited),
        TEST(stops_while_it_cannot_start),
        TEST(a_full_queue_holds_the_source_while_it_cannot_start),
        TEST(another_configuration_loses_no_lease),
        TEST(a_sink_whose_thread_did_not_come_back_gives_all_back),
        TEST(what_was_kept_is_given_back_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
