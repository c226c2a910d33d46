#include "main/commands/commands.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "command.h"

/* A configuration that reads below the test's directory; `more` is YAML. */
static void configure(const char *more)
{
    char text[2048];
    snprintf(text, sizeof text, "state_dir: %s/state\nmonitors:\n  journal: {enabled: false}\n  containers: {enabled: false}\n"
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
    snprintf(text, sizeof text, "monitors: {journal: {directory: %s/journal}, files: {enabled: false}, containers: {enabled: false}}\n" NULL_SINK, command.dir);
    write_text("c.yaml", text);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("but now No such file or directory; a running agent looks again every 30 s.\n");
    printed("It reads files: no (monitors.files.enabled: false)\n");
    assert_int_equal(mkdir(in_dir("journal"), 0755), 0);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("It reads the journal: ");
}

/* A socket at the name, at which this test listens. */
static int listening(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", in_dir(name));
    int n = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(n >= 0);
    assert_int_equal(bind(n, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(n, 4), 0);
    return n;
}

static void configure_containers(const char *options)
{
    char text[2048];
    snprintf(text, sizeof text, "state_dir: %s/state\nmonitors:\n  journal: {enabled: false}\n  files: {enabled: false}\n"
             "  containers: {%s}\n" NULL_SINK, command.dir, options);
    write_text("c.yaml", text);
}

static const char *with_dir(const char *format)
{
    static char text[1024];
    char *out = text;
    for (const char *p = format; *p; p++)
        out += snprintf(out, (size_t)(text + sizeof text - out), "%.*s", *p == '@' ? 64 : 1, *p == '@' ? command.dir : p);
    return text;
}

static void says_which_engines_can_be_connected_to(void **state)
{
    int up = listening("up.sock"), down = listening("down.sock");
    close(down);
    write_text("file", "");
    assert_int_equal(symlink(in_dir("up.sock"), in_dir("same.sock")), 0);
    configure_containers(with_dir("sockets: [\"unix://@/up.sock\", \"unix://@/same.sock\", \"unix://@/down.sock\", "
                                  "\"unix://@/none.sock\", \"unix://@/file\", \"tcp://engine:2375\"]"));
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("It reads containers, from their log files where it can, else through the engine's API:\n");
    printed(with_dir("  unix://@/up.sock (can be connected to)\n"));
    printed(with_dir("  unix://@/down.sock (cannot be connected to: Connection refused)\n"));
    printed(with_dir("  unix://@/none.sock (cannot be connected to: there is no such socket; is the engine running?)\n"));
    printed(with_dir("  unix://@/file (cannot be connected to: it is no socket)\n"));
    printed("  tcp://engine:2375 (over the network, which is not tried here)\n");
    assert_null(strstr(command.out, "same.sock"));
    configure_containers("enabled: false");
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("It reads containers: no (monitors.containers.enabled: false)\n");
    close(up);
}

/* As the container monitor does: DOCKER_HOST and the usual paths, each socket once. */
static void finds_engines_by_itself(void **state)
{
    int docker = listening("docker.sock");
    setenv("DOCKER_HOST", with_dir("unix://@/docker.sock"), 1);
    setenv("XDG_RUNTIME_DIR", command.dir, 1);
    configure_containers("mode: api");
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    unsetenv("DOCKER_HOST");
    unsetenv("XDG_RUNTIME_DIR");
    printed("It reads containers, through the engine's API:\n");
    printed(with_dir("  unix://@/docker.sock (can be connected to)\n"));
    assert_null(strstr(strstr(command.out, "docker.sock") + 1, with_dir("@/docker.sock")));
    assert_null(strstr(command.out, "no engine is found"));
    setenv("DOCKER_HOST", "ssh://engine", 1);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    unsetenv("DOCKER_HOST");
    printed("  ssh://engine (no address: unix:///PATH, tcp://HOST:PORT or https://HOST:PORT)\n");
    close(docker);
}

static void says_what_lets_it_into_a_socket(void **state)
{
    int up = listening("up.sock");
    bool root = geteuid() == 0;
    assert_int_equal(chmod(in_dir("up.sock"), 0), 0);
    configure_containers(with_dir("sockets: [\"unix://@/up.sock\"]"));
    assert_int_equal(chmod(command.dir, 0777), 0);
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    int code = RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml")));
    assert_int_equal(root ? seteuid(0) : 0, 0);
    assert_int_equal(code, EXIT_DONE);
    printed("/up.sock (cannot be connected to: permission denied; let logcap's user into the socket's group");
    close(up);
}

static void says_whether_there_are_pods(void **state)
{
    configure_containers(with_dir("pods_directory: @/pods, sockets: [\"tcp://engine:2375\"]"));
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("/pods (no pods: No such file or directory)\n");
    assert_int_equal(mkdir(in_dir("pods"), 0755), 0);
    assert_int_equal(mkdir(in_dir("pods/default_web_1"), 0755), 0);
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("/pods (1 pod now)\n");
    configure_containers(with_dir("pods_directory: @/pods, sockets: [\"tcp://engine:2375\"], include_labels: [a]"));
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("/pods (pods are not read: their paths tell no labels");
    configure_containers(with_dir("pods_directory: @/pods, sockets: [\"tcp://engine:2375\"], mode: api"));
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_DONE);
    printed("/pods (pods are not read: mode is api)\n");
}

static void refuses_what_is_wrong(void **state)
{
    configure("sinks: {\"null\": {}, loki: {}}\nmemory: 3\n");
    assert_int_equal(RUN(cmd_check, WORD("-c"), WORD(in_dir("c.yaml"))), EXIT_USAGE);
    complained("/c.yaml:6:21: sinks.loki needs a url");
    complained("/c.yaml:7:1: unknown key 'memory'");
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

static void survives_torture_with_containers(void **state)
{
    int up = listening("up.sock");
    configure_containers(with_dir("pods_directory: @, sockets: [\"unix://@/up.sock\", \"tcp://engine:2375\"]"));
    TORTURE(check_once);
    close(up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(lists_what_it_would_read),
        IN_DIR(shows_twenty_files_or_all),
        IN_DIR(leaves_out_its_own),
        IN_DIR(says_where_it_sends_and_listens),
        IN_DIR(looks_for_the_journal),
        IN_DIR(says_which_engines_can_be_connected_to),
        IN_DIR(finds_engines_by_itself),
        IN_DIR(says_what_lets_it_into_a_socket),
        IN_DIR(says_whether_there_are_pods),
        IN_DIR(refuses_what_is_wrong),
        IN_DIR(survives_torture),
        IN_DIR(survives_torture_with_containers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
