/* The command against a server whose answers are scripted. */
#include "main/commands/commands.h"

#include "command.h"
#include "http_server.h"

static struct http_server server;
static char asked[512];
static int status;
static const char *body;

static enum server_act answer(struct http_server *s, struct server_request *r)
{
    snprintf(asked, sizeof asked, "%.*s", (int)strcspn(r->head, "\r"), r->head);
    server_answer(r, status, "Content-Type: text/plain\r\n", body);
    return SERVER_ANSWER;
}

static void begin(int with_status)
{
    char text[256];
    status = with_status;
    body = "what was asked for\n";
    http_server_start(&server, answer, NULL);
    snprintf(text, sizeof text, "state_dir: %s\nserver: {host: \"127.0.0.1\", port: %u}\nsinks: {\"null\": {}}\n", command.dir, server.port);
    write_text("c.yaml", text);
}

static void asks_for_what_is_wished(void **state)
{
    begin(200);
    assert_int_equal(RUN(cmd_stacks, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    assert_string_equal(asked, "GET /debug/pprof/goroutine?format=text&seconds=0 HTTP/1.1");
    assert_string_equal(command.out, "what was asked for\n");
    assert_int_equal(RUN(cmd_stacks, WORD("-c"), WORD(in_dir("c.yaml")), WORD("--each")), EXIT_DONE);
    assert_string_equal(asked, "GET /debug/pprof/goroutine?debug=2&seconds=0 HTTP/1.1");
    assert_int_equal(RUN(cmd_stacks, WORD("-c"), WORD(in_dir("c.yaml")), WORD("--json"), WORD("--seconds"), WORD("3"), WORD("fds")),
                     EXIT_DONE);
    assert_string_equal(asked, "GET /debug/pprof/fds?format=json&seconds=3 HTTP/1.1");
    http_server_stop(&server);
}

static void says_what_went_wrong(void **state)
{
    begin(404);
    assert_int_equal(RUN(cmd_stacks, WORD("-c"), WORD(in_dir("c.yaml")), WORD("no such")), EXIT_FAILED);
    assert_string_equal(asked, "GET /debug/pprof/no%20such?format=text&seconds=0 HTTP/1.1");
    assert_string_equal(command.out, "");
    assert_string_equal(command.err, "what was asked for\n");
    body = "{\"error\":\"no such profile: \\\"\\u001bx\\\"\"}\n";
    assert_int_equal(RUN(cmd_stacks, WORD("-c"), WORD(in_dir("c.yaml")), WORD("x")), EXIT_FAILED);
    assert_string_equal(command.err, "logcap: the agent says: no such profile: \"?x\"\n"); /* nothing that a terminal would act on */
    http_server_stop(&server);
    assert_int_equal(RUN(cmd_stacks, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_FAILED);
    complained("logcap: no agent answers at 127.0.0.1 port ");
    assert_int_equal(RUN(cmd_stacks, WORD("-c"), WORD(in_dir("none.yaml"))), EXIT_USAGE);
    assert_int_equal(RUN(cmd_stacks, WORD("a"), WORD("b")), EXIT_USAGE);
    assert_int_equal(RUN(cmd_stacks, WORD("--seconds"), WORD("60")), EXIT_USAGE);
    complained("--seconds takes a number from 1 to 8, not '60'");
}

static void stacks_once(void)
{
    RUN(cmd_stacks, WORD("-c"), WORD(in_dir("c.yaml")));
}

static void survives_torture(void **state)
{
    begin(200);
    TORTURE(stacks_once);
    http_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(asks_for_what_is_wished),
        IN_DIR(says_what_went_wrong),
        IN_DIR(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
