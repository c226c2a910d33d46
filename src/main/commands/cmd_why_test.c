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
    server_answer(r, status, "Content-Type: application/json\r\n", body);
    return SERVER_ANSWER;
}

static void configure(const char *host, unsigned port)
{
    char text[256];
    snprintf(text, sizeof text, "state_dir: %s\nserver: {host: \"%s\", port: %u}\nsinks: {\"null\": {}}\n", command.dir, host, port);
    write_text("c.yaml", text);
}

static void begin(int with_status, const char *with_body)
{
    status = with_status;
    body = with_body;
    http_server_start(&server, answer, NULL);
    configure("127.0.0.1", server.port);
}

static void shows_the_answer_as_an_outline(void **state)
{
    begin(200, "{\"path\":\"/var/log/a b\",\"why\":\"read: it matches\\nas a file\\n\",\"sources\":[{\"offset\":12}]}");
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD(in_dir("c.yaml")), WORD("/var/log/a b&c")), EXIT_DONE);
    assert_string_equal(asked, "GET /why?format=json&path=/var/log/a%20b%26c HTTP/1.1");
    printed("path: /var/log/a b\n");
    printed("why: read: it matches\nas a file\n");
    printed("offset: 12\n");
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD(in_dir("c.yaml")), WORD("--json"), WORD("/x")), EXIT_DONE);
    assert_string_equal(command.out, body);
    assert_string_equal(command.err, "");
    http_server_stop(&server);
}

static void a_relative_path_is_asked_as_the_agent_knows_it(void **state)
{
    char before[256], expected[512];
    begin(200, "{}");
    assert_non_null(getcwd(before, sizeof before));
    snprintf(expected, sizeof expected, "GET /why?format=json&path=%s/a.log&container=a.log HTTP/1.1", command.dir);
    assert_int_equal(chdir(command.dir), 0);
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD("c.yaml"), WORD("a.log")), EXIT_DONE);
    assert_int_equal(chdir(before), 0);
    assert_string_equal(asked, expected);
    http_server_stop(&server);
}

static void every_address_is_asked_at_the_loopback(void **state)
{
    begin(200, "{}");
    configure("0.0.0.0", server.port);
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD(in_dir("c.yaml")), WORD("/x")), EXIT_DONE);
    http_server_stop(&server);
}

static void a_refusal_is_shown_and_fails(void **state)
{
    begin(403, "{\"error\":\"not for host x\"}");
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD(in_dir("c.yaml")), WORD("/x")), EXIT_FAILED);
    printed("error: not for host x\n");
    http_server_stop(&server);
}

static void nobody_answers(void **state)
{
    begin(200, "{}");
    unsigned port = server.port;
    http_server_stop(&server);
    configure("127.0.0.1", port);
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD(in_dir("c.yaml")), WORD("/x")), EXIT_FAILED);
    complained("logcap: no agent answers at 127.0.0.1 port ");
    assert_string_equal(command.out, "");
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD(in_dir("none.yaml")), WORD("/x")), EXIT_USAGE);
    assert_int_equal(RUN_BARE(cmd_why), EXIT_USAGE);
    complained("an argument is missing");
    assert_int_equal(RUN(cmd_why, WORD("/x"), WORD("/y")), EXIT_USAGE);
    complained("unexpected argument '/y'");
    assert_int_equal(RUN(cmd_why, WORD("-h")), EXIT_DONE);
    printed("usage: logcap why");
}

/* What the command does not need is not looked at; what it needs is named when it is not there. */
static void only_the_place_of_the_agent_is_read(void **state)
{
    char text[512];
    begin(200, "{\"why\":\"read\"}");
    snprintf(text, sizeof text, "state_dir: %s\nserver: {port: %u}\nmonitors: {files: {paths: [\"${LOGCAP_NOT_SET}\"]}}\n"
             "sinks: {loki: {url: \"${LOGCAP_NOT_SET}\"}}\nbogus: 1\n", command.dir, server.port);
    write_text("c.yaml", text);
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD(in_dir("c.yaml")), WORD("/x")), EXIT_DONE);
    assert_string_equal(command.err, "");
    printed("why: read");
    write_text("c.yaml", "server:\n  token: ${LOGCAP_NOT_SET}\n");
    assert_int_equal(RUN(cmd_why, WORD("-c"), WORD(in_dir("c.yaml")), WORD("/x")), EXIT_USAGE);
    complained("c.yaml:2:10: the environment variable LOGCAP_NOT_SET is not set");
    http_server_stop(&server);
}

static void why_once(void)
{
    RUN(cmd_why, WORD("-c"), WORD(in_dir("c.yaml")), WORD("/x"));
}

static void survives_torture(void **state)
{
    begin(200, "{\"why\":\"read\"}");
    TORTURE(why_once);
    http_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(shows_the_answer_as_an_outline),
        IN_DIR(a_relative_path_is_asked_as_the_agent_knows_it),
        IN_DIR(every_address_is_asked_at_the_loopback),
        IN_DIR(a_refusal_is_shown_and_fails),
        IN_DIR(nobody_answers),
        IN_DIR(only_the_place_of_the_agent_is_read),
        IN_DIR(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
