/*
 * The Loki sink against a scripted server: whatever the server does, each line is stored or counted, in order.
 */
#include "out/loki.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/dispatcher.h"
#include "core/source.h"
#include "http_server.h"
#include "unit.h"

enum { LINES = 40 };

struct fixture {
    struct http_server server;
    bool stored[LINES];
    unsigned bad_entries; /* lines with "bad" in them are refused */
    unsigned requests;
};

/* ---- a decoder of its own: the lines of a push request ---- */

static uint64_t varint(const unsigned char **p)
{
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        v |= (uint64_t)(**p & 0x7F) << shift;
        if (!(*(*p)++ & 0x80))
            return v;
    }
}

/* Calls fn for each field 2 two levels down: Stream.entries' lines. */
static unsigned each_line(const unsigned char *p, size_t n, int depth, void (*fn)(const char *, size_t, void *), void *arg)
{
    unsigned lines = 0;
    for (const unsigned char *end = p + n; p < end;) {
        uint64_t tag = varint(&p), size = varint(&p);
        bool inner = (depth == 0 && tag == 10) || (depth == 1 && tag == 18);
        if (inner)
            lines += each_line(p, size, depth + 1, fn, arg);
        else if (depth == 2 && tag == 18) {
            fn((const char *)p, size, arg);
            lines++;
        }
        p += size;
    }
    return lines;
}

static void store(const char *line, size_t n, void *arg)
{
    struct fixture *f = arg;
    if (memmem(line, n, "bad", 3))
        f->bad_entries++;
    else {
        char text[32] = {0};
        memcpy(text, line, n < sizeof text ? n : sizeof text - 1);
        f->stored[atoi(text + 5)] = true;
    }
}

static void look(const char *line, size_t n, void *arg)
{
    *(unsigned *)arg += memmem(line, n, "bad", 3) != NULL;
}

static unsigned read_push(struct fixture *f, struct server_request *r, bool keep, unsigned *bad)
{
    size_t n = 0;
    *bad = 0;
    assert_int_equal(snappy_uncompressed_length(r->body, r->body_n, &n), SNAPPY_OK);
    char *raw = malloc(n);
    assert_int_equal(snappy_uncompress(r->body, r->body_n, raw, &n), SNAPPY_OK);
    unsigned lines = each_line((unsigned char *)raw, n, 0, look, bad);
    if (keep)
        each_line((unsigned char *)raw, n, 0, store, f);
    free(raw);
    f->requests++;
    return lines;
}

/* ---- scripts ---- */

static enum server_act fine(struct http_server *s, struct server_request *r)
{
    unsigned bad;
    read_push(s->arg, r, true, &bad);
    server_answer(r, 204, "", "");
    return SERVER_ANSWER;
}

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
    read_push(s->arg, r, true, &bad);
    server_answer(r, 204, "", "");
    return SERVER_ANSWER;
}

static enum server_act picky(struct http_server *s, struct server_request *r)
{
    unsigned bad;
    read_push(s->arg, r, true, &bad);
    server_answer(r, bad ? 400 : 204, "", bad ? "some entry is wrong" : "");
    return SERVER_ANSWER;
}

static enum server_act small_only(struct http_server *s, struct server_request *r)
{
    unsigned bad, n = read_push(s->arg, r, false, &bad);
    if (n <= 3)
        read_push(s->arg, r, true, &bad);
    server_answer(r, n > 3 ? 413 : 204, "", "");
    return SERVER_ANSWER;
}

static enum server_act refuses_all(struct http_server *s, struct server_request *r)
{
    unsigned bad, n = read_push(s->arg, r, false, &bad);
    char why[100];
    snprintf(why, sizeof why, "%u errors like: too old", n);
    server_answer(r, 400, "", why);
    return SERVER_ANSWER;
}

static enum server_act policy(struct http_server *s, struct server_request *r)
{
    unsigned bad;
    read_push(s->arg, r, false, &bad);
    server_answer(r, 260, "", "blocked");
    return SERVER_ANSWER;
}

static enum server_act hangs(struct http_server *s, struct server_request *r)
{
    return SERVER_HANG;
}

/* ---- a sink, a source, LINES records ---- */

static struct batch *make_batch(struct pool *p, struct source *source, struct stream *stream, unsigned bad_every)
{
    struct batch *b = batch_new(p, source, 64 * LINES, LINES);
    assert_non_null(b);
    int at = batch_stream(b, stream);
    for (unsigned i = 0; i < LINES; i++) {
        bool bad = bad_every && i % bad_every == 0;
        int n = sprintf(b->data + b->used, "line %u%s\n", i, bad ? " bad" : "");
        struct mark m = {b->used, (uint32_t)n - 1, b->used + (uint32_t)n, (uint16_t)at, 0, clock_real() + i};
        assert_true(batch_mark(b, m));
        b->used += (uint32_t)n;
    }
    b->to = b->used;
    return b;
}

struct outcome {
    struct counts counts;
    uint64_t position, end;
    int64_t stop_took;
};

static struct outcome run(struct fixture *f, const char *url, unsigned bad_every, bool snappy, int64_t wait)
{
    struct label own = {"host", "test"};
    struct sink_config c = {.name = "loki", .type = "loki", .enabled = true, .queue_size = 1 << 20,
        .loki = {.url = url, .tenant = "t", .username = "", .password = "", .password_file = "", .bearer_token = "",
            .bearer_token_file = "", .proxy = "", .ca_file = "", .cert_file = "", .key_file = "", .snappy = snappy,
            .labels = {&own, 1}, .workers = 3, .batch_size = 1 << 20, .batch_timeout = 5 * MILLISECOND,
            .timeout = 300 * MILLISECOND, .connect_timeout = 200 * MILLISECOND, .backoff_min = MILLISECOND,
            .backoff_max = 20 * MILLISECOND, .max_line_bytes = 256 << 10, .max_labels = 15}};
    struct config root = {0};
    struct pool pool;
    struct sink sink, *sinks[] = {&sink};
    struct scope scope;
    struct outcome out = {0};
    assert_int_equal(scope_begin(&scope, &scope_root, "test"), 0);
    assert_int_equal(streams_begin(&scope), 0);
    assert_int_equal(pool_begin(&pool, &scope, 1 << 20), 0);
    assert_int_equal(sink_begin(&sink, &scope, 0, &c, &root, &loki_sink, &pool), 0);
    assert_int_equal(sources_begin(&scope, sinks, 1), 0);
    assert_int_equal(sink_start(&sink), 0);
    struct source *source = source_new(SOURCE_FILE, "file:1", "/a");
    struct label job = {"job", "j\"x"};
    struct stream *stream = stream_get(&job, 1);
    struct dispatcher d = {.sinks = sinks, .n_sinks = 1, .pool = &pool};
    struct batch *b = make_batch(&pool, source, stream, bad_every);
    out.end = b->to;
    dispatch(&d, b);

    struct position position;
    char cursor[POSITION_CURSOR];
    for (int64_t until = clock_mono() + wait; clock_mono() < until; usleep(1000)) {
        account_read(&source->accounts[0], &position, cursor, &out.counts);
        if (position.offset == out.end)
            break;
    }
    int64_t began = clock_mono();
    sink_stop(&sink, began + 50 * MILLISECOND);
    thread_end(&sink.thread);
    out.stop_took = clock_mono() - began;
    account_read(&source->accounts[0], &position, cursor, &out.counts);
    out.position = position.offset;
    char why[200];
    assert_true(counts_check(&out.counts, why, sizeof why));
    sink_end(&sink);
    stream_unref(stream);
    source_unref(source);
    sources_end();
    assert_int_equal(atomic_load(&pool.used), 0);
    pool_end(&pool);
    streams_end();
    scope_end(&scope);
    return out;
}

static struct outcome with_server(struct fixture *f, enum server_act (*script)(struct http_server *, struct server_request *),
                                  unsigned bad_every, bool snappy, int64_t wait)
{
    char url[64];
    *f = (struct fixture){0};
    http_server_start(&f->server, script, f);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", f->server.port);
    struct outcome out = run(f, url, bad_every, snappy, wait);
    http_server_stop(&f->server);
    return out;
}

static void assert_all_stored(const struct fixture *f, unsigned bad_every)
{
    for (unsigned i = 0; i < LINES; i++)
        if (!bad_every || i % bad_every)
            assert_true(f->stored[i]);
}

static void test_delivers(void **state)
{
    struct fixture f;
    for (int snappy = 0; snappy < 2; snappy++) {
        struct outcome o = with_server(&f, fine, 0, snappy, 10 * SECOND);
        assert_all_stored(&f, 0);
        assert_int_equal(o.counts.delivered.records, LINES);
        assert_int_equal(o.position, o.end);
        assert_int_equal(f.requests, 1);
    }
}

static void test_survives_whatever_the_server_does(void **state)
{
    struct fixture f;
    struct outcome o = with_server(&f, flaky, 0, true, 30 * SECOND);
    assert_all_stored(&f, 0);
    assert_int_equal(o.counts.delivered.records, LINES);
}

static void test_finds_the_offenders(void **state)
{
    struct fixture f;
    struct outcome o = with_server(&f, picky, 7, true, 10 * SECOND);
    assert_all_stored(&f, 7);
    assert_int_equal(o.counts.dropped[DROP_INVALID].records, 6);
    assert_int_equal(o.counts.delivered.records, LINES - 6);
    assert_int_equal(o.position, o.end);
    assert_true(f.requests < 2 * LINES);
}

static void test_halves_what_is_too_large(void **state)
{
    struct fixture f;
    struct outcome o = with_server(&f, small_only, 0, true, 10 * SECOND);
    assert_all_stored(&f, 0);
    assert_int_equal(o.counts.delivered.records, LINES);
}

static void test_drops_what_is_refused_as_a_whole(void **state)
{
    struct fixture f;
    struct outcome o = with_server(&f, refuses_all, 0, true, 10 * SECOND);
    assert_int_equal(o.counts.dropped[DROP_INVALID].records, LINES);
    assert_int_equal(f.requests, 1);
    o = with_server(&f, policy, 0, true, 10 * SECOND);
    assert_int_equal(o.counts.dropped[DROP_INVALID].records, LINES);
}

static void assert_kept(const struct outcome *o)
{
    assert_int_equal(o->position, 0);
    assert_int_equal(o->counts.delivered.records, 0);
    assert_int_equal(o->counts.in_flight.records, 0);
    assert_true(o->stop_took < SECOND);
}

static void test_stops_at_once(void **state)
{
    struct fixture f;
    struct outcome o = with_server(&f, hangs, 0, true, 100 * MILLISECOND);
    assert_kept(&o);
    o = run(&f, "http://127.0.0.1:1", 0, true, 100 * MILLISECOND); /* nobody listens */
    assert_kept(&o);
}

static void test_dead_dns_holds_nothing_up(void **state)
{
    struct fixture f;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char servers[40];
    int silent = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(silent, (void *)&at, sizeof at), 0);
    getsockname(silent, (void *)&at, &size);
    snprintf(servers, sizeof servers, "127.0.0.1:%u", ntohs(at.sin_port));
    loki_set_dns_servers(servers);
    struct outcome o = run(&f, "http://loki.example:3100", 0, true, 100 * MILLISECOND);
    loki_set_dns_servers("");
    close(silent);
    assert_kept(&o);
}

static void test_reads_what_a_400_says(void **state)
{
    assert_true(loki_refused_all("3 errors like: a; 2 errors like: b", 5, false));
    assert_false(loki_refused_all("3 errors like: a; b", 5, false));
    assert_true(loki_refused_all("user 'x', total ignored: 4 out of 4 for stream: {}", 4, true));
    assert_false(loki_refused_all("user 'x', total ignored: 3 out of 4 for stream: {}", 4, true));
    assert_false(loki_refused_all("user 'x', total ignored: 4 out of 4 for stream: {}", 4, false));
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
        TEST(test_stops_at_once),
        TEST(test_dead_dns_holds_nothing_up),
        TEST(test_reads_what_a_400_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
