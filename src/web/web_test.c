/* A real server on a port of its own, and clients that behave, that do not, and that are hostile. */
#include "web/web.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "directory.h"
#include "in/files/files.h"
#include "leak/watch/leakwatch.h"
#include "store/store_letters.h"
#include "unit.h"
#include "web/routes.h"

static struct config config;
static struct web_context context;
static struct pool pool;
static struct dispatcher dispatcher = {.pool = &pool};
static struct tap tap;
static struct web web;
static int64_t deadline; /* for the next begin() */
static int64_t main_silent; /* as if main's loop were, for so long; the same */
static const char *host = "127.0.0.1", *token = "", *state_dir = "/";
static struct leakwatch *leaks;
static struct letters *letters;

static int print_config(const struct config *c, struct buf *out)
{
    return buf_puts(out, "{}");
}

static int why(const char *path, struct buf *out)
{
    return buf_printf(out, "%s: no pattern matches it\n", path);
}

static const struct files_stats *files_read; /* for the next begin() */

static const struct files_stats *files(void)
{
    return files_read;
}

static int up(char *error, size_t size)
{
    config = (struct config){.state_dir = state_dir, .server = {.host = host, .max_connections = 8, .max_feeds = 4, .token = token, .token_file = "", .username = "",
                                        .password = "", .password_file = "", .cert_file = "", .key_file = ""},
                             .metrics = {.enabled = true, .host = "127.0.0.1", .path = "/metrics"},
                             .host = "here", .api = {.enabled = true, .max_body = 4096, .rate = 100}};
    context = (struct web_context){.config = &config, .dispatcher = &dispatcher, .tap = &tap, .pool = &pool, .started = clock_mono(), .ready = true, .deadline = deadline, .leaks = leaks, .letters = letters,
                                   .print_config = print_config, .why = why, .files = files};
    if (main_silent) {
        config.task_tracking.restart_hung_after = 5 * MINUTE;
        context.started -= 10 * HOUR;
        context.main_beat = clock_mono() - main_silent;
    }
    tap_begin(&tap);
    int r = streams_begin(&scope_root);
    if (r < 0)
        return r;
    r = pool_begin(&pool, &scope_root, 1 << 20);
    if (r < 0) {
        streams_end();
        return r;
    }
    sources_begin(&scope_root, NULL, 0);
    r = web_begin(&web, &scope_root, &context, error, size);
    if (r < 0) {
        sources_end();
        pool_end(&pool);
        streams_end();
    }
    return r;
}

static void begin(void)
{
    char error[300];
    int r = up(error, sizeof error);
    if (r < 0)
        fail_msg("%s", error);
}

static void end(void)
{
    deadline = 0;
    host = "127.0.0.1";
    token = "";
    state_dir = "/";
    leaks = NULL;
    letters = NULL;
    web_end(&web);
    files_read = NULL;
    sources_end();
    pool_end(&pool);
    streams_end();
}

static int dial(unsigned listener)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(web.server.listeners[listener].port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int n = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(n >= 0);
    assert_int_equal(connect(n, (struct sockaddr *)&to, sizeof to), 0);
    return n;
}

/* Everything until the server closes, or 5 s without a byte. */
static char *converse(unsigned listener, const char *request)
{
    static char reply[1 << 20];
    size_t len = 0;
    int n = dial(listener);
    send(n, request, strlen(request), MSG_NOSIGNAL);
    struct pollfd p = {.fd = n, .events = POLLIN};
    while (len + 1 < sizeof reply && poll(&p, 1, 5000) == 1) {
        ssize_t r = recv(n, reply + len, sizeof reply - 1 - len, 0);
        if (r <= 0)
            break;
        len += (size_t)r;
    }
    close(n);
    reply[len] = 0;
    return reply;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

static void says(const char *reply, unsigned status, const char *part)
{
    unsigned got = 0;
    if (sscanf(reply, "HTTP/1.%*d %u", &got) != 1 || got != status || !strstr(reply, part))
        fail_msg("expected %u and \"%s\" in: %s", status, part, reply);
}

static const char *post(const char *extra, const char *body)
{
    static char request[8192];
    snprintf(request, sizeof request, "POST /api/v1/logs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s"
             "Content-Length: %zu\r\n\r\n%s", extra, strlen(body), body);
    return converse(0, request);
}

static void routes_answer_what_they_say(void **state)
{
    begin();
    says(converse(0, GET("/help")), 200, "/health");
    says(converse(0, GET("/health")), 200, "\"goroutine_tracker\":{\"status\":\"healthy\"");
    says(converse(0, GET("/ready")), 200, "\"ready\":true");
    says(converse(0, GET("/livez")), 200, "\"alive\":true");
    says(converse(0, GET("/stats")), 200, "\"pool\":{\"used_bytes\":0,\"limit_bytes\":1048576}");
    says(converse(0, GET("/sources")), 200, "\"adds_up\":true");
    says(converse(0, GET("/positions")), 200, "\"positions\":[{\"name\":\"POST /api/v1/logs\"");
    says(converse(0, GET("/containers")), 200, "\"stats\":{\"engines\":0,"); /* without a monitor too */
    says(converse(0, GET("/tasks")), 200, "\"kind\":\"http_client\",\"count\":1");
    says(converse(0, GET("/tasks?full=1")), 200, "\"owner\":\"logcap/web/server/clients/client\"");
    says(converse(0, GET("/tasks")), 200, "\"accept_clients+0x");
    says(converse(0, GET("/why?path=/x%20y")), 200, "/x y: no pattern matches it\n");
    says(converse(0, GET("/why?path=/x&format=json")), 200, "\"is_read\":false");
    says(converse(0, GET("/why?path=x")), 400, "absolute");
    says(converse(0, GET("/metrics")), 200, "\ngoroutines ");
    says(converse(0, GET("/nothing")), 404, "no such path");
    says(converse(1, GET("/metrics")), 200, "# TYPE logcap_build_info gauge");
    says(converse(1, GET("/stats")), 404, "no such path");
    end();
}

/* What is counted where no answer names a file. */
static void lines_that_are_not_in_the_form_are_shown(void **state)
{
    begin();
    says(converse(0, GET("/stats")), 200, "\"container_logs\":{\"malformed\":0,\"torn\":0}"); /* no files are read */
    says(converse(0, GET("/metrics")), 200, "\nlogcap_container_log_malformed_total 0\n");
    end();
    static const struct files_stats stats = {.malformed = 3, .torn = 2};
    files_read = &stats;
    begin();
    says(converse(0, GET("/stats")), 200, "\"container_logs\":{\"malformed\":3,\"torn\":2}");
    const char *metrics = converse(0, GET("/metrics"));
    says(metrics, 200, "\n# TYPE logcap_container_log_malformed_total counter\nlogcap_container_log_malformed_total 3\n");
    says(metrics, 200, "\n# TYPE logcap_container_log_torn_total counter\nlogcap_container_log_torn_total 2\n");
    end();
}

static void a_file_is_found_by_the_name_that_it_has_now(void **state)
{
    char path[] = "/tmp/logcap-why-XXXXXX", request[256], key[128];
    int n = mkstemp(path);
    assert_true(n >= 0);
    close(n);
    begin();
    assert_int_equal(files_key(path, key, sizeof key), 0);
    struct source *now = source_obtain(SOURCE_FILE, key, "/logs/app.log");
    strcat(key, ".1"); /* what it was before it was truncated */
    struct source *before = source_obtain(SOURCE_FILE, key, "/logs/app.log");
    strcat(key, "2");
    key[strlen(key) - 3] = '0'; /* another file, whose key only begins so */
    struct source *other = source_obtain(SOURCE_FILE, key, "/logs/other.log");
    snprintf(request, sizeof request, GET("/why?path=%s&format=json"), path);
    const char *reply = converse(0, request);
    says(reply, 200, "It was read as /logs/app.log, and is known by that name.\\n\"");
    says(reply, 200, "\"is_read\":true");
    says(reply, 200, "\"name\":\"/logs/app.log\"");
    assert_null(strstr(reply, "other.log"));
    assert_int_equal(unlink(path), 0);
    says(converse(0, request), 200, "\"is_read\":false");
    says(converse(0, GET("/why?path=/logs/app.log&format=json")), 200, "\"is_read\":true");
    source_unref(now);
    source_unref(before);
    source_unref(other);
    end();
}

static void methods_and_hosts(void **state)
{
    begin();
    const char *head = converse(0, "HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    says(head, 200, "Cache-Control: no-store");
    says(head, 200, "Content-Security-Policy: default-src 'none'");
    assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
    says(converse(0, "DELETE /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), 405, "Allow: GET, HEAD");
    says(converse(0, "GET /stats HTTP/1.1\r\nHost: evil.example:8401\r\nConnection: close\r\n\r\n"), 403, "not for host");
    says(converse(0, "POST /stats HTTP/1.1\r\nHost: [::1]:1\r\nOrigin: http://evil.example\r\n"
                     "Connection: close\r\nContent-Length: 0\r\n\r\n"), 403, "not from the page");
    says(converse(0, "POST /api/v1/logs HTTP/1.1\r\nHost: localhost:8401\r\nOrigin: http://localhost:3000\r\n"
                     "Connection: close\r\nContent-Length: 0\r\n\r\n"), 403, "not from the page");
    says(converse(0, "POST /api/v1/logs HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n"
                     "Connection: close\r\nContent-Length: 0\r\n\r\n"), 403, "not from the page");
    says(converse(0, "POST /api/v1/logs HTTP/1.1\r\nHost: localhost:8401\r\nOrigin: http://localhost:8401\r\n"
                     "Connection: close\r\nContent-Length: 15\r\n\r\n{\"message\":\"m\"}"), 202, "accepted");
    const char *two = converse(0, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/health"));
    says(two, 200, "\"ready\":true");
    assert_non_null(strstr(two, "\"services\""));
    end();
}

#define ASK(path, headers) "GET " path " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" headers "\r\n"

static void a_token_is_asked_for(void **state)
{
    token = "t0ken";
    begin();
    says(converse(0, GET("/stats")), 401, "WWW-Authenticate: Basic realm=\"logcap\"");
    says(converse(0, GET("/nothing")), 401, "say who you are");
    says(converse(0, ASK("/stats", "Authorization: Bearer wrong\r\n")), 401, "error");
    says(converse(0, ASK("/stats", "Authorization: Bearer t0ken\r\n")), 200, "\"pool\"");
    says(converse(0, ASK("/stats", "Authorization: Basic eDp0MGtlbg==\r\n")), 200, "\"pool\"");
    says(post("", "{\"message\":\"m\"}"), 401, "error");
    says(converse(0, GET("/health")), 200, "services");
    says(converse(0, GET("/ready")), 200, "true");
    says(converse(0, GET("/livez")), 200, "true");
    says(converse(0, GET("/metrics")), 200, "logcap_build_info");
    says(converse(1, GET("/metrics")), 200, "logcap_build_info");
    assert_int_equal(web.server.unauthorized, 4);
    end();
}

static void a_main_loop_that_does_not_turn_is_not_alive(void **state)
{
    main_silent = 4 * MINUTE;
    begin();
    says(converse(0, GET("/livez")), 200, "\"alive\":true,\"hangs\":\"main\"");
    says(converse(0, GET("/metrics")), 200, "logcap_restart_due 0\n");
    end();
    main_silent = 5 * MINUTE;
    begin();
    says(converse(0, GET("/livez")), 503, "\"alive\":false,\"hangs\":\"main\"");
    says(converse(0, GET("/metrics")), 200, "logcap_restart_due 1\n");
    end();
    main_silent = 0;
}

static void on_the_network_nothing_else_is_open(void **state)
{
    host = "0.0.0.0";
    begin();
    says(converse(0, GET("/stats")), 403, "until server.token");
    says(converse(0, GET("/help")), 403, "until server.token");
    says(post("", "{\"message\":\"m\"}"), 403, "until server.token");
    says(converse(0, "GET /health HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n"), 200, "services");
    says(converse(0, GET("/metrics")), 200, "logcap_build_info");
    end();
    host = "0.0.0.0";
    token = "t0ken";
    begin();
    says(converse(0, GET("/stats")), 401, "error");
    says(converse(0, ASK("/stats", "Authorization: Bearer t0ken\r\n")), 200, "\"pool\"");
    says(converse(0, "GET /stats HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer t0ken\r\nConnection: close\r\n\r\n"), 403,
         "server.allowed_hosts");
    end();
}

static void hostile_heads_and_bodies(void **state)
{
    static char huge[128 * 1024];
    begin();
    int n = snprintf(huge, sizeof huge, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
    memset(huge + n, 'x', sizeof huge - (size_t)n - 5);
    memcpy(huge + sizeof huge - 5, "\r\n\r\n", 5);
    const char *reply = converse(0, huge);
    assert_true(reply[0] == 0 || strstr(reply, " 431 ") || strstr(reply, " 413 "));
    says(converse(0, "GET /ready HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"), 413, "limited to 0");
    converse(0, "\x16\x03\x01garbage\r\n\r\n");
    says(converse(0, GET("/ready")), 200, "true");
    end();
}

/* A thousand that never finish their request do not keep out one that does. */
static void slow_ones_make_room(void **state)
{
    enum { MANY = 1000 };
    static int n[MANY];
    begin();
    for (int i = 0; i < MANY; i++) {
        n[i] = dial(0);
        send(n[i], "GET / HTTP/1.1\r\nX: ", 19, MSG_NOSIGNAL);
    }
    says(converse(0, GET("/ready")), 200, "true");
    assert_true(web.server.open <= 8);
    assert_true(web.server.evicted + web.server.refused >= MANY - 8);
    /* Those that went are closed within the turns that follow. */
    for (int i = 0; i < 500 && birth_count(BIRTH_FD) >= 40; i++)
        poll(NULL, 0, 10);
    assert_true(birth_count(BIRTH_FD) < 40);
    for (int i = 0; i < MANY; i++)
        close(n[i]);
    end();
}

static void say(int n, const char *text)
{
    send(n, text, strlen(text), MSG_NOSIGNAL);
}
#define HALF_A_POST "POST /api/v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n["

/* Milliseconds until the server has closed the connection; 5000: it has not. */
static int64_t closed_after(int n)
{
    char data[4096];
    int64_t start = clock_mono();
    struct pollfd p = {.fd = n, .events = POLLIN};
    while (clock_mono() - start < 5 * SECOND && poll(&p, 1, 100) >= 0)
        if (p.revents && recv(n, data, sizeof data, MSG_DONTWAIT) <= 0 && errno != EAGAIN)
            break;
    close(n);
    return (clock_mono() - start) / MILLISECOND;
}

static void the_silent_and_the_slow_are_closed(void **state)
{
    deadline = 400 * MILLISECOND;
    begin();
    int silent = dial(0), slow = dial(0), body = dial(0);
    say(slow, "GET / HT");
    say(body, HALF_A_POST);
    int64_t took = closed_after(silent);
    assert_true(took >= 200 && took < 4000);
    assert_true(closed_after(slow) < 4000);
    assert_true(closed_after(body) < 4000);
    assert_int_equal(web.server.timed_out, 3);
    says(converse(0, GET("/ready")), 200, "true");
    end();
}

/* A byte now and then does not prolong it. */
static void dripping_does_not_help(void **state)
{
    deadline = 500 * MILLISECOND;
    begin();
    int n = dial(0);
    int64_t start = clock_mono();
    say(n, "GET / HTTP/1.1\r\nX: ");
    struct pollfd p = {.fd = n, .events = POLLIN};
    while (clock_mono() - start < 5 * SECOND && poll(&p, 1, 50) == 0)
        say(n, "x");
    assert_true(clock_mono() - start < 4 * SECOND);
    close(n);
    end();
}

/* A reply that nobody reads costs its memory until the deadline, and no longer. */
static void one_that_never_reads_is_closed(void **state)
{
    deadline = 500 * MILLISECOND;
    begin();
    int n = dial(0), small = 1024;
    setsockopt(n, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (int i = 0; i < 2000; i++) /* more than the kernel's buffers hold of replies */
        send(n, request, sizeof request - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    for (int i = 0; i < 500 && web.server.timed_out == 0; i++)
        poll(NULL, 0, 10);
    assert_int_equal(web.server.timed_out, 1);
    says(converse(0, GET("/ready")), 200, "true");
    for (int i = 0; i < 500 && web.server.open > 0; i++)
        poll(NULL, 0, 10);
    assert_int_equal(web.server.open, 0);
    close(n);
    end();
}

/* Who has sent all and says so still gets the reply; who says so in the middle of a request is let go, by the
 * deadline if the library does not notice the end behind the data. */
static void half_closed_sockets(void **state)
{
    char data[4096];
    deadline = SECOND;
    begin();
    int n = dial(0);
    say(n, GET("/ready"));
    shutdown(n, SHUT_WR);
    struct pollfd p = {.fd = n, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 5000), 1);
    ssize_t got = recv(n, data, sizeof data - 1, 0);
    data[got > 0 ? got : 0] = 0;
    says(data, 200, "HTTP");
    close(n);
    int half = dial(0);
    say(half, HALF_A_POST);
    shutdown(half, SHUT_WR);
    assert_true(closed_after(half) < 4000);
    for (int i = 0; i < 500 && web.server.open > 0; i++)
        poll(NULL, 0, 10);
    assert_int_equal(web.server.open, 0);
    assert_int_equal(web.api.source->read_records, 0);
    end();
}

static void entries_are_posted(void **state)
{
    static char large[4200];
    begin();
    says(post("", "{\"message\":\"m\",\"other\":1}"), 202, "{\"accepted\":1,\"unknown_keys\":1}\n");
    says(post("", "[{\"message\":\"a\"},{\"message\":\"b\"}]"), 202, "{\"accepted\":2}\n");
    says(post("", "[{\"message\":\"c\"},{\"message\":1}]"), 400, "at byte 28: message must be a string; nothing was taken");
    says(post("", ""), 400, "at byte 0");
    says(post("Origin: http://evil.example\r\n", "{\"message\":\"m\"}"), 403, "not from the page");
    says(post("Content-Encoding: gzip\r\n", "x"), 415, "without Content-Encoding");
    memset(large, ' ', sizeof large - 1);
    says(post("", large), 413, "limited to 4096");
    says(converse(0, GET("/api/v1/logs")), 405, "Allow: POST");
    says(converse(0, GET("/sources")), 200, "\"kind\":\"api\",\"key\":\"api\",\"state\":\"idle\",\"offset\":3");
    says(converse(0, GET("/metrics")), 200, "logcap_api_requests_total{outcome=\"invalid\"} 2\n");
    assert_int_equal(web.api.source->read_records, 3);
    end();
}

static void posting_too_fast_is_429(void **state)
{
    static char many[4000];
    begin();
    strcpy(many, "[");
    for (int i = 0; i < 200; i++)
        strcat(many, "{\"message\":\"\"},");
    many[strlen(many) - 1] = ']';
    says(post("", many), 202, "{\"accepted\":200}");
    says(post("", many), 429, "Retry-After: 1\r\n");
    says(post("", many), 429, "api.rate is 100 entries a second; nothing was taken");
    assert_int_equal(web.api.source->read_records, 200);
    end();
}

/* A client that follows `path`, once its first event is here. */
static int follow(const char *path, const char *part)
{
    static char reply[1 << 20];
    char request[300];
    size_t len = 0;
    int n = dial(0);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    say(n, request);
    struct pollfd p = {.fd = n, .events = POLLIN};
    reply[0] = 0;
    while (!strstr(reply, part) && poll(&p, 1, 10000) == 1) {
        ssize_t r = recv(n, reply + len, sizeof reply - 1 - len, 0);
        if (r <= 0)
            break;
        len += (size_t)r;
        reply[len] = 0;
    }
    if (!strstr(reply, part))
        fail_msg("no \"%s\" in: %s", part, reply);
    return n;
}

static void wait_for_feeds(unsigned n)
{
    for (int i = 0; i < 1000 && web.feeds != n; i++)
        poll(NULL, 0, 10);
    assert_int_equal(web.feeds, n);
}

static void those_who_follow_get_events(void **state)
{
    int n[4];
    begin();
    for (int i = 0; i < 4; i++)
        n[i] = follow("/live", "\"lag_bytes\":0");
    says(converse(0, GET("/live")), 503, "server.max_feeds");
    says(converse(0, GET("/tasks")), 200, "\"kind\":\"http_follower\"");
    assert_int_equal(web.feeds, 4);
    close(n[0]);
    wait_for_feeds(3); /* noticed with the next event */
    n[0] = follow("/live", "event: snapshot");
    end(); /* with four that sleep in the library */
    for (int i = 0; i < 4; i++)
        close(n[i]);
}

static void lines_are_seen_as_they_pass(void **state)
{
    begin();
    int all = follow("/tail", "\"passed\":0");
    assert_ptr_equal(dispatcher.tap, &tap);
    says(post("", "[{\"message\":\"a <b>line</b>\"},{\"message\":\"another\"}]"), 202, "accepted");
    close(all);
    int some = follow("/tail?regex=n.*r", "\"passed\":");
    says(converse(0, GET("/tail?regex=(")), 400, "at character 1");
    says(post("", "[{\"message\":\"a <b>line</b>\"},{\"message\":\"another\"}]"), 202, "accepted");
    char data[4096];
    size_t len = 0;
    while (len + 1 < sizeof data && (len == 0 || !memmem(data, len, "another", 7)))
        len += (size_t)recv(some, data + len, sizeof data - 1 - len, 0);
    data[len] = 0;
    assert_non_null(strstr(data, "\"sources\":[\"POST /api/v1/logs\"]"));
    assert_null(strstr(data, "<b>"));
    close(some);
    wait_for_feeds(0);
    assert_null(dispatcher.tap);
    end();
}

static void history_is_bounded(void **state)
{
    static struct leakwatch nothing;
    leaks = &nothing;
    begin();
    says(converse(0, GET("/leaks/history?series=x&from=-9223372036854775808&to=9223372036854775807")), 400, "at most 50000 points");
    says(converse(0, GET("/leaks/history?series=x&from=-9223372036854775808&to=9223372036854775807&step=1")), 400, "at most 50000 points");
    says(converse(0, GET("/leaks/history?series=x&step=-1")), 400, "step is");
    says(converse(0, GET("/leaks/history?series=x&step=2")), 400, "step is");
    end();
}

enum { LETTERS = 100 * 1000 + 2 };

static void write_letters(struct store *s)
{
    assert_int_equal(store_begin(s), 0);
    for (uint64_t i = 1; i <= LETTERS; i++) {
        bool again;
        const struct store_letter l = {.sink = "loki", .source_key = "file:1", .source_name = i + 1 < LETTERS ? "/many.log" : "/last.log", .place = i,
                                       .code = "invalid", .says = "", .refused_at = 1, .tried_at = 1, .attempts = 1, .labels = "{}", .line = "x", .line_n = 1};
        assert_int_equal(store_put_letter(s, &l, &again), 0);
    }
    assert_int_equal(store_commit(s), 0);
}

static void every_letter_is_on_a_page(void **state)
{
    int error;
    struct store *s = store_open(&scope_root, dir, &error);
    assert_non_null(s);
    write_letters(s);
    state_dir = dir;
    letters = (void *)&state_dir; /* what matters is that there are some */
    begin();
    says(converse(0, GET("/dlq?limit=2&after=100000")), 200, "\"line\":\"x\"");
    assert_null(strstr(converse(0, GET("/dlq?limit=2&after=100000")), "\"after\""));
    says(converse(0, GET("/dlq?limit=2&after=99999")), 200, "\"id\":100001,");
    says(converse(0, GET("/dlq?limit=2&after=99999")), 200, "\"after\":100001}");
    /* More than one look takes in: none yet, and where the next one begins. */
    says(converse(0, GET("/dlq?source=/last.log")), 200, "{\"letters\":[],\"after\":100000}");
    says(converse(0, GET("/dlq?source=/last.log&after=100000")), 200, "\"id\":100002,");
    for (size_t i = 0; i < 4; i++)
        says(converse(0, (const char *[]){GET("/dlq?limit=0"), GET("/dlq?limit=x"), GET("/dlq?after=-1"), GET("/dlq?after=9223372036854775808")}[i]), 400,
             "is a number from");
    end();
    store_close(s);
}

static void a_port_in_use_is_told(void **state)
{
    begin();
    struct config second = config;
    struct web_context other = {.config = &second};
    struct web w;
    char error[300];
    second.server.port = web.server.listeners[0].port;
    assert_int_equal(web_begin(&w, &scope_root, &other, error, sizeof error), -EADDRINUSE);
    assert_non_null(strstr(error, "choose another port"));
    end();
}

static void whatever_fails(void)
{
    char error[300];
    if (up(error, sizeof error) == 0)
        end();
}

static void begin_and_end_under_torture(void **state)
{
    TORTURE(whatever_fails);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* metrics on standard output, for promtool */
        begin();
        fputs(strstr(converse(0, GET("/metrics")), "\r\n\r\n") + 4, stdout);
        end();
        return 0;
    }
    const struct CMUnitTest tests[] = {
        TEST(routes_answer_what_they_say),
        TEST(lines_that_are_not_in_the_form_are_shown),
        TEST(a_file_is_found_by_the_name_that_it_has_now),
        TEST(methods_and_hosts),
        TEST(a_token_is_asked_for),
        TEST(a_main_loop_that_does_not_turn_is_not_alive),
        TEST(on_the_network_nothing_else_is_open),
        TEST(hostile_heads_and_bodies),
        TEST(slow_ones_make_room),
        TEST(the_silent_and_the_slow_are_closed),
        TEST(dripping_does_not_help),
        TEST(one_that_never_reads_is_closed),
        TEST(half_closed_sockets),
        TEST(entries_are_posted),
        TEST(posting_too_fast_is_429),
        TEST(those_who_follow_get_events),
        TEST(lines_are_seen_as_they_pass),
        TEST(history_is_bounded),
        IN_DIR(every_letter_is_on_a_page),
        TEST(a_port_in_use_is_told),
        TEST(begin_and_end_under_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
