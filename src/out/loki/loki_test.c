/*
 * The Loki sink against a scripted server: whatever the server does, each line is stored or counted, in order.
 */
#include "out/loki/loki.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "loki_rig.h"
#include "unit.h"

enum { LINES = 40 };

static struct rig rig;

/* ---- scripts ---- */

static enum server_act flaky(struct http_server *s, struct server_request *r)
{
    static const int status[] = {500, 429, 503, 408, 404};
    unsigned bad;
    if (r->nth <= 5) {
        server_answer(r, status[r->nth - 1], r->nth == 2 ? "Retry-After: 0\r\n" : "", "not now");
        return r->nth == 3 ? SERVER_CLOSE : SERVER_ANSWER;
    }
    if (r->nth == 6)
        return SERVER_CLOSE;
    if (r->nth == 7) {
        snprintf(r->answer, sizeof r->answer, "garbage\r\n\r\n");
        return SERVER_CLOSE;
    }
    if (r->nth == 8)
        return SERVER_HANG;
    if (r->nth == 9) {
        snprintf(r->answer, sizeof r->answer, "HTTP/1.1 204 x\r\nX: ");
        return SERVER_ENDLESS;
    }
    if (r->nth == 10) {
        snprintf(r->answer, sizeof r->answer, "HTTP/1.1 200 x\r\nContent-Length: 2000000000\r\n\r\n");
        return SERVER_ENDLESS;
    }
    rig_read(s->arg, r, true, &bad);
    server_answer(r, 204, "", "");
    return SERVER_ANSWER;
}

static enum server_act picky(struct http_server *s, struct server_request *r)
{
    unsigned bad;
    rig_read(s->arg, r, true, &bad);
    server_answer(r, bad ? 400 : 204, "", bad ? "some entry is wrong" : "");
    return SERVER_ANSWER;
}

static enum server_act small_only(struct http_server *s, struct server_request *r)
{
    unsigned bad, n = rig_read(s->arg, r, false, &bad);
    if (n <= 3)
        rig_read(s->arg, r, true, &bad);
    server_answer(r, n > 3 ? 413 : 204, "", "");
    return SERVER_ANSWER;
}

static const char *_Atomic refusal = "too old";

static enum server_act refuses_all(struct http_server *s, struct server_request *r)
{
    unsigned bad, n = rig_read(s->arg, r, false, &bad);
    char why[100];
    snprintf(why, sizeof why, "%u errors like: %s", n, refusal);
    server_answer(r, 400, "", why);
    return SERVER_ANSWER;
}

static enum server_act policy(struct http_server *s, struct server_request *r)
{
    unsigned bad;
    rig_read(s->arg, r, false, &bad);
    server_answer(r, 260, "", "blocked");
    return SERVER_ANSWER;
}

static enum server_act hangs(struct http_server *s, struct server_request *r)
{
    return SERVER_HANG;
}

/* ---- LINES records, delivered or not ---- */

static void feed(struct rig *r, unsigned bad_every)
{
    struct batch *b = rig_batch(r);
    assert_non_null(b);
    for (unsigned i = 0; i < LINES; i++) {
        char line[32];
        int n = snprintf(line, sizeof line, "line %u%s", i, bad_every && i % bad_every == 0 ? " bad" : "");
        assert_true(rig_line(b, r->stream, line, (size_t)n, false));
    }
    rig_dispatch(r, b);
}

static void run(unsigned bad_every, int64_t wait)
{
    assert_true(rig_start(&rig));
    feed(&rig, bad_every);
    rig_wait(&rig, wait);
    rig_stop(&rig);
    rig_end(&rig);
}

static void with_server(enum server_act (*script)(struct http_server *, struct server_request *), unsigned bad_every,
                        int64_t wait)
{
    rig_prepare(&rig, script);
    run(bad_every, wait);
}

static void assert_all_stored(unsigned bad_every)
{
    bool stored[LINES] = {false};
    for (unsigned i = 0; i < rig.n; i++)
        stored[atoi(rig.entries[i].line + 5)] = true;
    for (unsigned i = 0; i < LINES; i++)
        if (!bad_every || i % bad_every)
            assert_true(stored[i]);
}

static void test_delivers(void **state)
{
    for (int snappy = 0; snappy < 2; snappy++) {
        rig_prepare(&rig, rig_accept);
        rig.config.loki.snappy = snappy;
        run(0, 10 * SECOND);
        assert_all_stored(0);
        assert_int_equal(rig.counts.delivered.records, LINES);
        assert_int_equal(rig.position, rig.end);
        assert_int_equal(rig.requests, 1);
        assert_string_equal(rig.entries[0].labels, "{host=\"test\", job=\"j\\\"x\"}");
        assert_string_equal(rig.entries[0].metadata, "");
        assert_true(clock_real() - rig.entries[0].time < MINUTE);
    }
}

static void test_survives_whatever_the_server_does(void **state)
{
    with_server(flaky, 0, 30 * SECOND);
    assert_all_stored(0);
    assert_int_equal(rig.counts.delivered.records, LINES);
}

static void test_finds_the_offenders(void **state)
{
    with_server(picky, 7, 10 * SECOND);
    assert_all_stored(7);
    assert_int_equal(rig.counts.dropped[DROP_INVALID].records, 6);
    assert_int_equal(rig.counts.delivered.records, LINES - 6);
    assert_int_equal(rig.position, rig.end);
    assert_true(rig.requests < 2 * LINES);
}

static void test_halves_what_is_too_large(void **state)
{
    with_server(small_only, 0, 10 * SECOND);
    assert_all_stored(0);
    assert_int_equal(rig.counts.delivered.records, LINES);
}

static void test_drops_what_is_refused_as_a_whole(void **state)
{
    with_server(refuses_all, 0, 10 * SECOND);
    assert_int_equal(rig.counts.dropped[DROP_INVALID].records, LINES);
    assert_int_equal(rig.requests, 1);
    with_server(policy, 0, 10 * SECOND);
    assert_int_equal(rig.counts.dropped[DROP_INVALID].records, LINES);
}

static void wait_said(enum log_level level, uint64_t count)
{
    for (int i = 0; i < 50000 && log_count(level) < count; i++)
        usleep(1000);
    assert_int_equal(log_count(level), count);
}

/* One message for each reason, and one when a minute has passed without any refusal; the counter has each of them. */
static void test_says_once_that_entries_are_refused(void **state)
{
    enum { ROUNDS = 4 };
    static const char *const reasons[ROUNDS] = {"too old", "too old", "max entry size", "too old"};
    uint64_t errors = log_count(LOG_LEVEL_ERROR), infos = log_count(LOG_LEVEL_INFO);
    rig_prepare(&rig, refuses_all);
    assert_true(rig_start(&rig));
    for (unsigned round = 1; round <= 2; round++) {
        for (unsigned i = 0; i < ROUNDS; i++) {
            refusal = reasons[i];
            feed(&rig, 0);
            rig_wait(&rig, 10 * SECOND);
        }
        assert_int_equal(rig.requests, ROUNDS * round);
        assert_int_equal(log_count(LOG_LEVEL_ERROR), errors + 2 * round);
        assert_int_equal(log_count(LOG_LEVEL_INFO), infos + round - 1);
        assert_int_equal(loop_pause(&rig.sink.loop, 50 * SECOND), 0);
        timer_set(&((struct loki *)rig.sink.state)->calm, 0);
        loop_resume(&rig.sink.loop);
        wait_said(LOG_LEVEL_INFO, infos + round);
    }
    rig_stop(&rig);
    assert_int_equal(rig.counts.dropped[DROP_INVALID].records, 2 * ROUNDS * LINES);
    rig_end(&rig);
}

static void assert_kept(void)
{
    assert_int_equal(rig.position, 0);
    assert_int_equal(rig.counts.delivered.records, 0);
    assert_int_equal(rig.counts.in_flight.records, 0);
    assert_true(rig.stop_took < SECOND);
}

static void test_stops_at_once(void **state)
{
    with_server(hangs, 0, 100 * MILLISECOND);
    assert_kept();
    rig_prepare(&rig, hangs);
    rig.config.loki.url = "http://127.0.0.1:1"; /* nobody listens */
    run(0, 100 * MILLISECOND);
    assert_kept();
}

static void test_dead_dns_holds_nothing_up(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char servers[40];
    int silent = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(silent, (void *)&at, sizeof at), 0);
    getsockname(silent, (void *)&at, &size);
    snprintf(servers, sizeof servers, "127.0.0.1:%u", ntohs(at.sin_port));
    loki_set_dns_servers(servers);
    rig_prepare(&rig, hangs);
    rig.config.loki.url = "http://loki.example:3100";
    run(0, 100 * MILLISECOND);
    loki_set_dns_servers("");
    close(silent);
    assert_kept();
}

/* ---- a stop while slots wait for each other's memory ---- */

static _Atomic bool stop_asked;

/* Holds the first request until the stop has surely begun, then cannot take it; takes the others. */
static enum server_act holds_the_first(struct http_server *s, struct server_request *r)
{
    if (r->nth > 1)
        return rig_accept(s, r);
    while (!stop_asked)
        usleep(100);
    usleep(100000);
    server_answer(r, 500, "", "not now");
    return SERVER_ANSWER;
}

static void feed_source(struct rig *r, struct source *source)
{
    struct batch *b = batch_new(&r->pool, source, RIG_BATCH, RIG_MARKS);
    assert_non_null(b);
    assert_true(rig_line(b, r->stream, "a line", 6, false));
    dispatch(&r->dispatcher, b);
}

/* One slot's request is given up during the stop: those that waited for its memory are still delivered. */
static void test_a_stop_wakes_those_who_wait_for_memory(void **state)
{
    enum { SOURCES = 32 }; /* spread over two slots by their addresses */
    struct source *sources[SOURCES];
    struct counts sum;
    rig_prepare(&rig, holds_the_first);
    rig.config.loki.workers = 2;
    rig.config.loki.batch_timeout = 20 * MILLISECOND;
    rig.config.loki.timeout = 10 * SECOND;
    assert_true(rig_start(&rig));
    for (unsigned i = 0; i < SOURCES; i++) {
        char key[16];
        snprintf(key, sizeof key, "file:%u", 2 + i);
        assert_non_null(sources[i] = source_obtain(SOURCE_FILE, key, "/b"));
        feed_source(&rig, sources[i]);
    }
    pool_claim(&rig.pool, rig.pool.limit); /* so that one body is all that there can be */
    while (atomic_load(&rig.sink.stats.requests) == 0)
        usleep(100);
    usleep(100000); /* the other slot has collected by now, and waits */
    sink_stop(&rig.sink, clock_mono() + 10 * SECOND);
    stop_asked = true;
    sink_join(&rig.sink);
    book_totals(&rig.sink.book, &sum);
    pool_release(&rig.pool, rig.pool.limit);
    for (unsigned i = 0; i < SOURCES; i++)
        source_unref(sources[i]);
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(sum.in_flight.records, 0);
    assert_true(sum.delivered.records > 0);
    assert_true(sum.delivered.records < SOURCES);
    assert_int_equal(rig.requests, 1);
}

static void test_reads_what_a_400_says(void **state)
{
    assert_true(loki_refused_all("3 errors like: a; 2 errors like: b", 5, false));
    assert_false(loki_refused_all("3 errors like: a; b", 5, false));
    assert_true(loki_refused_all("user 'x', total ignored: 4 out of 4 for stream: {}", 4, true));
    assert_false(loki_refused_all("user 'x', total ignored: 3 out of 4 for stream: {}", 4, true));
    assert_false(loki_refused_all("user 'x', total ignored: 4 out of 4 for stream: {}", 4, false));
    assert_int_equal(libcurl_open(), 0);
    assert_int_equal(http_retry_after("120", 0), 120 * SECOND);
    assert_int_equal(http_retry_after(" Thu, 01 Jan 1970 00:01:00 GMT\r\n", 0), 60 * SECOND);
    assert_int_equal(http_retry_after("soon", 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_delivers),
        TEST(test_survives_whatever_the_server_does),
        TEST(test_finds_the_offenders),
        TEST(test_halves_what_is_too_large),
        TEST(test_drops_what_is_refused_as_a_whole),
        TEST(test_says_once_that_entries_are_refused),
        TEST(test_stops_at_once),
        TEST(test_dead_dns_holds_nothing_up),
        TEST(test_a_stop_wakes_those_who_wait_for_memory),
        TEST(test_reads_what_a_400_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
