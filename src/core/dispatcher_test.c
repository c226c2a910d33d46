#include "core/dispatcher.h"

#include <unistd.h>

#include "base/clock.h"
#include "core/spool/spooler.h"
#include "unit.h"

/* A sink that keeps its leases until the test lets them go; all calls on the test's thread, no loop runs. */
static struct lease *kept[16];
static unsigned n_kept;

static int keep_start(struct sink *s)
{
    return 0;
}

static void keep_take(struct sink *s, struct lease *l)
{
    kept[n_kept++] = l;
}

static void keep_stop(struct sink *s, int64_t deadline)
{
    sink_drained(s);
}

static const struct sink_type keep_type = {
    .name = "keep", .start = keep_start, .take = keep_take, .stop = keep_stop};

struct world {
    struct scope scope;
    struct pool pool;
    struct sink sinks[2];
    struct sink *list[2];
    struct dispatcher dispatcher;
    struct source *source;
    struct stream *stream;
    struct label match;
    struct sink_config configs[2];
};

static bool begin(struct world *w)
{
    n_kept = 0;
    *w = (struct world){.match = {"unit", "ssh*"}};
    w->configs[0] = (struct sink_config){.name = "all", .queue_size = 100000};
    w->configs[1] = (struct sink_config){.name = "ssh", .queue_size = 100000, .match = {&w->match, 1}};
    bool good = scope_begin(&w->scope, &scope_root, "world") == 0 && streams_begin(&w->scope) == 0 &&
                pool_begin(&w->pool, &w->scope, 1 << 20) == 0;
    for (unsigned i = 0; good && i < 2; i++) {
        good = sink_begin(&w->sinks[i], &w->scope, i, &w->configs[i], NULL, &keep_type, &w->pool) == 0;
        if (good)
            w->list[w->dispatcher.n_sinks++] = &w->sinks[i];
    }
    w->dispatcher.sinks = w->list;
    w->dispatcher.pool = &w->pool;
    sources_begin(&w->scope, w->list, w->dispatcher.n_sinks);
    return good && (w->source = source_obtain(SOURCE_FILE, "file:1", "/var/log/a")) &&
           (w->stream = stream_get(&(struct label){"unit", "sshd"}, 1));
}

static void end(struct world *w)
{
    stream_unref(w->stream);
    source_unref(w->source);
    for (unsigned i = 0; i < w->dispatcher.n_sinks; i++)
        sink_end(&w->sinks[i]);
    sources_end();
    if (thing_alive(&w->pool.scope.thing))
        pool_end(&w->pool);
    streams_end();
    scope_end(&w->scope);
}

/* Three records of 4 bytes each with their line ends. */
static struct batch *make(struct world *w, uint64_t from, struct stream *stream)
{
    struct batch *b = batch_new(&w->pool, w->source, 64, 8);
    if (!b)
        return NULL;
    memcpy(b->data, "abc\ndef\nghi\n", 12);
    b->used = 12;
    b->from = from;
    b->to = from + 12;
    batch_stream(b, stream);
    for (uint32_t i = 0; i < 3; i++)
        batch_mark(b, (struct mark){.off = 4 * i, .len = 3, .end = 4 * i + 4, .time = i});
    return b;
}

/* What a loop would do: hands the queued leases to the type. */
static void turn(struct sink *s)
{
    for (struct qnode *n; (n = queue_pop(&s->queue));)
        keep_take(s, container_of(n, struct lease, node));
}

static struct counts counts_of(struct world *w, unsigned sink, struct position *position)
{
    struct counts c;
    char cursor[POSITION_CURSOR], why[200];
    account_read(&w->source->first[sink], position, cursor, &c);
    assert_true(counts_check(&c, why, sizeof why));
    return c;
}

static void a_lease_goes_to_each_sink_and_the_position_moves_by_securing(void **state)
{
    struct world w;
    struct position p;
    assert_true(begin(&w));
    dispatch(&w.dispatcher, make(&w, 0, w.stream));
    turn(&w.sinks[0]);
    turn(&w.sinks[1]);
    assert_int_equal(n_kept, 2);
    assert_int_equal(counts_of(&w, 0, &p).in_flight.records, 3);
    assert_int_equal(p.offset, 0);
    lease_secured(kept[0], NULL);
    assert_int_equal(counts_of(&w, 0, &p).delivered.bytes, 9);
    assert_int_equal(p.offset, 12);
    assert_int_equal(source_lowest(w.source).offset, 0);
    struct outcome outcome = {.dropped = {[DROP_INVALID] = {1, 3}}};
    lease_secured(kept[1], &outcome);
    assert_int_equal(counts_of(&w, 1, &p).dropped[DROP_INVALID].records, 1);
    assert_int_equal(counts_of(&w, 1, &p).delivered.records, 2);
    assert_int_equal(source_lowest(w.source).offset, 12);
    assert_int_equal(atomic_load(&w.pool.used), 0);
    end(&w);
}

static void a_sink_is_not_sent_what_it_has(void **state)
{
    struct world w;
    struct position p;
    assert_true(begin(&w));
    account_place(&w.source->first[0], &(struct position){.offset = 8});
    account_place(&w.source->first[1], &(struct position){.offset = 12});
    dispatch(&w.dispatcher, make(&w, 0, w.stream));
    turn(&w.sinks[0]);
    turn(&w.sinks[1]);
    assert_int_equal(n_kept, 1);
    uint32_t i = kept[0]->first, next;
    assert_true(lease_next(kept[0], &i, &next));
    assert_int_equal(i, 2);
    assert_int_equal(next, 3);
    struct counts c = counts_of(&w, 0, &p);
    assert_int_equal(c.taken.records, 1);
    assert_int_equal(c.skipped.records, 0);
    lease_secured(kept[0], NULL);
    end(&w);
}

static struct batch *make_repeatable(struct world *w, uint64_t from)
{
    struct batch *b = make(w, from, w->stream);
    b->repeatable = true;
    return b;
}

static void a_sink_that_takes_nothing_is_passed_over_and_gets_it_later(void **state)
{
    struct world w;
    struct position p;
    assert_true(begin(&w));
    struct sink *stuck = &w.sinks[1];
    dispatch(&w.dispatcher, make_repeatable(&w, 0));
    atomic_fetch_add(&stuck->held, 200000);
    assert_false(dispatch_ready_again(&w.dispatcher, NULL)); /* it may move yet */
    atomic_store(&stuck->progress, clock_mono() - 2 * SPOOL_STALLED);
    assert_false(dispatch_ready(&w.dispatcher, NULL)); /* for what cannot be read again */
    assert_true(dispatch_ready_again(&w.dispatcher, NULL));
    assert_false(dispatch_passes(&w.dispatcher));
    dispatch(&w.dispatcher, make_repeatable(&w, 12));
    dispatch(&w.dispatcher, make_repeatable(&w, 24));
    assert_true(dispatch_passes(&w.dispatcher));
    turn(&w.sinks[0]);
    turn(stuck);
    assert_int_equal(n_kept, 4);
    assert_int_equal(counts_of(&w, 1, &p).taken.records, 3);
    assert_int_equal(source_place(w.source), 36); /* it has no room */
    assert_int_equal(source_reach(w.source, 0), 12);
    assert_int_equal(source_reach(w.source, 13), 36);
    atomic_fetch_sub(&stuck->held, 200000);
    assert_int_equal(source_place(w.source), 12);
    dispatch(&w.dispatcher, make_repeatable(&w, 36)); /* behind what it lacks: not yet */
    turn(stuck);
    dispatch(&w.dispatcher, make_repeatable(&w, 12));
    dispatch(&w.dispatcher, make_repeatable(&w, 24));
    assert_true(dispatch_passes(&w.dispatcher));
    dispatch(&w.dispatcher, make_repeatable(&w, 36));
    assert_false(dispatch_passes(&w.dispatcher));
    turn(&w.sinks[0]);
    turn(stuck);
    assert_int_equal(n_kept, 8); /* the other one got nothing twice */
    for (unsigned i = 0; i < n_kept; i++)
        lease_secured(kept[i], NULL);
    assert_int_equal(counts_of(&w, 0, &p).delivered.records, 12);
    assert_int_equal(p.offset, 48);
    assert_int_equal(counts_of(&w, 1, &p).delivered.records, 12);
    assert_int_equal(p.offset, 48);
    assert_int_equal(atomic_load(&w.source->read_records), 12);
    end(&w);
}

static unsigned n_secured, n_returned;

static void origin_secured(struct origin *o, const struct secured *s, const struct outcome *outcome)
{
    assert_int_equal(s->ticket, 7);
    n_secured++;
}

static void origin_returned(struct origin *o, const struct secured *s)
{
    assert_int_equal(s->ticket, 7);
    n_returned++;
}

static void what_was_secured_by_the_spool_is_delivered_from_there(void **state)
{
    struct world w;
    struct position p;
    struct origin spool = {ORIGIN_SPOOL, origin_secured, origin_returned};
    n_secured = n_returned = 0;
    assert_true(begin(&w));
    dispatch(&w.dispatcher, make(&w, 0, w.stream));
    turn(&w.sinks[0]);
    lease_secured(kept[0], &(struct outcome){.spooled = {3, 9}});
    assert_int_equal(counts_of(&w, 0, &p).spooled.records, 3);
    assert_int_equal(p.offset, 12);
    for (int i = 0; i < 2; i++) {
        struct batch *b = make(&w, 0, w.stream);
        b->origin = &spool;
        b->ticket = 7;
        n_kept = 0;
        dispatch_again(&w.sinks[0], b, 1, 1);
        turn(&w.sinks[0]);
        assert_int_equal(counts_of(&w, 0, &p).spooled.records, 3);
        if (i == 0)
            lease_returned(kept[0]);
        else
            lease_secured(kept[0], &(struct outcome){.dropped = {[DROP_INVALID] = {1, 3}}});
    }
    assert_int_equal(n_returned, 1);
    assert_int_equal(n_secured, 1);
    struct counts c = counts_of(&w, 0, &p);
    assert_int_equal(c.spooled.records, 1);
    assert_int_equal(c.delivered.records, 1);
    assert_int_equal(c.dropped[DROP_INVALID].records, 1);
    assert_int_equal(p.offset, 12);
    account_discarded(&w.source->first[0], ORIGIN_SPOOL, c.spooled, DROP_SPOOL_FULL);
    assert_int_equal(counts_of(&w, 0, &p).dropped[DROP_SPOOL_FULL].bytes, 3);
    turn(&w.sinks[1]);
    lease_secured(kept[1], NULL);
    end(&w);
}

static void a_source_of_which_something_waits_stays_and_is_one(void **state)
{
    struct world w;
    struct position p;
    assert_true(begin(&w));
    struct source *again = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    assert_ptr_equal(again, w.source);
    source_unref(again);
    dispatch(&w.dispatcher, make(&w, 0, w.stream));
    turn(&w.sinks[0]);
    turn(&w.sinks[1]);
    lease_secured(kept[0], &(struct outcome){.dead = {1, 3}});
    lease_secured(kept[1], NULL);
    source_unref(w.source);
    for (unsigned i = 0; i < 2; i++) {
        struct book *b = &w.sinks[i].book; /* what a keeper would do */
        pthread_mutex_lock(&b->lock);
        struct account *a = b->dirty;
        b->dirty = NULL;
        a->dirty = false;
        pthread_mutex_unlock(&b->lock);
        source_unref(a->source);
    }
    assert_int_equal(sources_count(), 1);
    w.source = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    assert_int_equal(counts_of(&w, 0, &p).dead.records, 1);
    account_discarded(&w.source->first[0], ORIGIN_DEAD, (struct amount){1, 3}, DROP_PURGED);
    assert_int_equal(counts_of(&w, 0, &p).dropped[DROP_PURGED].records, 1);
    end(&w);
}

static void many_sources_are_found_by_their_keys(void **state)
{
    enum { MANY = 300 };
    struct world w;
    struct source *many[MANY];
    char key[24];
    assert_true(begin(&w));
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "file:m%d", i);
        many[i] = source_obtain(SOURCE_FILE, key, key);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "file:m%d", i);
        struct source *s = source_obtain(SOURCE_FILE, key, "");
        assert_ptr_equal(s, many[i]);
        source_unref(s);
        source_unref(s);
    }
    assert_int_equal(sources_count(), 1);
    assert_int_equal(source_kind_of("journal"), SOURCE_JOURNAL);
    assert_int_equal(source_kind_of("file:1"), SOURCE_FILE);
    assert_int_equal(source_kind_of("filed:1"), -1);
    end(&w);
}

static void what_a_sink_does_not_match_moves_its_position_in_order(void **state)
{
    struct world w;
    struct position p;
    assert_true(begin(&w));
    struct stream *other = stream_get(&(struct label){"unit", "cron"}, 1);
    dispatch(&w.dispatcher, make(&w, 0, w.stream));
    dispatch(&w.dispatcher, make(&w, 12, other));
    turn(&w.sinks[1]);
    assert_int_equal(n_kept, 2); /* the second one is empty: it must not overtake the first */
    counts_of(&w, 1, &p);
    assert_int_equal(p.offset, 0);
    uint32_t i = kept[1]->first, next;
    assert_false(lease_next(kept[1], &i, &next));
    lease_secured(kept[0], NULL);
    lease_secured(kept[1], NULL);
    dispatch(&w.dispatcher, make(&w, 24, other));
    turn(&w.sinks[1]);
    assert_int_equal(n_kept, 2);
    counts_of(&w, 1, &p);
    assert_int_equal(p.offset, 36);
    turn(&w.sinks[0]);
    for (unsigned k = 2; k < n_kept; k++)
        lease_secured(kept[k], NULL);
    stream_unref(other);
    end(&w);
}

static void joined_marks_are_one_entry(void **state)
{
    struct world w;
    assert_true(begin(&w));
    struct batch *b = make(&w, 0, w.stream);
    b->marks[0].more = 1;
    struct amount all = batch_count(b, 0, UINT64_MAX);
    assert_int_equal(all.records, 2);
    assert_int_equal(all.bytes, 9);
    batch_drop(b);
    end(&w);
}

static void returned_leases_leave_the_position(void **state)
{
    struct world w;
    struct position p;
    assert_true(begin(&w));
    dispatch(&w.dispatcher, make(&w, 0, w.stream));
    turn(&w.sinks[0]);
    turn(&w.sinks[1]);
    lease_returned(kept[0]);
    lease_returned(kept[1]);
    assert_int_equal(counts_of(&w, 0, &p).taken.records, 0);
    assert_int_equal(p.offset, 0);
    end(&w);
}

static int nudges;

static void on_nudge(struct nudge *n)
{
    nudges++;
    loop_stop(n->loop);
}

static void a_full_sink_stops_the_reader_and_wakes_it(void **state)
{
    struct world w;
    struct loop l;
    struct nudge room;
    assert_true(begin(&w));
    w.configs[0].queue_size = 1;
    nudges = 0;
    assert_int_equal(loop_begin(&l, &scope_root, "loop"), 0);
    assert_int_equal(nudge_begin(&room, &l.scope, &l, "room", on_nudge), 0);
    assert_true(dispatch_ready(&w.dispatcher, &room));
    dispatch(&w.dispatcher, make(&w, 0, w.stream));
    assert_false(dispatch_ready(&w.dispatcher, &room));
    turn(&w.sinks[0]);
    turn(&w.sinks[1]);
    lease_secured(kept[0], NULL);
    assert_int_equal(loop_run(&l), 0);
    assert_int_equal(nudges, 1);
    assert_true(dispatch_ready(&w.dispatcher, &room));
    lease_secured(kept[1], NULL);
    dispatch_forget(&w.dispatcher, &room);
    loop_end(&l);
    end(&w);
}

static void the_pool_refuses_beyond_its_limit_and_wakes(void **state)
{
    struct world w;
    struct loop l;
    struct nudge wake;
    assert_true(begin(&w));
    nudges = 0;
    assert_int_equal(loop_begin(&l, &scope_root, "loop"), 0);
    assert_int_equal(nudge_begin(&wake, &l.scope, &l, "memory", on_nudge), 0);
    struct pool_waiter waiter = {.wake = &wake};
    struct batch *b = batch_new(&w.pool, w.source, 1000000, 10);
    assert_non_null(b);
    assert_null(batch_new(&w.pool, w.source, 100000, 10));
    assert_int_equal(errno, EDQUOT);
    pool_wait(&w.pool, &waiter);
    batch_drop(b);
    assert_int_equal(loop_run(&l), 0);
    assert_int_equal(nudges, 1);
    loop_end(&l);
    end(&w);
}

static void equal_label_sets_are_one_stream(void **state)
{
    struct scope s;
    assert_int_equal(scope_begin(&s, &scope_root, "s"), 0);
    assert_int_equal(streams_begin(&s), 0);
    struct stream *a = stream_get((struct label[]){{"b", "2"}, {"a", "1"}, {"empty", ""}}, 3);
    struct stream *b = stream_get((struct label[]){{"a", "0"}, {"a", "1"}, {"b", "2"}}, 3);
    assert_ptr_equal(a, b);
    assert_int_equal(a->n, 2);
    assert_string_equal(a->labels[0].name, "a");
    assert_string_equal(stream_value(a, "b"), "2");
    struct stream *c = stream_get(&(struct label){"9-bad", "x"}, 1);
    assert_string_equal(c->labels[0].name, "__bad");
    struct stream *many[300];
    for (int i = 0; i < 300; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        many[i] = stream_get(&(struct label){"n", value}, 1);
    }
    assert_int_equal(streams_count(), 302);
    for (int i = 0; i < 300; i++)
        stream_unref(many[i]);
    stream_unref(a);
    stream_unref(b);
    stream_unref(c);
    assert_int_equal(streams_count(), 0);
    streams_end();
    scope_end(&s);
}

static void torture_body(void)
{
    struct world w;
    if (begin(&w)) {
        struct batch *b = make(&w, 0, w.stream);
        if (b)
            dispatch(&w.dispatcher, b);
        turn(&w.sinks[0]);
        turn(&w.sinks[1]);
        for (unsigned k = 0; k < n_kept; k++)
            lease_secured(kept[k], NULL);
    }
    end(&w);
}

static void dispatching_survives_torture(void **state)
{
    TORTURE(torture_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lease_goes_to_each_sink_and_the_position_moves_by_securing),
        TEST(a_sink_is_not_sent_what_it_has),
        TEST(a_sink_that_takes_nothing_is_passed_over_and_gets_it_later),
        TEST(what_was_secured_by_the_spool_is_delivered_from_there),
        TEST(a_source_of_which_something_waits_stays_and_is_one),
        TEST(many_sources_are_found_by_their_keys),
        TEST(what_a_sink_does_not_match_moves_its_position_in_order),
        TEST(joined_marks_are_one_entry),
        TEST(returned_leases_leave_the_position),
        TEST(a_full_sink_stops_the_reader_and_wakes_it),
        TEST(the_pool_refuses_beyond_its_limit_and_wakes),
        TEST(equal_label_sets_are_one_stream),
        TEST(dispatching_survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
