/* Entries as they come in, and what becomes of them at a sink that keeps its leases. */
#include "in/api.h"

#include <stdlib.h>

#include "unit.h"

static struct lease *kept[32];
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

static const struct sink_type keep_type = {.name = "keep", .start = keep_start, .take = keep_take, .stop = keep_stop};

/* No loop runs: turn() does what the sink's would. */
static struct world {
    struct scope scope;
    struct config config;
    struct sink_config sink_config;
    struct pool pool;
    struct sink sink, *list[1];
    struct dispatcher dispatcher;
    struct api api;
    struct api_answer answer;
} w;

static bool begin(void)
{
    n_kept = 0;
    w = (struct world){.config = {.host = "here", .api = {.enabled = true, .rate = 1000}},
                       .sink_config = {.name = "keep", .queue_size = 1 << 20}};
    bool good = scope_begin(&w.scope, &scope_root, "world") == 0 && streams_begin(&w.scope) == 0 &&
                pool_begin(&w.pool, &w.scope, 1 << 20) == 0;
    if (good && sink_begin(&w.sink, &w.scope, 0, &w.sink_config, NULL, &keep_type, &w.pool) == 0)
        w.dispatcher.n_sinks = 1;
    w.list[0] = &w.sink;
    w.dispatcher.sinks = w.list;
    w.dispatcher.pool = &w.pool;
    sources_begin(&w.scope, w.list, w.dispatcher.n_sinks);
    return good && w.dispatcher.n_sinks && api_begin(&w.api, &w.scope, &w.config, &w.dispatcher, NULL) == 0;
}

static void turn(void)
{
    for (struct qnode *n; (n = queue_pop(&w.sink.queue));)
        keep_take(&w.sink, container_of(n, struct lease, node));
}

static void secure_all(void)
{
    turn();
    for (unsigned i = 0; i < n_kept; i++)
        lease_secured(kept[i], NULL);
    n_kept = 0;
}

static void end(void)
{
    if (w.dispatcher.n_sinks)
        secure_all();
    api_end(&w.api);
    if (w.dispatcher.n_sinks)
        sink_end(&w.sink);
    sources_end();
    if (thing_alive(&w.pool.scope.thing))
        pool_end(&w.pool);
    streams_end();
    scope_end(&w.scope);
}

static enum api_outcome take(const char *body)
{
    api_take(&w.api, body, strlen(body), &w.answer);
    return w.answer.outcome;
}

static void takes(const char *body, uint64_t entries)
{
    if (take(body) != API_TAKEN)
        fail_msg("%s: at %zu: %s", body, w.answer.at, w.answer.why);
    assert_int_equal(w.answer.entries, entries);
}

static void refuses(const char *body, size_t at, const char *why)
{
    if (take(body) != API_INVALID || w.answer.at != at || !strstr(w.answer.why, why))
        fail_msg("%s: outcome %d at %zu: %s", body, w.answer.outcome, w.answer.at, w.answer.why);
    assert_int_equal(w.pool.used, 0);
    assert_int_equal(w.api.ordinal, 0);
}

static void is_record(const struct batch *b, uint32_t i, const char *text, int64_t time)
{
    const struct mark *m = &b->marks[i];
    assert_int_equal(m->len, strlen(text));
    assert_memory_equal(b->data + m->off, text, m->len);
    if (time)
        assert_int_equal(m->time, time);
}

static void an_entry_keeps_what_it_says(void **state)
{
    assert_true(begin());
    takes("{\"message\":\"caf\\u00e9\\n\",\"level\":\"warn\",\"source_type\":\"cron\",\"source_id\":\"b\","
          "\"timestamp\":\"2023-11-14T23:13:20.25+01:00\",\"labels\":{\"unit\":\"a\",\"k8s.pod\":\"x\",\"level\":\"own\"}}", 1);
    turn();
    const struct batch *b = kept[0]->batch;
    is_record(b, 0, "caf\xc3\xa9\n", 1700000000250000000);
    const struct stream *s = b->streams[0];
    assert_string_equal(stream_value(s, "source"), "cron");
    assert_string_equal(stream_value(s, "source_id"), "b");
    assert_string_equal(stream_value(s, "instance"), "here");
    assert_string_equal(stream_value(s, "service"), "api");
    assert_string_equal(stream_value(s, "unit"), "a");
    assert_string_equal(stream_value(s, "k8s_pod"), "x");
    assert_string_equal(stream_value(s, "level"), "own");
    assert_int_equal(s->n, 7);
    end();
}

static void equal_times_are_told_apart(void **state)
{
    assert_true(begin());
    takes("[{\"message\":\"a\",\"timestamp\":1700000000000000001},{\"message\":\"a\",\"timestamp\":1700000000000000001},"
          "{\"message\":\"b\",\"timestamp\":1700000000000000009}]", 3);
    takes("[{\"message\":\"b\",\"timestamp\":1700000000000000009},{\"message\":\"a\",\"timestamp\":1700000000000000001}]", 2);
    turn();
    is_record(kept[0]->batch, 0, "a", 1700000000000000001);
    is_record(kept[0]->batch, 1, "a", 1700000000000000002);
    is_record(kept[0]->batch, 2, "b", 1700000000000000009);
    is_record(kept[1]->batch, 0, "b", 1700000000000000010);
    is_record(kept[1]->batch, 1, "a", 1700000000000000001);
    end();
}

static void lists_and_times(void **state)
{
    assert_true(begin());
    int64_t before = clock_real();
    takes("{\"v\":1,\"entries\":[{\"message\":\"a\"},{\"message\":\"a\"},"
          "{\"message\":\"c\",\"timestamp\":1700000000000000001},{\"message\":\"d\",\"timestamp\":\"1700000000\"}]}", 4);
    assert_int_equal(w.answer.unknown_keys, 1);
    takes("[]", 0);
    takes(" [ {\"message\":\"\",\"labels\":null,\"timestamp\":null} ] ", 1);
    turn();
    assert_int_equal(n_kept, 2);
    const struct batch *b = kept[0]->batch;
    assert_true(b->marks[0].time >= before && b->marks[0].time <= clock_real());
    assert_true(b->marks[1].time > b->marks[0].time);
    is_record(b, 2, "c", 1700000000000000001);
    is_record(b, 3, "d", 1700000000000000000);
    assert_true(b->ordinal);
    assert_string_equal(stream_value(b->streams[0], "source"), "api");
    assert_ptr_equal(kept[1]->batch->streams[0], b->streams[0]);
    assert_int_equal(kept[1]->batch->from, 4);
    assert_int_equal(kept[1]->batch->to, 5);
    end();
}

static void what_is_wrong_is_said_and_nothing_taken(void **state)
{
    assert_true(begin());
    refuses("", 0, "missing");
    refuses("nonsense", 0, "unexpected");
    refuses("\"x\"", 0, "an entry, an array");
    refuses("[{\"message\":\"a\"},7]", 17, "an entry must be an object");
    refuses("[{\"message\":\"a\"},{\"level\":\"b\"}]", 17, "no message");
    refuses("{\"message\":true}", 11, "message must be a string");
    refuses("{\"message\":\"a\"", 14, "must stand here");
    refuses("{\"message\":\"a\"} {}", 16, "behind");
    refuses("{\"message\":\"a\",\"message\":\"b\"}", 15, "twice");
    refuses("{\"entries\":{}}", 11, "entries must be an array");
    refuses("{\"entries\":[],\"entries\":[]}", 14, "twice");
    refuses("{\"message\":\"a\",\"level\":3}", 23, "level must be a string");
    refuses("{\"message\":\"a\",\"labels\":[]}", 24, "object of strings");
    refuses("{\"message\":\"a\",\"labels\":{\"x\":1}}", 29, "value must be a string");
    refuses("{\"message\":\"a\",\"labels\":{\"\":\"x\"}}", 25, "must have a name");
    refuses("{\"message\":\"a\",\"labels\":{\"x\":\"\\u0000\"}}", 29, "NUL");
    refuses("{\"message\":\"a", 11, "no end");
    refuses("{\"message\":\"\xff\"}", 12, "UTF-8");
    end();
}

static void times_that_are_none(void **state)
{
    static const char *const none[] = {"1.5", "-1", "1e9", "17", "99999999999999999999", "\"now\"", "\"\"",
                                       "\"2023-11-14T23:13:20\"", "\"2023-11-14T23:13:20Zx\"", "\"2023-11-14T23:13:20.Z\"",
                                       "\"2023-13-14T23:13:20Z\"", "\"9999-11-14T23:13:20Z\"", "true", "{}"};
    assert_true(begin());
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"message\":\"a\",\"timestamp\":%s}", none[i]);
        refuses(body, 27, "timestamp");
    }
    end();
}

static void labels_have_limits(void **state)
{
    static char body[16384];
    assert_true(begin());
    int n = sprintf(body, "{\"message\":\"a\",\"labels\":{\"x\":\"");
    memset(body + n, 'v', STREAM_LABEL_VALUE + 1);
    strcpy(body + n + STREAM_LABEL_VALUE + 1, "\"}}");
    refuses(body, 29, "too long for a label");
    n = sprintf(body, "{\"message\":\"a\",\"labels\":{");
    for (int i = 0; i <= ENTRY_LABELS; i++)
        n += sprintf(body + n, "%s\"l%02d\":\"v\"", i ? "," : "", i);
    strcpy(body + n, "}}");
    refuses(body, 25 + 10 * ENTRY_LABELS, "at most 24 labels");
    n = sprintf(body, "{\"message\":\"a\",\"labels\":{");
    for (int i = 0; i < 5; i++) {
        n += sprintf(body + n, "%s\"l%d\":\"", i ? "," : "", i);
        memset(body + n, 'v', 2000);
        strcpy(body + n + 2000, "\"");
        n += 2001;
    }
    strcpy(body + n, "}}");
    assert_int_equal(take(body), API_INVALID);
    assert_non_null(strstr(w.answer.why, "8 KiB"));
    end();
}

/* `n` entries, each in a stream of its own, the first named by `from`. */
static char *streams_body(int from, int n)
{
    static char body[64 * 1024];
    int len = sprintf(body, "[");
    for (int i = from; i < from + n; i++)
        len += sprintf(body + len, "%s{\"message\":\"%d\",\"level\":\"l%d\"}", i > from ? "," : "", i, i);
    strcpy(body + len, "]");
    return body;
}

static void many_streams_take_several_batches(void **state)
{
    assert_true(begin());
    w.config.api.rate = 100000;
    takes(streams_body(0, 200), 200);
    turn();
    assert_int_equal(n_kept, 4);
    for (unsigned i = 0; i < n_kept; i++)
        for (uint32_t k = 0; k < kept[i]->batch->n; k++) {
            char level[16];
            const struct mark *m = &kept[i]->batch->marks[k];
            snprintf(level, sizeof level, "l%.*s", (int)m->len, kept[i]->batch->data + m->off);
            assert_string_equal(stream_value(kept[i]->batch->streams[m->stream], "level"), level);
        }
    secure_all();
    struct position p;
    struct counts c;
    char cursor[POSITION_CURSOR], why[100];
    account_read(&w.api.source->first[0], &p, cursor, &c);
    assert_int_equal(p.offset, 200);
    assert_int_equal(c.delivered.records, 200);
    assert_true(counts_check(&c, why, sizeof why));
    end();
}

static void streams_are_limited_and_grow_old(void **state)
{
    assert_true(begin());
    w.config.api.rate = 100000;
    assert_int_equal(take(streams_body(0, API_STREAMS + 1)), API_INVALID);
    assert_non_null(strstr(w.answer.why, "at most 256 are alive"));
    assert_int_equal(streams_count(), 0); /* what was refused keeps no place */
    takes(streams_body(0, API_STREAMS), API_STREAMS);
    secure_all();
    takes(streams_body(5, 1), 1);
    assert_int_equal(take(streams_body(API_STREAMS, 1)), API_INVALID);
    for (int i = 0; i < API_STREAMS; i++)
        w.api.streams[i].used -= API_STREAM_LIFE + SECOND;
    takes(streams_body(API_STREAMS, 1), 1);
    secure_all();
    assert_int_equal(streams_count(), 1);
    end();
}

static void a_full_sink_or_memory_refuses_for_a_while(void **state)
{
    assert_true(begin());
    w.sink_config.queue_size = 1;
    takes("{\"message\":\"a\"}", 1);
    assert_int_equal(take("{\"message\":\"b\"}"), API_FULL);
    assert_int_equal(w.answer.retry_after, 1);
    secure_all();
    takes("{\"message\":\"b\"}", 1);
    secure_all();
    assert_true(pool_reserve(&w.pool, (1 << 20) - 100));
    assert_int_equal(take("{\"message\":\"c\"}"), API_FULL);
    assert_non_null(strstr(w.answer.why, "memory_limit"));
    pool_release(&w.pool, (1 << 20) - 100);
    w.pool.limit = 1000;
    assert_int_equal(take("{\"message\":\"c\"}"), API_TOO_LARGE);
    w.pool.limit = 1 << 20;
    assert_int_equal(w.api.ordinal, 2);
    assert_int_equal(w.api.outcomes[API_FULL], 2);
    end();
}

static void the_rate_is_held(void **state)
{
    assert_true(begin());
    w.config.api.rate = 2;
    takes("[{\"message\":\"\"},{\"message\":\"\"},{\"message\":\"\"},{\"message\":\"\"},{\"message\":\"\"},{\"message\":\"\"}]", 6);
    assert_int_equal(take("{\"message\":\"\"}"), API_TOO_FAST);
    assert_int_equal(w.answer.retry_after, 2); /* 6 are 3 s, of which one was free */
    w.api.owed_until -= 2 * SECOND;
    takes("{\"message\":\"\"}", 1);
    end();
}

/* What is in memory only when the agent ends is dropped, and the ledger says so. */
static void what_is_not_delivered_at_the_end_is_counted(void **state)
{
    struct position p;
    struct counts c;
    char cursor[POSITION_CURSOR];
    assert_true(begin());
    takes("{\"message\":\"abc\"}", 1);
    turn();
    lease_returned(kept[--n_kept]);
    account_read(&w.api.source->first[0], &p, cursor, &c);
    assert_int_equal(c.dropped[DROP_SHUTDOWN].records, 1);
    assert_int_equal(c.dropped[DROP_SHUTDOWN].bytes, 3);
    assert_int_equal(p.offset, 0);
    end();
}

static void the_ledger_goes_on_after_a_restart(void **state)
{
    struct past_source *slots[2] = {calloc(1, sizeof(struct past_source) + sizeof(struct past_at))};
    struct past past = {.all = slots[0], .n = 1, .slots = slots, .mask = 0, .n_sinks = 1, .sinks = {&w.sink}};
    slots[0]->key = "api";
    slots[0]->at[0] = (struct past_at){.known = true, .position.offset = 40,
                                       .counts = {.taken = {41, 50}, .delivered = {40, 49}, .dropped[DROP_SHUTDOWN] = {1, 1}}};
    assert_true(begin());
    api_end(&w.api);
    assert_int_equal(api_begin(&w.api, &w.scope, &w.config, &w.dispatcher, &past), 0);
    takes("{\"message\":\"abc\"}", 1);
    secure_all();
    struct position p;
    struct counts c;
    char cursor[POSITION_CURSOR];
    account_read(&w.api.source->first[0], &p, cursor, &c);
    assert_int_equal(p.offset, 41);
    assert_int_equal(c.delivered.records, 41);
    assert_int_equal(c.dropped[DROP_SHUTDOWN].records, 1);
    end();
    free(slots[0]);
}

/* Sets that become equal once their names are valid are one stream. */
static void streams_are_found_by_what_they_become(void **state)
{
    assert_true(begin());
    struct stream *a = stream_get(&(struct label){"a.b", "x"}, 1), *b = stream_get(&(struct label){"a_b", "x"}, 1),
                  *c = stream_get(&(struct label){"a.b", "x"}, 1);
    assert_ptr_equal(a, b);
    assert_ptr_equal(a, c);
    stream_unref(a);
    stream_unref(b);
    stream_unref(c);
    end();
}

static void whatever_fails(void)
{
    if (begin()) {
        take("[{\"message\":\"a\",\"labels\":{\"x.y\":\"b\"}},{\"message\":\"b\",\"level\":\"c\"}]");
        uint64_t read = w.api.source->read_records;
        assert_int_equal(read, w.answer.outcome == API_TAKEN ? 2 : 0);
        assert_true(w.answer.outcome == API_TAKEN || w.answer.why[0]);
    }
    end();
}

static void under_torture(void **state)
{
    TORTURE(whatever_fails);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_keeps_what_it_says),
        TEST(equal_times_are_told_apart),
        TEST(lists_and_times),
        TEST(what_is_wrong_is_said_and_nothing_taken),
        TEST(times_that_are_none),
        TEST(labels_have_limits),
        TEST(many_streams_take_several_batches),
        TEST(streams_are_limited_and_grow_old),
        TEST(a_full_sink_or_memory_refuses_for_a_while),
        TEST(the_rate_is_held),
        TEST(what_is_not_delivered_at_the_end_is_counted),
        TEST(the_ledger_goes_on_after_a_restart),
        TEST(streams_are_found_by_what_they_become),
        TEST(under_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
