/*
 * What arrives at the server: order, streams, joined and cut lines, labels and metadata, credentials, names; and that
 * the census knows each descriptor of a sink.
 */
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "loki_rig.h"
#include "unit.h"

static struct rig rig;

static struct stream *labelled(const char *name, const char *value)
{
    struct label l = {name, value};
    struct stream *s = stream_get(&l, 1);
    assert_non_null(s);
    return s;
}

static void add(struct batch *b, struct stream *s, const char *line, bool more)
{
    assert_true(rig_line(b, s, line, strlen(line), more));
}

/* One batch of one line; all is delivered. */
static void deliver(struct stream *s, const char *line)
{
    struct batch *b = rig_batch(&rig);
    add(b, s, line, false);
    rig_dispatch(&rig, b);
    rig_wait(&rig, 10 * SECOND);
    assert_int_equal(rig.position, rig.end);
}

/* ---- descriptors ---- */

static bool said(const char *what)
{
    pthread_mutex_lock(&rig.sink.lock);
    bool is = strstr(rig.sink.error, what) != NULL;
    pthread_mutex_unlock(&rig.sink.lock);
    return is;
}

static void test_says_why_it_has_no_socket(void **state)
{
    struct rlimit before, none;
    rig_prepare(&rig, rig_accept);
    assert_true(rig_start(&rig));
    usleep(100000); /* what it opens at its start is open */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = dup(0);
    close(next);
    none = (struct rlimit){(rlim_t)next, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct batch *b = rig_batch(&rig);
    add(b, rig.stream, "second", false);
    rig_dispatch(&rig, b);
    for (int i = 0; i < 5000 && !said("Too many open files"); i++)
        usleep(1000);
    bool is = said("Too many open files");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(is);
    rig_wait(&rig, 20 * SECOND);
    assert_int_equal(rig.position, rig.end);
    rig_stop(&rig);
    rig_end(&rig);
}

/* ---- order ---- */

static enum server_act every_other_fails(struct http_server *s, struct server_request *r)
{
    unsigned bad;
    if (r->nth % 2) {
        server_answer(r, r->nth % 4 == 1 ? 503 : 429, "", "busy");
        return SERVER_ANSWER;
    }
    rig_read(s->arg, r, true, &bad);
    server_answer(r, 204, "", "");
    return SERVER_ANSWER;
}

static void test_keeps_order_over_retries(void **state)
{
    enum { BATCHES = 40, EACH = 5 };
    rig_prepare(&rig, every_other_fails);
    rig.config.loki.batch_size = 120; /* several leases in some requests, one in others */
    assert_true(rig_start(&rig));
    for (unsigned i = 0; i < BATCHES; i++) {
        struct batch *b = rig_batch(&rig);
        for (unsigned j = 0; j < EACH; j++) {
            char line[32];
            snprintf(line, sizeof line, "line %u%s", i * EACH + j, i % 3 ? "" : " and more of it");
            add(b, rig.stream, line, false);
        }
        rig_dispatch(&rig, b);
    }
    rig_wait(&rig, 10 * SECOND);
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(rig.n, BATCHES * EACH);
    assert_true(rig.requests > 3 && rig.requests < BATCHES);
    for (unsigned i = 0; i < rig.n; i++)
        assert_int_equal(atoi(rig.entries[i].line + 5), i);
}

/* ---- streams and records ---- */

static void test_streams_and_joined_lines(void **state)
{
    rig_prepare(&rig, rig_accept);
    assert_true(rig_start(&rig));
    struct stream *a = labelled("job", "a"), *b = labelled("job", "b");
    struct batch *batch = rig_batch(&rig);
    add(batch, a, "a1", false);
    add(batch, b, "b1", false);
    add(batch, a, "a2 caf\xC3", true);
    add(batch, a, "\xA9, ", true);
    add(batch, a, "end", false);
    add(batch, b, "b2 \xFF!", false);
    rig_dispatch(&rig, batch);
    rig_wait(&rig, 10 * SECOND);
    stream_unref(a);
    stream_unref(b);
    rig_stop(&rig);
    rig_end(&rig);
    static const char *const expected[][2] = {
        {"{host=\"test\", job=\"a\"}", "a1"}, {"{host=\"test\", job=\"a\"}", "a2 caf\xC3\xA9, end"},
        {"{host=\"test\", job=\"b\"}", "b1"}, {"{host=\"test\", job=\"b\"}", "b2 \xEF\xBF\xBD!"}};
    assert_int_equal(rig.requests, 1);
    assert_int_equal(rig.n, 4);
    for (unsigned i = 0; i < rig.n; i++) {
        assert_string_equal(rig.entries[i].labels, expected[i][0]);
        assert_string_equal(rig.entries[i].line, expected[i][1]);
    }
    assert_int_equal(rig.counts.delivered.records, 4);
}

static void test_cuts_and_counts_long_lines(void **state)
{
    rig_prepare(&rig, every_other_fails); /* what is sent again is not counted again */
    rig.config.loki.max_line_bytes = 10;
    assert_true(rig_start(&rig));
    struct batch *b = rig_batch(&rig);
    add(b, rig.stream, "0123456789", false);
    add(b, rig.stream, "0123456789abc", false);          /* 3 */
    add(b, rig.stream, "012345678\xC3\xA9x", false);     /* 3: no half characters */
    add(b, rig.stream, "0123456", true);                 /* 4, of the whole */
    add(b, rig.stream, "789abcd", false);
    rig_dispatch(&rig, b);
    rig_wait(&rig, 10 * SECOND);
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(rig.n, 4);
    assert_string_equal(rig.entries[1].line, "0123456789");
    assert_string_equal(rig.entries[2].line, "012345678");
    assert_string_equal(rig.entries[3].line, "0123456789");
    assert_int_equal(rig.counts.dropped[DROP_TOO_LONG].bytes, 3 + 3 + 4);
    assert_int_equal(rig.counts.dropped[DROP_TOO_LONG].records, 0);
    assert_int_equal(rig.counts.delivered.records, 4);
}

/* ---- labels ---- */

static void test_surplus_labels_become_metadata(void **state)
{
    enum { LABELS = 20 };
    struct label labels[LABELS];
    char names[LABELS][8];
    for (unsigned i = 0; i < LABELS; i++) {
        snprintf(names[i], sizeof names[i], "n%02u", i);
        labels[i] = (struct label){names[i], "v"};
    }
    rig_prepare(&rig, rig_accept);
    assert_true(rig_start(&rig));
    struct stream *s = stream_get(labels, LABELS);
    deliver(s, "x");
    stream_unref(s);
    rig_stop(&rig);
    rig_end(&rig);
    unsigned n = 0;
    for (const char *at = rig.entries[0].labels; (at = strchr(at, '=')); at++)
        n++;
    assert_int_equal(n, 15);
    assert_non_null(strstr(rig.entries[0].labels, "host=\"test\""));
    assert_string_equal(rig.entries[0].metadata, "n14=v,n15=v,n16=v,n17=v,n18=v,n19=v,");
}

static void test_structured_metadata(void **state)
{
    const char *names[] = {"trace"};
    struct label labels[] = {{"job", "j"}, {"trace", "abc \"1\""}, {"__internal", "i"}};
    rig_prepare(&rig, rig_accept);
    rig.config.loki.structured_metadata.items = names;
    rig.config.loki.structured_metadata.n = 1;
    assert_true(rig_start(&rig));
    struct stream *s = stream_get(labels, 3);
    struct stream *only = labelled("trace", "t");
    deliver(s, "x");
    deliver(only, "y");
    stream_unref(s);
    stream_unref(only);
    rig_stop(&rig);
    rig_end(&rig);
    assert_string_equal(rig.entries[0].labels, "{label__internal=\"i\", host=\"test\", job=\"j\"}");
    assert_string_equal(rig.entries[0].metadata, "trace=abc \"1\",");
    assert_string_equal(rig.entries[1].labels, "{host=\"test\"}");
    assert_string_equal(rig.entries[1].metadata, "trace=t,");
}

/* ---- credentials ---- */

static char heads[4][2048];

static enum server_act keep_head(struct http_server *s, struct server_request *r)
{
    if (r->nth <= 4)
        snprintf(heads[r->nth - 1], sizeof heads[0], "%.*s", (int)(r->body - r->head), r->head);
    return rig_accept(s, r);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_credentials_and_headers(void **state)
{
    char path[] = "/tmp/logcap-secret-XXXXXX";
    close(mkstemp(path));
    write_file(path, "one\n");
    rig_prepare(&rig, keep_head);
    rig.config.loki.username = "me";
    rig.config.loki.password_file = path;
    struct label extra = {"X-Extra", "yes"};
    rig.config.loki.headers.items = &extra;
    rig.config.loki.headers.n = 1;
    assert_true(rig_start(&rig));
    deliver(rig.stream, "x");
    write_file(path, "another\n");
    deliver(rig.stream, "y");
    unlink(path); /* what was read before goes on */
    deliver(rig.stream, "z");
    rig_stop(&rig);
    rig_end(&rig);
    assert_non_null(strstr(heads[0], "POST /loki/api/v1/push HTTP/1.1\r\n"));
    assert_non_null(strstr(heads[0], "\r\nX-Scope-OrgID: t\r\n"));
    assert_non_null(strstr(heads[0], "\r\nX-Extra: yes\r\n"));
    assert_non_null(strstr(heads[0], "\r\nContent-Type: application/x-protobuf\r\n"));
    assert_null(strstr(heads[0], "Expect:"));
    assert_non_null(strstr(heads[0], "\r\nAuthorization: Basic bWU6b25l\r\n"));         /* me:one */
    assert_non_null(strstr(heads[1], "\r\nAuthorization: Basic bWU6YW5vdGhlcg==\r\n")); /* me:another */
    assert_non_null(strstr(heads[2], "\r\nAuthorization: Basic bWU6YW5vdGhlcg==\r\n"));
}

static void test_bearer(void **state)
{
    rig_prepare(&rig, keep_head);
    rig.config.loki.bearer_token = "tok.en";
    assert_true(rig_start(&rig));
    deliver(rig.stream, "x");
    rig_stop(&rig);
    rig_end(&rig);
    assert_non_null(strstr(heads[0], "\r\nAuthorization: Bearer tok.en\r\n"));
}

/* ---- names ---- */

static void test_looks_up_a_name(void **state)
{
    char name[64];
    if (!rig_local_name(name)) {
        print_message("skipped: /etc/hosts has no other name for 127.0.0.1\n");
        skip();
    }
    rig_prepare(&rig, rig_accept);
    snprintf(rig.url, sizeof rig.url, "http://%.40s:%u", name, rig.server.port);
    assert_true(rig_start(&rig));
    deliver(rig.stream, "x");
    deliver(rig.stream, "y");
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(rig.n, 2);
}

/* ---- descriptors ---- */

enum { FDS = 256 };

/* What the kernel has open, but for the listing itself. */
static void kernel_fds(bool open[FDS])
{
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    memset(open, 0, FDS * sizeof *open);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d)) {
            assert_true(atoi(e->d_name) < FDS);
            open[atoi(e->d_name)] = true;
        }
    closedir(d);
}

static void census_fds(bool open[FDS])
{
    struct census c;
    memset(open, 0, FDS * sizeof *open);
    assert_true(census_take(&c));
    for (size_t i = 0; i < c.n; i++)
        if (c.items[i].kind == BIRTH_FD) {
            assert_true(c.items[i].fd >= 0 && c.items[i].fd < FDS);
            assert_false(open[c.items[i].fd]);
            open[c.items[i].fd] = true;
        }
    census_drop(&c);
}

/* The server's end of a connection, which is in this process too. */
static bool is_servers(int fd)
{
    struct sockaddr_in at = {0};
    socklen_t size = sizeof at;
    return getsockname(fd, (void *)&at, &size) == 0 && at.sin_family == AF_INET && ntohs(at.sin_port) == rig.server.port;
}

static unsigned assert_same_fds(const bool before[FDS])
{
    bool kernel[FDS], census[FDS];
    unsigned n = 0;
    kernel_fds(kernel);
    census_fds(census);
    for (int i = 0; i < FDS; i++) {
        if (kernel[i] != (census[i] || before[i] || is_servers(i)))
            fail_msg("descriptor %d: kernel %d, census %d", i, kernel[i], census[i]);
        n += census[i];
    }
    return n;
}

static _Atomic bool asked;

static enum server_act hangs(struct http_server *s, struct server_request *r)
{
    atomic_store(&asked, true);
    return SERVER_HANG;
}

static void test_census_knows_each_descriptor(void **state)
{
    bool before[FDS];
    rig_prepare(&rig, hangs);
    rig.config.loki.timeout = 10 * SECOND;
    kernel_fds(before);
    assert_true(rig_start(&rig));
    usleep(50000);
    unsigned idle = assert_same_fds(before);
    struct batch *b = rig_batch(&rig);
    add(b, rig.stream, "x", false);
    rig_dispatch(&rig, b);
    while (!atomic_load(&asked))
        usleep(1000);
    assert_int_equal(assert_same_fds(before), idle + 1); /* its connection */
    rig_stop(&rig);
    usleep(50000); /* for the server to see the end of the connection */
    assert_int_equal(assert_same_fds(before), 0);
    rig_end(&rig);
}

/* ---- a proxy, and connections that do not last ---- */

static char request_line[200];

static enum server_act proxies(struct http_server *s, struct server_request *r)
{
    snprintf(request_line, sizeof request_line, "%.*s", (int)strcspn(r->head, "\r"), r->head);
    return rig_accept(s, r);
}

/* The proxy is asked for the whole address; the sink's own name is nobody's to look up but the proxy's. */
static void test_sends_through_a_proxy(void **state)
{
    rig_prepare(&rig, proxies);
    rig.config.loki.url = "http://loki.invalid:3100";
    rig.config.loki.proxy = rig.url;
    assert_true(rig_start(&rig));
    deliver(rig.stream, "a");
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(rig.n, 1);
    assert_string_equal(request_line, "POST http://loki.invalid:3100/loki/api/v1/push HTTP/1.1");
    assert_int_equal(atomic_load(&rig.sink.stats.request_errors), 0);
}

static enum server_act closes_after_each_answer(struct http_server *s, struct server_request *r)
{
    rig_accept(s, r);
    return SERVER_CLOSE;
}

/* A server may close a connection that idles: the next request takes another, and nobody hears of it. */
static void test_a_closed_idle_connection_is_no_error(void **state)
{
    enum { REQUESTS = 5 };
    rig_prepare(&rig, closes_after_each_answer);
    assert_true(rig_start(&rig));
    for (unsigned i = 0; i < REQUESTS; i++) {
        deliver(rig.stream, "a");
        usleep(20000); /* the connection is closed by now */
    }
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(rig.requests, REQUESTS);
    assert_int_equal(atomic_load(&rig.sink.stats.requests), REQUESTS);
    assert_int_equal(atomic_load(&rig.sink.stats.request_errors), 0);
    assert_int_equal(atomic_load(&rig.sink.stats.retries), 0);
    assert_false(atomic_load(&rig.sink.stats.failing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keeps_order_over_retries),
        TEST(test_streams_and_joined_lines),
        TEST(test_cuts_and_counts_long_lines),
        TEST(test_surplus_labels_become_metadata),
        TEST(test_structured_metadata),
        TEST(test_credentials_and_headers),
        TEST(test_bearer),
        TEST(test_looks_up_a_name),
        TEST(test_sends_through_a_proxy),
        TEST(test_a_closed_idle_connection_is_no_error),
        TEST(test_says_why_it_has_no_socket),
        TEST(test_census_knows_each_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
