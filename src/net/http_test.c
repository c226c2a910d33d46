/* What is followed, from a server that sends a little and then waits. How requests end otherwise is tried with the Loki sink. */
#include "net/http.h"

#include "base/clock.h"
#include "http_server.h"
#include "unit.h"

static const struct task_kind kind = {.name = "follower"};

/* One request, and what its piece() says each time it is called with bytes; from the last on the same. */
static struct {
    struct loop loop;
    struct http http;
    struct http_request request;
    struct timer resume, too_long;
    const enum http_piece *says;
    unsigned n_says, pieces;
    char got[64];
    bool resuming, done;
    int status;
    char error[200];
} w;

static enum server_act says_hello(struct http_server *s, struct server_request *r)
{
    snprintf(r->answer, sizeof r->answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n%s", (const char *)s->arg);
    return SERVER_ANSWER;
}

static enum http_piece piece(struct http_request *r, const char *data, size_t n)
{
    if (n == 0)
        return HTTP_TAKEN;
    enum http_piece what = w.says[w.pieces < w.n_says ? w.pieces : w.n_says - 1];
    w.pieces++;
    if (what == HTTP_TAKEN)
        strncat(w.got, data, n);
    else if (what == HTTP_LATER)
        timer_set(&w.resume, MILLISECOND);
    return what;
}

static void done(struct http_request *r, const struct http_answer *a)
{
    assert_false(w.resuming);
    assert_false(w.done);
    w.done = true;
    w.status = a->status;
    snprintf(w.error, sizeof w.error, "%s", a->error);
    loop_stop(&w.loop);
}

static void resume(struct timer *t)
{
    w.resuming = true;
    http_resume(&w.request);
    w.resuming = false;
}

static void too_long(struct timer *t)
{
    loop_stop(&w.loop);
}

static void follow(const char *more, const enum http_piece *says, unsigned n_says)
{
    struct http_server server;
    char url[64];
    memset(&w, 0, sizeof w);
    w.says = says;
    w.n_says = n_says;
    http_server_start(&server, says_hello, (void *)more);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", server.port);
    const struct http_options options = {
        .url = url, .user_agent = "test", .username = "", .password = "", .password_file = "", .bearer_token = "", .bearer_token_file = "",
        .ca_file = "", .cert_file = "", .key_file = "", .proxy = "", .dns_servers = "", .timeout = 30 * SECOND, .connect_timeout = 30 * SECOND,
        .max_connections = 2,
    };
    assert_int_equal(loop_begin(&w.loop, &scope_root, "loop"), 0);
    assert_int_equal(timer_begin(&w.resume, &w.loop.scope, &w.loop, "resume", resume), 0);
    assert_int_equal(timer_begin(&w.too_long, &w.loop.scope, &w.loop, "too long", too_long), 0);
    assert_int_equal(http_begin(&w.http, &scope_root, &w.loop, &options), 0);
    assert_int_equal(http_follow(&w.request, &w.http, &kind, "hello", "/", piece, done), 0);
    timer_set(&w.too_long, 20 * SECOND);
    assert_int_equal(loop_run(&w.loop), 0);
    http_end(&w.http);
    loop_end(&w.loop);
    http_server_stop(&server);
}

static void a_piece_waits_until_it_is_taken(void **state)
{
    static const enum http_piece says[] = {HTTP_LATER, HTTP_LATER, HTTP_TAKEN};
    follow("6\r\n world\r\n0\r\n\r\n", says, 3);
    assert_true(w.done);
    assert_int_equal(w.status, 200);
    assert_string_equal(w.got, "hello world");
}

static void a_piece_is_refused_at_once(void **state)
{
    static const enum http_piece says[] = {HTTP_STOP};
    follow("", says, 1);
    assert_true(w.done);
    assert_int_equal(w.status, 0);
    assert_string_equal(w.error, "what came makes no sense");
}

/* libcurl says so to http_resume() alone, and lets the transfer stand. */
static void a_piece_is_refused_after_it_had_to_wait(void **state)
{
    static const enum http_piece says[] = {HTTP_LATER, HTTP_STOP, HTTP_TAKEN};
    follow("", says, 3);
    assert_true(w.done);
    assert_int_equal(w.status, 0);
    assert_string_equal(w.error, "what came makes no sense");
    follow("6\r\n world\r\n0\r\n\r\n", says, 3);
    assert_true(w.done);
    assert_int_equal(w.status, 0);
    assert_string_equal(w.error, "what came makes no sense");
    assert_string_equal(w.got, ""); /* nothing behind a hole */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_piece_waits_until_it_is_taken),
        TEST(a_piece_is_refused_at_once),
        TEST(a_piece_is_refused_after_it_had_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
