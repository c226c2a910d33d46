/* Where values come from, what differs, and what stays until a restart. */
#include <stdlib.h>

#include "config/config.h"
#include "config/keep.h"
#include "unit.h"

static struct config *parse(const char *text)
{
    struct buf errors;
    assert_int_equal(buf_begin(&errors, &scope_root, "errors", 1 << 16), 0);
    struct config *c = config_parse(&scope_root, "f.yaml", text, strlen(text), &errors);
    if (!c)
        fail_msg("%s", errors.data);
    buf_end(&errors);
    return c;
}

static struct buf printed;

static const char *values(const struct config *c)
{
    buf_clear(&printed);
    assert_int_equal(config_print_values(c, &printed), 0);
    return printed.data;
}

static const char *changes(const struct config *a, const struct config *b)
{
    buf_clear(&printed);
    assert_int_equal(config_print_changes(a, b, &printed), 0);
    return printed.data;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in: %s", part, text);
}

static void each_value_says_where_it_comes_from(void **state)
{
    setenv("LOGCAP_TEST_TENANT", "me", 1);
    buf_begin(&printed, &scope_root, "printed", 1 << 20);
    struct config *c = parse("memory_limit: 64MiB\nserver:\n  token: s3cret\nmonitors:\n  files:\n    paths: [/a]\n    sources:\n"
                             "      - paths: [/b]\n        start_at: end\n"
                             "sinks:\n  loki:\n    url: http://u:p@x\n    tenant: ${LOGCAP_TEST_TENANT}\n");
    const char *text = values(c);
    has(text, "{\"key\":\"memory_limit\",\"value\":\"64MiB\",\"default\":\"48MiB\",\"from\":\"file\",\"file\":\"f.yaml\",\"line\":1,"
              "\"variable\":null,\"restart\":false}");
    has(text, "{\"key\":\"server.token\",\"value\":\"***\"");
    has(text, "{\"key\":\"server.port\",\"value\":8401,\"default\":\"8401\",\"from\":\"default\",\"restart\":true}");
    has(text, "{\"key\":\"monitors.files.sources[0].paths\",\"value\":[\"/a\"],");
    has(text, "\"from\":\"file\",\"file\":\"f.yaml\",\"line\":6,");
    has(text, "{\"key\":\"monitors.files.sources[1].start_at\",\"value\":\"end\",\"default\":\"beginning\",\"from\":\"file\",\"file\":\"f.yaml\",\"line\":9,");
    has(text, "{\"key\":\"sinks.loki.url\",\"value\":\"http://***@x\"");
    has(text, "{\"key\":\"sinks.loki.tenant\",\"value\":\"me\",\"default\":\"\\\"\\\"\",\"from\":\"environment\",\"file\":\"f.yaml\",\"line\":13,"
              "\"variable\":\"LOGCAP_TEST_TENANT\"");
    assert_null(strstr(text, "s3cret"));
    config_free(c);
    buf_end(&printed);
}

static void what_differs_is_shown_with_both_values(void **state)
{
    buf_begin(&printed, &scope_root, "printed", 1 << 20);
    struct config *a = parse("server: {port: 1, token: a}\nsinks: {loki: {url: http://x, tenant: t}}\n");
    struct config *b = parse("server: {port: 2, token: b}\nsinks: {loki: {url: http://x, tenant: u}, local_file: {}}\n");
    const char *text = changes(a, b);
    has(text, "{\"key\":\"server.port\",\"from\":1,\"to\":2,\"restart\":true}");
    has(text, "{\"key\":\"server.token\",\"from\":\"***\",\"to\":\"***\",\"restart\":false}");
    has(text, "{\"key\":\"sinks.loki.tenant\",\"from\":\"t\",\"to\":\"u\",\"restart\":false}");
    has(text, "{\"key\":\"sinks.local_file\",\"from\":null,\"to\":\"configured\",\"restart\":false}");
    assert_string_equal(changes(a, a), "[]");
    config_free(a);
    config_free(b);
    buf_end(&printed);
}

static void what_only_a_restart_changes_stays(void **state)
{
    buf_begin(&printed, &scope_root, "printed", 1 << 20);
    struct config *runs = parse("state_dir: /one\nserver: {port: 1, token: a}\nmemory_limit: 64MiB\nmonitors: {journal: {directory: /j}, "
                                "containers: {sockets: [\"unix:///s\"], ca_file: /ca, mode: api}}\n"
                                "sinks: {a: {type: loki, url: http://x}}\n");
    struct config *next = parse("state_dir: /two\nserver: {port: 2, token: b}\nmemory_limit: 65MiB\nsinks: {b: {type: \"null\"}}\n");
    assert_int_equal(config_keep(next, runs), 0);
    config_free(runs);
    assert_string_equal(next->state_dir, "/one");
    assert_string_equal(next->spool_dir, "/one/spool");
    assert_string_equal(next->journal.directory, "/j");
    assert_int_equal(next->containers.sockets.n, 1);
    assert_string_equal(next->containers.sockets.items[0], "unix:///s");
    assert_string_equal(next->containers.ca_file, "/ca");
    assert_int_equal(next->containers.mode, CONTAINERS_AUTO);
    assert_int_equal(next->server.port, 1);
    assert_string_equal(next->server.token, "b");
    assert_int_equal(next->memory_limit, 65 << 20);
    assert_string_equal(next->sinks[0].name, "b");
    config_free(next);
    buf_end(&printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_value_says_where_it_comes_from),
        TEST(what_differs_is_shown_with_both_values),
        TEST(what_only_a_restart_changes_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
