/* The stream of events while memory lacks. What events do is tried with engines (test/scenario/containers*.test.mjs). */
#include "in/containers/events.h"

#include "http_server.h"
#include "in/containers/monitor.h"
#include "unit.h"

enum { BUDGET = 1 << 20 };

static struct loop loop;
static struct containers_config config;
static struct containers monitor = {.loop = &loop, .options = &config};
static struct engine engine;
static struct timer look, too_long;
static char *elsewhere;

static enum server_act one_event(struct http_server *s, struct server_request *r)
{
    snprintf(r->answer, sizeof r->answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n1\r\n\n\r\n");
    return SERVER_ANSWER;
}

static void stop(struct timer *t)
{
    loop_stop(&loop);
}

/* There is no memory until an event has had to wait for it. */
static void give_way(struct timer *t)
{
    if (engine.events.waits) {
        mem_free(elsewhere);
        elsewhere = NULL;
    }
    if (atomic_load(&monitor.stats.malformed))
        loop_stop(&loop);
    else
        timer_set(t, MILLISECOND);
}

static void an_event_waits_for_memory(void **state)
{
    struct http_server server;
    char url[64];
    http_server_start(&server, one_event, NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", server.port);
    const struct http_options options = {
        .url = url, .user_agent = "test", .username = "", .password = "", .password_file = "", .bearer_token = "", .bearer_token_file = "",
        .ca_file = "", .cert_file = "", .key_file = "", .proxy = "", .dns_servers = "", .timeout = 30 * SECOND, .connect_timeout = 30 * SECOND,
        .max_connections = 2,
    };
    engine = (struct engine){.monitor = &monitor, .address.text = "an engine", .state = ENGINE_UP, .api = 41};
    assert_int_equal(loop_begin(&loop, &scope_root, "loop"), 0);
    assert_int_equal(timer_begin(&look, &loop.scope, &loop, "look", give_way), 0);
    assert_int_equal(timer_begin(&too_long, &loop.scope, &loop, "too long", stop), 0);
    assert_int_equal(http_begin(&engine.http, &scope_root, &loop, &options), 0);
    assert_int_equal(scope_begin(&engine.scope, &scope_root, "engine"), 0);
    scope_set_budget(&engine.scope, 0, BUDGET);
    assert_int_equal(engine_hear_begin(&engine), 0);
    elsewhere = mem_new(&engine.scope, BUDGET - 100, "elsewhere");
    assert_non_null(elsewhere);
    engine_hear(&engine);
    timer_set(&look, 0);
    timer_set(&too_long, 20 * SECOND);
    assert_int_equal(loop_run(&loop), 0);
    assert_null(elsewhere);
    assert_int_equal(atomic_load(&monitor.stats.malformed), 1);
    assert_true(http_busy(&engine.events)); /* the same stream */
    http_end(&engine.http);
    scope_end(&engine.scope);
    loop_end(&loop);
    http_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_waits_for_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
