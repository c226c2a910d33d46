#include "config/compare.h"

#include "unit.h"

static struct config *parse(const char *text)
{
    struct buf errors = {0};
    assert_int_equal(buf_begin(&errors, &scope_root, "errors", 4096), 0);
    struct config *c = config_parse(&scope_root, "c.yaml", text, strlen(text), &errors);
    if (!c)
        print_message("%s", errors.data);
    assert_non_null(c);
    buf_end(&errors);
    return c;
}

static void differ(const char *one, const char *two, const char *differences, const char *restart)
{
    struct config *a = parse(one), *b = parse(two);
    struct buf out = {0};
    assert_int_equal(buf_begin(&out, &scope_root, "differences", 4096), 0);
    assert_int_equal(config_differences(a, b, &out), 0);
    assert_string_equal(out.len ? out.data : "", differences);
    buf_clear(&out);
    assert_int_equal(config_restart_keys(a, b, &out), 0);
    assert_string_equal(out.len ? out.data : "", restart);
    buf_end(&out);
    config_free(a);
    config_free(b);
}

#define SINK "sinks: {out: {type: stdout}}\n"

static void what_is_written_otherwise_is_the_same(void **state)
{
    differ("memory_limit: 48MiB\n" SINK, "sinks:\n  out:\n    type: stdout\nmemory_limit: 49152KiB\n", "", "");
}

static void each_key_that_differs_is_named(void **state)
{
    differ(SINK "log: {level: info}\n", SINK "log: {level: debug}\n", "log.level", "");
    differ(SINK "monitors: {files: {paths: [/a/*]}}\n", SINK "monitors: {files: {paths: [/a/*, /b/*], labels: {x: y}}}\n",
           "monitors.files.paths, monitors.files.labels", "");
    differ(SINK "monitors: {journal: {units: [a]}}\n", SINK "monitors: {journal: {units: [b]}}\n", "monitors.journal.units",
           "");
    differ(SINK "monitors: {files: {sources: [{paths: [/a]}]}}\n",
           SINK "monitors: {files: {sources: [{paths: [/a]}, {paths: [/b]}]}}\n", "monitors.files.sources", "");
}

static void sinks_are_compared_by_name(void **state)
{
    differ("sinks: {a: {type: stdout}, b: {type: 'null'}}\n", "sinks: {b: {type: 'null'}, c: {type: stdout}}\n",
           "sinks.a (removed), sinks.c (added)", "");
    differ("sinks: {a: {type: stdout}}\n", "sinks: {a: {type: 'null'}}\n", "sinks.a.type", "");
    differ("sinks: {a: {type: stdout, format: text}}\n", "sinks: {a: {type: stdout, format: json, queue_size: 2MiB}}\n",
           "sinks.a.queue_size, sinks.a.format", "");
    differ("sinks: {l: {type: loki, url: 'http://a:3100'}}\n", "sinks: {l: {type: loki, url: 'http://b:3100', headers: {X: y}}}\n",
           "sinks.l.url, sinks.l.headers", "");
}

static void what_needs_a_restart_is_told(void **state)
{
    differ(SINK "server: {port: 1000}\nstate_dir: /a\n", SINK "server: {port: 1001}\nstate_dir: /b\n",
           "", "state_dir, server.port");
    differ(SINK "server: {port: 1000}\n", SINK "server: {port: 1001}\nlog: {level: debug}\n", "log.level", "server.port");
}

static void sections_are_compared_with_what_they_use(void **state)
{
    struct config *a = parse(SINK "host: one\n"), *b = parse(SINK "host: two\n"), *c = parse(SINK "host: one\nmax_tasks: 7\n");
    assert_false(config_same_files(a, b));
    assert_false(config_same_journal(a, b));
    assert_true(config_same_files(a, c));
    assert_true(config_same_journal(a, c));
    assert_true(config_same_sink(&a->sinks[0], &c->sinks[0]));
    assert_null(config_sink(a, "none"));
    config_free(a);
    config_free(b);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_otherwise_is_the_same), TEST(each_key_that_differs_is_named), TEST(sinks_are_compared_by_name),
        TEST(what_needs_a_restart_is_told),          TEST(sections_are_compared_with_what_they_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
