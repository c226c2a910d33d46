/* The command against a server whose answers are scripted, and a store. */
#include "main/commands/accounts.h"
#include "main/commands/commands.h"

#include "command.h"
#include "http_server.h"
#include "store/store.h"

static struct http_server server;
static const char *pages[2];
static char asked[4][128];

/* A source with one account, of which everything taken is delivered but for `dropped` and `in_flight`. */
#define SOURCE(name, key, taken, delivered, in_flight, dropped)                                                      \
    "{\"name\":\"" name "\",\"kind\":\"file\",\"key\":\"" key "\",\"offset\":1,\"error\":null,\"read\":{\"records\":1},"  \
    "\"sinks\":[{\"sink\":\"loki\",\"position\":1,\"taken\":{\"records\":" taken ",\"bytes\":0},\"delivered\":{"         \
    "\"records\":" delivered ",\"bytes\":0},\"in_flight\":{\"records\":" in_flight ",\"bytes\":0},\"spooled\":{},"    \
    "\"dead\":{},\"skipped\":{\"records\":5,\"bytes\":50},\"dropped\":{\"invalid\":{\"records\":" dropped ",\"bytes\":0},"  \
    "\"too_long\":{}},\"adds_up\":true}]}"
#define PAGE(sources, total) "{\"sources\":[" sources "],\"total\":" total ",\"limit\":1000,\"offset\":0,\"adds_up\":true}"

static enum server_act answer(struct http_server *s, struct server_request *r)
{
    if (r->nth <= 4)
        snprintf(asked[r->nth - 1], sizeof asked[0], "%.*s", (int)strcspn(r->head, "\r"), r->head);
    server_answer(r, 200, "", pages[r->nth > 1 && pages[1] ? 1 : 0]);
    return SERVER_ANSWER;
}

static void begin(const char *first, const char *second)
{
    char text[512];
    pages[0] = first;
    pages[1] = second;
    http_server_start(&server, answer, NULL);
    snprintf(text, sizeof text, "state_dir: %s\nserver: {port: %u}\nsinks: {\"null\": {}}\n", command.dir, server.port);
    write_text("c.yaml", text);
}

static void store_row(const char *key, const char *name, uint64_t taken, uint64_t delivered)
{
    int error;
    struct store *s = store_open(&scope_root, command.dir, &error);
    struct store_ledger row = {key, "loki", {[STORE_TAKEN_RECORDS] = taken, [STORE_DELIVERED_RECORDS] = delivered}};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_source(s, &(struct store_source){key, name, NULL, 1}), 0);
    assert_int_equal(store_put_ledger(s, &row), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
}

#define LEDGER(...) RUN(cmd_ledger, WORD("-c"), WORD(in_dir("c.yaml")), ##__VA_ARGS__)

static void shows_the_agents_and_adds_up(void **state)
{
    begin(PAGE(SOURCE("/b\\u001b", "file:2", "10", "6", "1", "3") "," SOURCE("/a", "file:1", "4", "4", "0", "0"), "2"), NULL);
    assert_int_equal(LEDGER(), EXIT_DONE);
    assert_string_equal(asked[0], "GET /sources?limit=1000&offset=0 HTTP/1.1");
    printed("READ  DELIVERED  IN FLIGHT  SKIPPED  SPOOLED  DEAD  DROPPED  SINK  SOURCE (DROPPED: WHY)\n"
            "   9          4          0        5        0     0        0  loki  /a\n"
            "  15          6          1        5        0     0        3  loki  /b? (invalid 3)\n"
            "\nRecords, from the agent at 127.0.0.1 port ");
    printed("\nIt adds up.\n");
    http_server_stop(&server);
}

static void filters_by_source_and_sink(void **state)
{
    begin(PAGE(SOURCE("/b", "file:2", "10", "10", "0", "0") "," SOURCE("/a", "file:1", "4", "4", "0", "0"), "2"), NULL);
    assert_int_equal(LEDGER(WORD("--source"), WORD("/b*")), EXIT_DONE);
    printed("  loki  /b\n");
    assert_null(strstr(command.out, "/a\n"));
    assert_int_equal(LEDGER(WORD("--source"), WORD("file:1")), EXIT_DONE);
    printed("  loki  /a\n");
    assert_int_equal(LEDGER(WORD("--sink"), WORD("other")), EXIT_DONE);
    printed("Nothing matches");
    http_server_stop(&server);
}

static void says_what_does_not_add_up(void **state)
{
    begin(PAGE(SOURCE("/b", "file:2", "10", "8", "1", "0") "," SOURCE("/a", "file:1", "4", "4", "0", "0"), "2"), NULL);
    assert_int_equal(LEDGER(), EXIT_FAILED);
    printed("It does not add up:\n  /b at loki: taken 10 records and 0 bytes, accounted for 9 and 0\n");
    assert_null(strstr(command.out, "It adds up"));
    assert_int_equal(LEDGER(WORD("--json")), EXIT_FAILED);
    printed("\"adds_up\":false}\n");
    assert_int_equal(LEDGER(WORD("--source"), WORD("/a")), EXIT_DONE);
    http_server_stop(&server);
}

/* Sources that are gone are in the store only; of those that both have the agent's numbers count. */
static void adds_what_is_only_stored(void **state)
{
    store_row("file:1", "/a.1", 3, 3);
    store_row("file:9", "/gone", 7, 7);
    begin(PAGE(SOURCE("/a", "file:1", "4", "4", "0", "0"), "1"), NULL);
    assert_int_equal(LEDGER(WORD("--json")), EXIT_DONE);
    printed("{\"from\":\"agent\",\"accounts\":[{\"source\":\"/a\",\"key\":\"file:1\",\"sink\":\"loki\",\"live\":true,"
            "\"taken\":{\"records\":4,");
    printed("{\"source\":\"/gone\",\"key\":\"file:9\",\"sink\":\"loki\",\"live\":false,\"taken\":{\"records\":7,");
    assert_null(strstr(command.out, "/a.1"));
    http_server_stop(&server);
    assert_int_equal(LEDGER(), EXIT_DONE);
    printed("  loki  /a.1\n");
    printed("  loki  /gone\n");
    printed("(no agent answers).\nIt adds up.\n");
    assert_int_equal(RUN(cmd_ledger, WORD("--state-dir"), WORD(command.dir)), EXIT_DONE);
    printed("  loki  /gone\n");
}

static void asks_for_all_pages_and_again_when_they_move(void **state)
{
    /* The second page is asked for because of the total, and says another one: once more from the start. */
    begin(PAGE(SOURCE("/a", "file:1", "4", "4", "0", "0"), "1500"),
          PAGE(SOURCE("/b", "file:2", "4", "4", "0", "0"), "1501"));
    assert_int_equal(LEDGER(), EXIT_DONE);
    assert_string_equal(asked[1], "GET /sources?limit=1000&offset=1000 HTTP/1.1");
    assert_string_equal(asked[2], "GET /sources?limit=1000&offset=0 HTTP/1.1");
    assert_int_equal(server.seen, 4);
    http_server_stop(&server);
}

static void what_is_no_agent_is_said(void **state)
{
    static const char *const wrong[] = {
        "", "[]", "{}", "{\"sources\":3,\"total\":1}", "{\"sources\":[{}],\"total\":1}", "{\"sources\":[],\"total\":-1}",
        PAGE(SOURCE("/a", "file:1", "4.5", "4", "0", "0"), "1"), PAGE(SOURCE("/a", "file:1", "\"4\"", "4", "0", "0"), "1"),
        "{\"sources\":[{\"name\":\"a\",\"key\":\"b\",\"sinks\":[{\"sink\":\"s\",\"dropped\":{\"unheard_of\":{}}}]}],\"total\":1}",
        "{\"sources\":[],\"total\":1",
    };
    begin("", NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        pages[0] = wrong[i];
        if (LEDGER() != EXIT_FAILED)
            fail_msg("taken for an agent's: %s", wrong[i]);
        complained("is no agent of this version\n");
    }
    http_server_stop(&server);
    assert_int_equal(RUN(cmd_ledger, WORD("--state-dir"), WORD("/nonexistent")), EXIT_FAILED);
    complained("cannot read the ledger in /nonexistent: ");
    assert_int_equal(RUN(cmd_ledger, WORD("-c"), WORD("/nonexistent")), EXIT_USAGE);
}

static void ledger_once(void)
{
    LEDGER();
}

static void survives_torture(void **state)
{
    store_row("file:9", "/gone", 7, 7);
    begin(PAGE(SOURCE("/a", "file:1", "4", "4", "0", "0"), "1"), NULL);
    TORTURE(ledger_once);
    http_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(shows_the_agents_and_adds_up),
        IN_DIR(filters_by_source_and_sink),
        IN_DIR(says_what_does_not_add_up),
        IN_DIR(adds_what_is_only_stored),
        IN_DIR(asks_for_all_pages_and_again_when_they_move),
        IN_DIR(what_is_no_agent_is_said),
        IN_DIR(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
