#include "main/commands/commands.h"

#include <sys/stat.h>

#include "command.h"

/* A configuration that reads below the test's directory; `more` is YAML. */
static void configure(const char *more)
{
    char text[2048];
    snprintf(text, sizeof text, "state_dir: %s/state\nmonitors:\n  journal: {enabled: false}\n"
             "  files: {paths: [\"%s/logs/**/*.log\"], exclude: [\"*.old.log\"], start_at: end}\n%s", command.dir,
             command.dir, more);
    write_text("c.yaml", text);
}

#define NULL_SINK "sinks: {\"null\": {}}\n"

static void lists_what_it_would_read(void **state)
{
    configure(NULL_SINK);
    assert_int_equal(mkdir(in_dir("logs"), 0755), 0);
    assert_int_equal(mkdir(in_dir("logs/deep"), 0755), 0);
    write_text("logs/a.log", "four");
    write_text("logs/deep/b.log", "seven!!");
    write_text("logs/c.old.log", "excluded");
    write_text("logs/d.txt", "no match");
    assert_int_equal(mkdir(in_dir("logs/e.log"), 0755), 0);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("/c.yaml is right.\n");
    printed("/logs/a.log (4 bytes)\n");
    printed("/logs/deep/b.log (7 bytes)\n");
    printed("  2 files now, 11 bytes; 0 cannot be read; begun at the end\n");
    printed("It reads the journal: no (monitors.journal.enabled: false)\n");
    assert_null(strstr(command.out, "c.old.log"));
    assert_null(strstr(command.out, "d.txt"));
    assert_string_equal(command.err, "");
}

static void shows_twenty_files_or_all(void **state)
{
    char name[32];
    configure(NULL_SINK);
    assert_int_equal(mkdir(in_dir("logs"), 0755), 0);
    for (int i = 0; i < 23; i++) {
        snprintf(name, sizeof name, "logs/%d.log", i);
        write_text(name, "x");
    }
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("    ... and more: --all lists them\n");
    printed("  23 files now, 23 bytes");
    unsigned n = 0;
    for (const char *p = command.out; (p = strstr(p, ".log (1 bytes)")); p++)
        n++;
    assert_int_equal(n, 20);
    assert_int_equal(RUN(cmd_check, WORD("--config"), WORD(in_dir("c.yaml")), WORD("--all")), EXIT_DONE);
    assert_null(strstr(command.out, "and more"));
    printed("/logs/22.log");
}

/* What logcap wrote itself is not read, whatever the patterns say. */
static void leaves_out_its_own(void **state)
{
    char text[1024];
    snprintf(text, sizeof text, "sinks: {local_file: {directory: %s/logs/out}}\n", command.dir);
    configure(text);
    assert_int_equal(mkdir(in_dir("logs"), 0755), 0);
    assert_int_equal(mkdir(in_dir("logs/out"), 0755), 0);
    write_text("logs/out/own.log", "own");
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("  0 files now, 0 bytes");
}

static void says_where_it_sends_and_listens(void **state)
{
    configure("server: {host: 127.0.0.2, port: 1234}\nmetrics: {host: 127.0.0.3, port: 4321, path: /m}\n"
              "sinks:\n  prod: {type: loki, url: \"http://loki:3100\", tenant: t, password: hidden, username: u,\n"
              "         match: {job: \"a*\"}}\n  \"null\": {}\n");
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("  prod (loki): http://loki:3100, tenant t, only job=a*\n");
    printed("  null\n");
    printed("The API listens on 127.0.0.2 port 1234; metrics are there at /metrics, and on 127.0.0.3 port 4321 at /m.\n");
    assert_null(strstr(command.out, "hidden"));
    configure("metrics: {enabled: false}\n" NULL_SINK);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("metrics are there at /metrics.\n");
}

/* It looks where `run` would, and says what that would find. */
static void looks_for_the_journal(void **state)
{
    char text[512];
    snprintf(text, sizeof text, "monitors: {journal: {directory: %s/journal}, files: {enabled: false}}\n" NULL_SINK, command.dir);
    write_text("c.yaml", text);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("but now No such file or directory; a running agent looks again every 30 s.\n");
    printed("It reads files: no (monitors.files.enabled: false)\n");
    assert_int_equal(mkdir(in_dir("journal"), 0755), 0);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("It reads the journal: ");
}

static void refuses_what_is_wrong(void **state)
{
    configure("sinks: {\"null\": {}, loki: {}}\nmemory: 3\n");
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_USAGE);
    complained("/c.yaml:5:21: sinks.loki needs a url");
    complained("/c.yaml:6:1: unknown key 'memory'");
    assert_string_equal(command.out, "");
    write_text("c.yaml", "monitors: {files: {paths: [/x], timestamp: {regex: x, format: \"%Y %\"}}}\n" NULL_SINK);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_USAGE);
    complained("files of '/x': timestamp.format '%Y %': it ends in '%'\n");
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("none.yaml"))), EXIT_USAGE);
    complained("cannot open the file: No such file or directory");
    assert_int_equal(RUN(cmd_check, WORD("--al"), WORD("x")), EXIT_USAGE);
    complained("logcap cmd_check: unexpected argument 'x'\nlogcap cmd_check --help lists the options\n");
    assert_int_equal(RUN(cmd_check, WORD("--nonsense")), EXIT_USAGE);
    complained("logcap cmd_check --help lists the options\n");
    assert_int_equal(RUN(cmd_check, WORD("--help")), EXIT_DONE);
    printed("usage: logcap check");
}

static void check_once(void)
{
    RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml")));
}

static void survives_torture(void **state)
{
    configure(NULL_SINK);
    assert_int_equal(mkdir(in_dir("logs"), 0755), 0);
    write_text("logs/a.log", "four");
    TORTURE(check_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(lists_what_it_would_read),
        IN_DIR(shows_twenty_files_or_all),
        IN_DIR(leaves_out_its_own),
        IN_DIR(says_where_it_sends_and_listens),
        IN_DIR(looks_for_the_journal),
        IN_DIR(refuses_what_is_wrong),
        IN_DIR(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
