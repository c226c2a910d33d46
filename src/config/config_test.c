#include "config/config.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "config/suggest.h"
#include "config/units.h"
#include "unit.h"

static const char issue_file[] =
    "state_dir: /var/lib/logcap          # positions and spool; created if missing\n"
    "memory_limit: 48MiB\n"
    "server: {host: 127.0.0.1, port: 8401}\n"
    "metrics: {enabled: true, port: 8001}\n"
    "monitors:\n"
    "  files:\n"
    "    enabled: true\n"
    "    paths: [\"/var/log/**/*.log\"]\n"
    "    exclude: [\"*.gz\"]\n"
    "    start_at: beginning             # or end; only for files without a position\n"
    "    labels: {job: host}\n"
    "  journal: {enabled: false}\n"
    "  containers: {enabled: false}\n"
    "sinks:\n"
    "  local_file: {enabled: false, directory: /var/log/out}\n"
    "  loki:\n"
    "    enabled: true\n"
    "    url: http://127.0.0.1:3100\n"
    "    compression: snappy             # or none\n"
    "    workers: 10\n"
    "    batch_size: 1MiB\n"
    "    batch_timeout: 1s\n"
    "    labels: {host: \"${LOGCAP_TEST_HOST:-unknown}\"}\n"
    "shutdown_timeout: 10s\n";

struct parsed {
    struct scope scope;
    struct buf errors;
    struct config *c;
};

static struct parsed *parse(struct parsed *p, const char *text)
{
    assert_int_equal(scope_begin(&p->scope, &scope_root, "test"), 0);
    assert_int_equal(buf_begin(&p->errors, &p->scope, "errors", 1 << 16), 0);
    buf_puts(&p->errors, "");
    p->c = config_parse(&p->scope, "f", text, strlen(text), &p->errors);
    return p;
}

/* The text is refused with exactly these errors. */
static void refused(const char *text, const char *errors)
{
    struct parsed p;
    parse(&p, text);
    assert_string_equal(p.errors.data, errors);
    assert_null(p.c);
    scope_end(&p.scope);
}

static struct config *accepted(struct parsed *p, const char *text)
{
    parse(p, text);
    assert_string_equal(p->errors.data, "");
    assert_non_null(p->c);
    return p->c;
}

static void the_common_file_is_read_as_written(void **state)
{
    struct parsed p;
    unsetenv("LOGCAP_TEST_HOST");
    struct config *c = accepted(&p, issue_file);
    assert_string_equal(c->state_dir, "/var/lib/logcap");
    assert_int_equal(c->memory_limit, 48 << 20);
    assert_int_equal(c->server.port, 8401);
    assert_int_equal(c->files.n_groups, 1);
    assert_string_equal(c->files.groups[0].paths.items[0], "/var/log/**/*.log");
    assert_int_equal(c->files.groups[0].exclude.n, 1);
    assert_string_equal(c->files.groups[0].labels.items[0].value, "host");
    assert_false(c->journal.enabled);
    assert_int_equal(c->n_sinks, 1);
    assert_string_equal(c->sinks[0].name, "loki");
    assert_true(c->sinks[0].loki.snappy);
    assert_int_equal(c->sinks[0].loki.batch_timeout, SECOND);
    assert_string_equal(c->sinks[0].loki.labels.items[0].value, "unknown");
    assert_int_equal(config_own_directories(c)->n, 3); /* state, the usual output, the disabled sink's */
    scope_end(&p.scope);
}

static void defaults_read_the_host_and_write_files(void **state)
{
    struct parsed p;
    unsetenv("LOKI_URL");
    struct config *c = accepted(&p, "");
    assert_true(c->journal.enabled);
    assert_true(c->files.groups[0].paths.n > 3);
    assert_int_equal(c->files.max_line_bytes, 256 << 10);
    assert_int_equal(c->n_sinks, 1);
    assert_string_equal(c->sinks[0].type, "local_file");
    assert_int_equal(c->commit_interval, 200 * MILLISECOND);
    scope_end(&p.scope);
    setenv("LOKI_URL", "http://localhost:3100/loki/api/v1/push", 1);
    c = accepted(&p, "");
    unsetenv("LOKI_URL");
    assert_int_equal(c->n_sinks, 2);
    assert_string_equal(c->sinks[1].loki.url, "http://localhost:3100");
    scope_end(&p.scope);
}

static void errors_name_the_place_and_the_nearest_name(void **state)
{
    refused("memory_limt: 1MiB\n", "f:1:1: unknown key 'memory_limt'; did you mean 'memory_limit'?\n");
    refused("server:\n  prot: 1\n", "f:2:3: unknown key 'server.prot'; did you mean 'port'?\n");
    refused("workers: 3\nport: 1\n", "f:1:1: unknown key 'workers'\n"
                                     "f:2:1: unknown key 'port'; did you mean 'server.port'?\n");
    refused("sinks:\n  a: {type: loky}\n", "f:2:13: there is no sink type 'loky'; the types are loki, local_file, stdout "
                                           "and null; did you mean 'loki'?\n");
    refused("sinks:\n  loki: {ulr: 'http://x'}\n", "f:2:10: unknown key 'sinks.loki.ulr'; did you mean 'url'?\n");
    refused("sinks:\n  loki: {url: 'http://x', worker: 1}\n",
            "f:2:27: unknown key 'sinks.loki.worker'; did you mean 'workers'?\n");
    refused("log: {level: inof}\n", "f:1:14: log.level must be one of debug|info|warn|error, not 'inof'; did you mean 'info'?\n");
}

static void what_a_sink_adapts_to_is_checked_and_completed(void **state)
{
    struct parsed p;
    parse(&p, "sinks:\n  loki:\n    url: http://x\n    batch_size: 32KiB\n    batch_timeout: 50ms\n"
              "    adaptive_batching: {latency_threshold: 500ms}\n    retry_delay: 2s\n");
    assert_non_null(p.c);
    const struct loki_config *l = &p.c->sinks[0].loki;
    assert_int_equal(l->batching.max_size, 32 << 10);
    assert_int_equal(l->batching.min_size, 32 << 10); /* the default is larger */
    assert_int_equal(l->batching.max_delay, 50 * MILLISECOND);
    assert_int_equal(l->batching.min_delay, 50 * MILLISECOND);
    assert_int_equal(l->batching.target_latency, 500 * MILLISECOND);
    assert_int_equal(l->backoff_min, 2 * SECOND);
    scope_end(&p.scope);
    refused("sinks:\n  loki: {url: 'http://x', circuit_breaker: {cooldown: 2m}}\n",
            "f:2:27: circuit_breaker.cooldown must not be above max_cooldown\n");
    refused("sinks:\n  loki: {url: 'http://x', adaptive_batching: {min_size: 2MiB}}\n",
            "f:2:47: adaptive_batching.min_size must not be above max_size or batch_size\n");
    refused("sinks:\n  loki: {url: 'http://x', adaptive_batching: {min_delay: 2s}}\n",
            "f:2:47: adaptive_batching.min_delay must not be above max_delay or batch_timeout\n");
    refused("sinks:\n  loki: {url: 'http://x', adaptive_batching: {max_size: 32MiB}}\n",
            "f:2:47: adaptive_batching.max_size must be at most a quarter of memory_limit (48MiB)\n");
    refused("sinks:\n  stdout: {deduplicate: {enabled: true, max_lines: 1000000}}\n",
            "f:2:41: deduplicate.max_lines needs 56MB, and may have a quarter of memory_limit (48MiB)\n");
    refused("sinks:\n  loki: {url: 'http://x', adaptive_batching: {min_batch_size: 10}}\n",
            "f:2:47: 'sinks.loki.adaptive_batching.min_batch_size' is no longer supported: use adaptive_batching.min_size (in bytes) instead\n");
}

static void wrong_types_and_ranges_are_refused(void **state)
{
    refused("server: {port: 99xx}\n", "f:1:16: server.port must be a number, not '99xx'\n");
    refused("server: {port: 70000}\n", "f:1:16: server.port must be between 0 and 65535, not 70000\n");
    refused("shutdown_timeout: 30\n", "f:1:19: shutdown_timeout must be a time such as 100ms, 30s, 5m or 24h, not '30'\n");
    refused("memory_limit: 5M\n", "f:1:15: memory_limit must be a size such as 48MiB or 1MB, not '5M'\n");
    refused("metrics: {enabled: maybe}\n", "f:1:20: metrics.enabled must be true or false, not 'maybe'\n");
    refused("server: 5\n", "f:1:9: server must be a map of keys, not a single value\n");
    refused("memory_limit: [1]\n", "f:1:15: memory_limit must be a size such as 48MiB or 1MB, not a list\n");
    refused("monitors: {files: {paths: [var/log]}}\n",
            "f:1:28: 'var/log' in monitors.files.paths must be an absolute path, such as /var/log/*.log\n");
    refused("monitors: {files: {labels: {a-b: c}}}\n", "f:1:29: 'a-b' in monitors.files.labels must be letters, digits and "
                                                       "'_', and begin with no digit\n");
    refused("monitors: {files: {paths: [/a], multiline: {start: '(a'}}}\n",
            "f:1:52: monitors.files.multiline.start is no valid regular expression: missing closing parenthesis, at its character 3\n");
}

static void yaml_is_strict(void **state)
{
    refused("host: a\nhost: b\n", "f:2:1: 'host' is here twice: the first is in line 1\n");
    refused("a: &x [*x]\n", "f:1:1: unknown key 'a'\nf:1:4: this value is used again through an alias ('*name'); "
                            "aliases are not supported, write the value out\n");
    refused("- a\n", "f:1:1: the file must be a map of keys, such as 'sinks:', but this is a list\n");
    refused("host: a\n---\nhost: b\n", "f:3:1: a second YAML document ('---') is not read\n");
    refused("host: !mine a\n", "f:1:7: the tag '!mine' is not supported; leave it out\n");
    refused("log:\n\tlevel: info\n", "f:2:1: here is a tab, but YAML wants spaces as indentation\n");
    refused("log:\n  \tlevel: info\n", "f:2:3: here is a tab, but YAML wants spaces as indentation\n");
    refused("log:\n  level: info\n\tformat: json\n", "f:3:1: here is a tab, but YAML wants spaces as indentation\n");
    refused("host: |\n\ta\n", "f:2:1: here is a tab, but YAML wants spaces as indentation\n");
    refused("host: a\tb: c\n", "f:1:10: this is no valid YAML: mapping values are not allowed in this context\n");
    refused("host:\n", "f:1:6: host has no value; write a text, or remove it\n");
}

/* The sinks and the groups of files are read last, wherever they stand. */
static void errors_come_in_the_order_of_their_places(void **state)
{
    refused("sinks:\n  loki: {url: \"http://x\", workes: 3}\nmonitors: {files: {sources: [{path: x}]}}\n"
            "memory_limit: 3\nbogus: 1\n",
            "f:2:27: unknown key 'sinks.loki.workes'; did you mean 'workers'?\n"
            "f:3:30: this entry of monitors.files.sources has no paths\n"
            "f:3:31: unknown key 'path'; did you mean 'paths'?\n"
            "f:4:15: memory_limit must be between 8MiB and 64GiB, not 3\n"
            "f:5:1: unknown key 'bogus'\n");
}

static void one_mistake_is_one_error(void **state)
{
    refused("sinks: {loki: {url: nowhere}}\n",
            "f:1:21: sinks.loki.url must be an address such as http://127.0.0.1:3100, not 'nowhere'\n");
    unsetenv("LOGCAP_TEST_HOST");
    refused("sinks: {loki: {url: \"${LOGCAP_TEST_HOST}\"}}\n",
            "f:1:21: the environment variable LOGCAP_TEST_HOST is not set; set it, or write ${LOGCAP_TEST_HOST:-default}\n");
    refused("sinks: {loki: {url: \"\"}}\n", "f:1:16: sinks.loki needs a url, such as http://127.0.0.1:3100\n");
    setenv("LOKI_URL", "nowhere", 1);
    refused("", "the environment variable LOKI_URL: sinks.loki.url must be an address such as http://127.0.0.1:3100, "
                "not 'nowhere'\n");
    unsetenv("LOKI_URL");
}

static void all_errors_are_said_up_to_a_bound(void **state)
{
    struct parsed p;
    char text[4000] = "";
    for (int i = 0; i < 50; i++)
        sprintf(text + strlen(text), "xxxxx%d: 1\n", i);
    parse(&p, text);
    unsigned lines = 0;
    for (const char *c = p.errors.data; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 21);
    assert_non_null(strstr(p.errors.data, "\nthere are 30 more errors; these are the first 20\n"));
    scope_end(&p.scope);
}

static void variables_are_replaced_but_never_become_structure(void **state)
{
    struct parsed p;
    setenv("LOGCAP_TEST_HOST", "a: {b: c}", 1);
    setenv("LOGCAP_TEST_EMPTY", "", 1);
    struct config *c = accepted(&p, "host: x-${LOGCAP_TEST_HOST}${LOGCAP_TEST_EMPTY:-d}$${LOGCAP_TEST_HOST}$\n");
    assert_string_equal(c->host, "x-a: {b: c}d${LOGCAP_TEST_HOST}$");
    scope_end(&p.scope);
    unsetenv("LOGCAP_TEST_HOST");
    refused("host: ${LOGCAP_TEST_HOST}\n", "f:1:7: the environment variable LOGCAP_TEST_HOST is not set; set it, or write "
                                           "${LOGCAP_TEST_HOST:-default}\n");
    refused("host: ${1}\n", "f:1:7: '${1}' is no variable: write ${NAME} or ${NAME:-default}, and $${ for a plain ${\n");
}

static void old_names_act_or_are_refused_with_advice(void **state)
{
    struct parsed p;
    struct config *c = accepted(&p, "app: {log_level: warn}\ngoroutine_tracking: {enabled: false, max_goroutines: 77}\n"
                                    "positions: {enabled: true, directory: /x}\ncontainer_monitor: {enabled: false, what: 1}\n"
                                    "sinks: {loki: {url: 'http://h', tenant_id: t, auth: {type: none}}, kafka: {enabled: false}}\n");
    assert_int_equal(c->log.level, LOG_LEVEL_WARN);
    assert_int_equal(c->max_tasks, 77);
    assert_string_equal(c->state_dir, "/x");
    assert_string_equal(c->sinks[0].loki.tenant, "t");
    scope_end(&p.scope);
    refused("container_monitor: {enabled: true, socket_path: /x}\n",
            "f:1:36: 'container_monitor.socket_path' is no longer supported: write monitors.containers.sockets: "
            "[\"unix:///PATH\"], or leave it out: the usual ones are found\n");
    refused("monitors: {containers: {sockets: [\"unix:///run/docker.sock\", /run/x]}}\n",
            "f:1:34: '/run/x' in monitors.containers.sockets must be unix:///PATH, tcp://HOST:PORT or https://HOST:PORT\n");
    refused("monitors: {containers: {key_file: /k}}\n",
            "f:1:35: monitors.containers.cert_file and key_file belong together\n");
    refused("max_tasks: 1\ntask_tracking: {max_goroutines: 2}\n",
            "f:2:17: 'max_goroutines' and 'max_tasks' in line 1 are two names of one thing; keep one of them\n");
    refused("dispatcher: {workers: 3}\n",
            "f:1:14: 'dispatcher.workers' is no longer supported: use sinks.NAME.workers instead\n");
    refused("server: {enabled: false}\n", "f:1:10: 'server.enabled' other than 'true' is no longer supported: the HTTP API "
                                          "always runs; set server.host: 127.0.0.1 to keep it to this machine\n");
}

static void what_watches_leaks_keeps_the_names_of_the_predecessor(void **state)
{
    struct parsed p;
    struct config *c = accepted(&p, "goroutine_tracking: {enabled: true, check_interval: 5s, leak_threshold: 7, warn_threshold: 8,\n"
                                    "  max_goroutines: 9, tracking_enabled: false, stack_trace_on_leak: false,\n"
                                    "  alert_webhook: 'http://a/', retention_period: 48h}\n"
                                    "resource_monitoring: {enabled: false, monitoring_interval: 6s, goroutine_threshold: 10,\n"
                                    "  fd_threshold: 11, memory_threshold_mb: 12, growth_rate_threshold: 13, alert_on_threshold: false,\n"
                                    "  alert_cooldown: 1m, max_alert_history: 14, alert_webhook_url: 'http://b/',\n"
                                    "  stack_trace_on_leak: false, alert_format: slack}\n"
                                    "sinks: {null: {}}\n");
    const struct task_tracking_config *t = &c->task_tracking;
    const struct resource_monitoring_config *r = &c->resource_monitoring;
    assert_true(t->enabled && !t->tracking_enabled && !t->stack_trace_on_leak);
    assert_true(t->check_interval == 5 * SECOND && t->retention_period == 48 * HOUR);
    assert_true(t->leak_threshold == 7 && t->warn_threshold == 8 && c->max_tasks == 9);
    assert_string_equal(t->alert_webhook, "http://a/");
    assert_true(!r->enabled && !r->alert_on_threshold && !r->stack_trace_on_leak && r->alert_records);
    assert_true(r->check_interval == 6 * SECOND && r->alert_cooldown == MINUTE);
    assert_true(r->task_threshold == 10 && r->fd_threshold == 11 && r->memory_threshold_mb == 12);
    assert_true(r->growth_rate_threshold == 13 && r->max_alert_history == 14 && r->alert_format == ALERT_SLACK);
    assert_string_equal(r->alert_webhook_url, "http://b/");
    scope_end(&p.scope);
}

static void options_are_checked_against_each_other(void **state)
{
    refused("sinks: {loki: {}}\n", "f:1:9: sinks.loki needs a url, such as http://127.0.0.1:3100\n");
    refused("sinks: {null: {enabled: false}}\n", "f:1:8: no sink is enabled, so nothing could be delivered\n");
    refused("memory_limit: 8MiB\nmonitors: {files: {max_line_bytes: 4MiB}}\n",
            "f:1:15: memory_limit must be at least 33280KiB with max_line_bytes: 4MiB\n");
    refused("task_tracking: {restart_hung_after: 59s}\n",
            "f:1:37: task_tracking.restart_hung_after must be at least 1m, or 0: never\n");
    refused("metrics: {port: 8401}\n", "f:1:17: metrics.port and server.port are the same; the API has /metrics too, so set "
                                       "metrics.enabled: false\n");
    refused("monitors: {files: {labels: {a: b}, sources: [{paths: [/a]}, {labels: {c: d}}]}}\n",
            "f:1:20: labels has no paths to act on; write monitors.files.paths, or move it into an entry of sources\n"
            "f:1:61: this entry of monitors.files.sources has no paths\n");
}

static void groups_and_named_sinks(void **state)
{
    struct parsed p;
    struct config *c = accepted(&p, "monitors: {files: {paths: [/a], sources: [{paths: [/b, /c], start_at: end}]}}\n"
                                    "sinks: {one: {type: null, match: {job: 'h*'}}, stdout: {format: json}}\n");
    assert_int_equal(c->files.n_groups, 2);
    assert_int_equal(c->files.groups[1].start_at, START_END);
    assert_string_equal(c->files.groups[1].paths.items[1], "/c");
    assert_string_equal(c->sinks[0].type, "null");
    assert_string_equal(c->sinks[0].match.items[0].value, "h*");
    assert_int_equal(c->sinks[1].stdout_.format, FORMAT_JSON);
    scope_end(&p.scope);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static char test_dir[] = "/tmp/logcap-config-XXXXXX", test_file[64];

static int make_files(void **state)
{
    char dropins[64];
    if (!mkdtemp(test_dir))
        return -1;
    snprintf(dropins, sizeof dropins, "%s/config.d", test_dir);
    snprintf(test_file, sizeof test_file, "%s/logcap.yaml", test_dir);
    mkdir(dropins, 0700);
    put_file(test_dir, "logcap.yaml", "host: a\nmonitors: {files: {paths: [/a, /b], labels: {x: y}}}\n");
    put_file(dropins, "20.yaml", "host: c\n");
    put_file(dropins, "10.yml", "host: b\nmonitors: {files: {paths: [/c], labels: {z: w}}}\n");
    put_file(dropins, "30.txt", "nonsense: true\n");
    return 0;
}

static int remove_files(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", test_dir);
    return system(command);
}

static void drop_ins_are_merged_in_the_order_of_their_names(void **state)
{
    struct parsed p;
    assert_int_equal(scope_begin(&p.scope, &scope_root, "test"), 0);
    assert_int_equal(buf_begin(&p.errors, &p.scope, "errors", 1 << 16), 0);
    struct config *c = config_load(&p.scope, test_file, &p.errors);
    assert_non_null(c);
    assert_string_equal(c->host, "c");
    assert_int_equal(c->files.groups[0].paths.n, 1);
    assert_int_equal(c->files.groups[0].labels.n, 2);
    scope_end(&p.scope);
}

static void the_place_of_an_agent_is_read_alone(void **state)
{
    struct parsed p;
    char path[256], text[] = "positions: {directory: /var/lib/x}\nserver: {port: 8001, token: t}\nsinks: [1]\nbogus: 1\n";
    snprintf(path, sizeof path, "%s.place", test_file);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    assert_int_equal(scope_begin(&p.scope, &scope_root, "test"), 0);
    assert_int_equal(buf_begin(&p.errors, &p.scope, "errors", 1 << 16), 0);
    struct config *c = config_load_place(&p.scope, path, &p.errors);
    unlink(path);
    assert_non_null(c);
    assert_string_equal(c->state_dir, "/var/lib/x");
    assert_string_equal(c->spool_dir, "/var/lib/x/spool");
    assert_int_equal(c->server.port, 8001); /* also the metrics' by default: nobody checks */
    assert_string_equal(c->server.token, "t");
    assert_int_equal(c->n_sinks, 0);
    assert_true(config_mentions(c, "server."));
    assert_false(config_mentions(c, "monitors.journal."));
    scope_end(&p.scope);
}

static void load_body(void)
{
    struct scope s;
    struct buf errors;
    if (scope_begin(&s, &scope_root, "torture") < 0)
        return;
    if (buf_begin(&errors, &s, "errors", 1 << 16) == 0) {
        struct config *c = config_load(&s, test_file, &errors);
        if (!fault_fired())
            assert_non_null(c);
    }
    scope_end(&s);
}

static void loading_survives_torture(void **state)
{
    TORTURE(load_body);
}

static void units_are_exact(void **state)
{
    uint64_t n;
    int64_t t;
    char text[UNITS_TEXT];
    assert_true(units_size_from("1.5KiB", &n) && n == 1536);
    assert_true(units_size_from("1MB", &n) && n == 1000000);
    assert_false(units_size_from("", &n) || units_size_from("-1", &n) || units_size_from("1 x", &n) ||
                 units_size_from("99999999999TiB", &n) || units_size_from("1.5", &n));
    assert_true(units_time_from("1h30m", &t) && t == 90 * MINUTE);
    assert_true(units_time_from("0", &t) && t == 0);
    assert_false(units_time_from("1", &t) || units_time_from("1w", &t) || units_time_from("", &t) ||
                 units_time_from("9999999999h", &t));
    assert_string_equal(units_time_text(24 * HOUR, text), "24h");
    assert_string_equal(units_time_text(1500 * MILLISECOND, text), "1500ms");
    assert_string_equal(units_size_text(256 << 10, text), "256KiB");
    assert_int_equal(suggest_distance("prot", "port", 3), 1);
    assert_int_equal(suggest_distance("kitten", "sitting", 5), 3);
}

int main(void)
{
    log_setup(LOG_LEVEL_WARN, false);
    const struct CMUnitTest tests[] = {
        TEST(the_common_file_is_read_as_written),
        TEST(defaults_read_the_host_and_write_files),
        TEST(errors_name_the_place_and_the_nearest_name),
        TEST(what_a_sink_adapts_to_is_checked_and_completed),
        TEST(wrong_types_and_ranges_are_refused),
        TEST(yaml_is_strict),
        TEST(errors_come_in_the_order_of_their_places),
        TEST(one_mistake_is_one_error),
        TEST(all_errors_are_said_up_to_a_bound),
        TEST(variables_are_replaced_but_never_become_structure),
        TEST(old_names_act_or_are_refused_with_advice),
        TEST(what_watches_leaks_keeps_the_names_of_the_predecessor),
        TEST(options_are_checked_against_each_other),
        TEST(groups_and_named_sinks),
        TEST(drop_ins_are_merged_in_the_order_of_their_names),
        TEST(the_place_of_an_agent_is_read_alone),
        TEST(loading_survives_torture),
        TEST(units_are_exact),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
