/* The spooler without its thread: the test takes its turns, and those of two sinks. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/ledger_rows.h"
#include "core/spool/spooler_internal.h"
#include "directory.h"

enum { QUEUE = 24000, LINES = 10, LINE = 100, KEPT = 400 };

struct world {
    struct scope scope;
    struct config config;
    struct store *store;
    struct pool pool;
    struct sink sinks[2];
    struct sink *list[2];
    struct sink_config configs[2];
    struct dispatcher dispatcher;
    struct spooler spooler;
    struct source *source;
    struct stream *stream;
    struct lease *kept[2][KEPT];
    unsigned n_kept[2];
    uint64_t offset, got[2]; /* the next line that each sink should get */
    bool alive;
};

static void take(struct sink *s, struct lease *l)
{
    (void)s;
    (void)l;
}

static const struct sink_type keep_type = {.name = "keep", .take = take};

static bool begin_spooler(struct world *w)
{
    struct past *past = past_load(&w->scope, w->store, w->list, 2);
    bool good = past && past_obtain_waiting(past) == 0 &&
                spooler_begin(&w->spooler, &w->scope, &w->config, &w->pool, past, spooler_last_place(w->store)) == 0;
    if (good)
        good = spooler_add(&w->spooler, &w->sinks[0], w->store) == 0;
    if (good)
        w->source = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    struct past_source *before = good && w->source ? past_find(past, "file:1") : NULL;
    if (before)
        past_resume(past, before, w->source);
    return good && w->source;
}

/* Sink `a` may use the spool, sink `b` not. */
static bool begin(struct world *w)
{
    int error;
    memset(w, 0, sizeof *w);
    w->config.spool_dir = dir;
    w->config.disk_buffer.max_size = 64 << 20;
    w->config.disk_buffer.memory = 1 << 20;
    bool good = scope_begin(&w->scope, &scope_root, "world") == 0 && (w->store = store_open(&w->scope, dir, &error)) &&
                streams_begin(&w->scope) == 0 && pool_begin(&w->pool, &w->scope, 16 << 20) == 0;
    for (unsigned i = 0; good && i < 2; i++) {
        w->configs[i] = (struct sink_config){.name = i ? "b" : "a", .type = "keep", .queue_size = i ? 1 << 20 : QUEUE};
        good = sink_begin(&w->sinks[i], &w->scope, i, &w->configs[i], &w->config, &keep_type, &w->pool) == 0;
        if (good)
            w->list[w->dispatcher.n_sinks++] = &w->sinks[i];
    }
    w->dispatcher.sinks = w->list;
    w->dispatcher.pool = &w->pool;
    return good && sources_begin(&w->scope, w->list, 2) == 0 &&
           (w->stream = stream_get(&(struct label){"job", "x"}, 1)) && begin_spooler(w);
}

static void end(struct world *w)
{
    fault_arm(0, 0);
    spooler_quiesce(&w->spooler);
    for (unsigned i = 0; i < w->dispatcher.n_sinks; i++) {
        for (struct qnode *n; (n = queue_pop(&w->sinks[i].queue));)
            lease_returned(container_of(n, struct lease, node));
        for (unsigned k = 0; k < w->n_kept[i]; k++)
            lease_returned(w->kept[i][k]);
    }
    spooler_settle(&w->spooler);
    stream_unref(w->stream);
    source_unref(w->source);
    spooler_end(&w->spooler);
    for (unsigned i = 0; i < w->dispatcher.n_sinks; i++)
        sink_end(&w->sinks[i]);
    if (w->stream)
        sources_end();
    if (thing_alive(&w->pool.scope.thing))
        pool_end(&w->pool);
    streams_end();
    store_close(w->store);
    scope_end(&w->scope);
}

/* ---- lines that name their place ---- */

static bool read_some(struct world *w)
{
    struct batch *b = batch_new(&w->pool, w->source, LINES * LINE, LINES);
    if (!b)
        return false;
    if (batch_stream(b, w->stream) < 0) {
        batch_drop(b);
        return false;
    }
    b->from = w->offset;
    for (uint32_t i = 0; i < LINES; i++) {
        snprintf(b->data + i * LINE, LINE, "line %08llu %070d", (unsigned long long)(w->offset / LINE + i), 7);
        batch_mark(b, (struct mark){.off = i * LINE, .len = LINE - 1, .end = (i + 1) * LINE, .time = (int64_t)w->offset + i});
    }
    b->used = LINES * LINE;
    b->to = w->offset += LINES * LINE;
    dispatch(&w->dispatcher, b);
    return true;
}

/* What a sink's thread would do: leases come to the type. */
static void turn(struct world *w, unsigned sink)
{
    for (struct qnode *n; (n = queue_pop(&w->sinks[sink].queue));) {
        assert_true(w->n_kept[sink] < KEPT);
        w->kept[sink][w->n_kept[sink]++] = container_of(n, struct lease, node);
    }
}

/* Each line comes once, in order, with its time. */
static void deliver(struct world *w, unsigned sink, unsigned most)
{
    turn(w, sink);
    unsigned n = w->n_kept[sink] < most ? w->n_kept[sink] : most;
    for (unsigned k = 0; k < n; k++) {
        struct lease *l = w->kept[sink][k];
        for (uint32_t i = l->first; i < l->batch->n; i++) {
            const struct mark *m = &l->batch->marks[i];
            assert_int_equal(strtoull(l->batch->data + m->off + 5, NULL, 10), w->got[sink]);
            assert_int_equal(m->time, w->got[sink] / LINES * LINES * LINE + w->got[sink] % LINES);
            assert_int_equal(m->len, LINE - 1);
            w->got[sink]++;
        }
        lease_secured(l, NULL);
    }
    w->n_kept[sink] -= n;
    memmove(w->kept[sink], w->kept[sink] + n, w->n_kept[sink] * sizeof *w->kept[sink]);
}

static struct counts counts_of(struct world *w, uint64_t *position)
{
    struct counts c;
    struct position p;
    char cursor[POSITION_CURSOR], why[200];
    account_read(source_account(w->source, &w->sinks[0]), &p, cursor, &c);
    if (!counts_check(&c, why, sizeof why))
        fail_msg("%s", why);
    *position = p.offset;
    return c;
}

/* What the keeper does: one transaction with a's row, its position and its ledger. */
static int commit(struct world *w)
{
    struct spooled *p = w->sinks[0].spooled;
    uint64_t position;
    struct counts c = counts_of(w, &position);
    struct store_ledger ledger = {.source_key = "file:1", .sink = "a"};
    counts_to_row(&c, ledger.counters);
    int r = store_begin(w->store);
    if (r < 0)
        return r;
    store_put_source(w->store, &(struct store_source){"file:1", "/var/log/a", NULL, 1});
    store_put_position(w->store, &(struct store_position){"file:1", "a", position, 0, NULL});
    store_put_ledger(w->store, &ledger);
    r = p->rows.put(&p->rows, w->store);
    if (r == 0)
        r = store_commit(w->store);
    else
        store_rollback(w->store);
    if (r == 0)
        p->rows.stored(&p->rows);
    return r;
}

/* a lags: the first leases are with it, the others with the spooler. */
static void lag(struct world *w, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++) {
        assert_true(dispatch_ready(&w->dispatcher, NULL));
        assert_true(read_some(w));
        deliver(w, 1, KEPT);
    }
    assert_true(w->spooler.sinks->lagging);
}

static void drain(struct world *w)
{
    for (unsigned i = 0; w->got[0] < w->offset / LINE; i++) {
        assert_true(i < 1000);
        spooler_pass(&w->spooler);
        deliver(w, 0, 3);
    }
    spooler_pass(&w->spooler);
}

static void what_lags_is_spooled_and_delivered_in_order(void **state)
{
    struct world w;
    uint64_t position;
    assert_true(begin(&w));
    lag(&w, 40);
    turn(&w, 0);
    unsigned with_sink = w.n_kept[0];
    assert_true(with_sink > 2 && with_sink < 20);
    assert_int_equal(counts_of(&w, &position).in_flight.records, 40 * LINES);
    spooler_pass(&w.spooler);
    /* What it holds too: else the position could not move. */
    struct counts c = counts_of(&w, &position);
    assert_int_equal(position, w.offset);
    assert_int_equal(c.spooled.records, 40 * LINES);
    assert_int_equal(c.in_flight.records, 0);
    assert_int_equal(source_account(w.source, &w.sinks[0])->lent.records, with_sink * LINES);
    assert_int_equal(atomic_load(&w.spooler.held), 0);
    drain(&w);
    assert_false(w.spooler.sinks->lagging);
    c = counts_of(&w, &position);
    assert_int_equal(c.delivered.records, 40 * LINES);
    assert_int_equal(c.spooled.records, 0);
    assert_int_equal(commit(&w), 0);
    segments_give_up(&w.spooler);
    assert_int_equal(commit(&w), 0);
    segments_remove(&w.spooler);
    assert_int_equal(spool_count(&w.spooler.spool), 0);
    end(&w);
}

/* Between the moment when nobody needs a segment and its removal, which waits for state.db, it must not be written to. */
static void a_segment_that_will_go_takes_nothing_new(void **state)
{
    struct world w;
    uint64_t position;
    assert_true(begin(&w));
    lag(&w, 40);
    drain(&w);
    segments_give_up(&w.spooler);
    lag(&w, 40);
    spooler_pass(&w.spooler);
    assert_int_equal(commit(&w), 0);
    segments_remove(&w.spooler);
    assert_int_equal(spool_count(&w.spooler.spool), 1);
    drain(&w);
    assert_int_equal(counts_of(&w, &position).delivered.records, 80 * LINES);
    end(&w);
}

static void what_is_not_written_yet_goes_to_a_sink_that_is_back(void **state)
{
    struct world w;
    uint64_t position;
    assert_true(begin(&w));
    lag(&w, 30);
    deliver(&w, 0, KEPT);
    drain(&w);
    assert_int_equal(counts_of(&w, &position).delivered.records, 30 * LINES);
    assert_false(w.spooler.sinks->lagging);
    assert_true(w.spooler.spool.written < 30 * LINES * LINE);
    end(&w);
}

/* A sink that let go of a batch before it was secured (a file that is not synced): the position must wait for it. */
static void the_position_never_overtakes_what_is_in_flight(void **state)
{
    struct world w;
    uint64_t position;
    assert_true(begin(&w));
    assert_true(read_some(&w));
    turn(&w, 0);
    struct secured first;
    lease_copy(w.kept[0][0], &first);
    lease_release(w.kept[0][0]);
    w.n_kept[0] = 0;
    lag(&w, 30);
    spooler_pass(&w.spooler);
    (void)counts_of(&w, &position);
    assert_int_equal(position, 0);
    secured_commit(&first, NULL);
    w.got[0] = LINES;
    spooler_pass(&w.spooler);
    (void)counts_of(&w, &position);
    assert_int_equal(position, w.offset);
    drain(&w);
    end(&w);
}

static void a_restart_goes_on_where_the_commit_was(void **state)
{
    struct world w;
    uint64_t position, committed, lines;
    assert_true(begin(&w));
    lag(&w, 40);
    spooler_pass(&w.spooler);
    assert_int_equal(commit(&w), 0);
    committed = w.offset;
    lag(&w, 10); /* written and synced, but no commit names them: they are read from the source again */
    spooler_pass(&w.spooler);
    deliver(&w, 0, 2); /* and these are delivered, but no commit says so */
    end(&w);
    for (unsigned round = 0; round < 2; round++) {
        assert_true(begin(&w));
        struct counts c = counts_of(&w, &position);
        assert_int_equal(position, committed);
        assert_int_equal(c.spooled.records, committed / LINE);
        assert_true(w.spooler.sinks->lagging);
        w.offset = committed;
        w.got[1] = committed / LINE; /* b is not asked about: it has no rows */
        lag(&w, 10);
        lines = w.offset / LINE;
        if (round == 1)
            drain(&w);
        else
            spooler_pass(&w.spooler);
        c = counts_of(&w, &position);
        assert_int_equal(c.taken.records, lines);
        assert_int_equal(round == 1 ? c.delivered.records : c.spooled.records, lines);
        end(&w);
    }
}

static void without_rows_all_of_it_is_delivered(void **state)
{
    struct world w;
    uint64_t position;
    char path[128];
    assert_true(begin(&w));
    lag(&w, 40);
    spooler_pass(&w.spooler);
    assert_int_equal(commit(&w), 0);
    end(&w);
    static const char *const files[] = {"state.db", "state.db-wal", "state.db-shm", "positions"};
    for (unsigned i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    assert_true(begin(&w));
    w.offset = 40 * LINES * LINE;
    drain(&w);
    struct counts c = counts_of(&w, &position);
    assert_int_equal(c.taken.records, 40 * LINES);
    assert_int_equal(c.delivered.records, 40 * LINES);
    end(&w);
}

static void what_nobody_can_read_again_is_spooled_at_the_end(void **state)
{
    struct world w;
    struct counts c;
    assert_true(begin(&w));
    source_unref(w.source);
    w.source = source_obtain(SOURCE_API, "api", "POST");
    assert_true(read_some(&w));
    assert_true(read_some(&w));
    turn(&w, 0);
    spooler_quiesce(&w.spooler);
    for (unsigned k = 0; k < 2; k++)
        lease_returned(w.kept[0][k]);
    w.n_kept[0] = 0;
    spooler_settle(&w.spooler);
    book_totals(&w.sinks[0].book, &c);
    assert_int_equal(c.spooled.records, 2 * LINES);
    assert_int_equal(c.dropped[DROP_SHUTDOWN].records, 0);
    end(&w);
}

/* ---- faults ---- */

static bool complete;

/* Whatever fails once: each line is delivered once, in order, and the ledger adds up. */
static void lag_and_drain(void)
{
    struct world w;
    complete = false;
    if (begin(&w)) {
        for (unsigned tries = 0; w.offset < 40 * LINES * LINE; tries++) {
            assert_true(tries < 1000);
            if (!dispatch_ready(&w.dispatcher, NULL) || !read_some(&w))
                w.spooler.retry_at = 0;
            deliver(&w, 1, KEPT);
            if (tries % 8 == 7)
                spooler_pass(&w.spooler);
            if (tries % 16 == 15)
                (void)commit(&w);
        }
        for (unsigned i = 0; w.got[0] < w.offset / LINE; i++) {
            assert_true(i < 1000);
            w.spooler.retry_at = 0;
            spooler_pass(&w.spooler);
            deliver(&w, 0, 5);
        }
        uint64_t position;
        struct counts c = counts_of(&w, &position);
        assert_int_equal(c.delivered.records, 40 * LINES);
        complete = true;
    }
    end(&w);
}

static void any_fault_of_the_disk_is_survived(void **state)
{
    char command[192];
    static const int errors[] = {ENOSPC, EIO, ENOMEM};
    snprintf(command, sizeof command, "rm -rf %s/*", dir);
    for (unsigned e = 0; e < 3; e++)
        for (uint64_t k = 1;; k++) {
            fault_arm(k, errors[e]);
            lag_and_drain();
            bool fired = fault_fired();
            fault_arm(0, 0);
            assert_true(census_empty(stderr));
            if (system(command) != 0)
                fail();
            if (k > 400 || (!fired && complete))
                break;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_lags_is_spooled_and_delivered_in_order),
        IN_DIR(a_segment_that_will_go_takes_nothing_new),
        IN_DIR(what_is_not_written_yet_goes_to_a_sink_that_is_back),
        IN_DIR(the_position_never_overtakes_what_is_in_flight),
        IN_DIR(a_restart_goes_on_where_the_commit_was),
        IN_DIR(without_rows_all_of_it_is_delivered),
        IN_DIR(what_nobody_can_read_again_is_spooled_at_the_end),
        IN_DIR(any_fault_of_the_disk_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
