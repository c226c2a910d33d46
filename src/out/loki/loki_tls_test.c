/*
 * The Loki sink over TLS: its own CA, a client certificate that the server demands, and no delivery to a server that
 * cannot be verified. The server is openssl's; skipped, and said so, where the command is absent.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "loki_rig.h"
#include "unit.h"

static struct rig rig;
static char dir[] = "/tmp/logcap-tls-XXXXXX";

/* A CA, a server's certificate for 127.0.0.1 and a client's, all of today. */
static bool make_certificates(void)
{
    static const char script[] =
        "cd '%s' && exec >log 2>&1 && new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2' &&"
        "openssl req -x509 $new -keyout ca.key -out ca.pem -subj /CN=ca &&"
        "echo subjectAltName=IP:127.0.0.1 >san &&"
        "for who in server client; do openssl req $new -keyout $who.key -out $who.csr -subj /CN=$who &&"
        "openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out $who.pem"
        " || exit 1; done";
    char command[sizeof script + sizeof dir];
    snprintf(command, sizeof command, script, dir);
    return system(command) == 0;
}

/* Says 204, half a second after its start, to a client with a certificate of the CA. */
static pid_t serve(unsigned port)
{
    char command[600];
    snprintf(command, sizeof command,
             "cd '%s' && (sleep 0.5; printf 'HTTP/1.1 204 Fine\\r\\nContent-Length: 0\\r\\n\\r\\n'; exec sleep 10) |"
             "exec openssl s_server -quiet -accept 127.0.0.1:%u -cert server.pem -key server.key -CAfile ca.pem"
             " -Verify 1 -verify_return_error >/dev/null 2>>log", dir, port);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    setpgid(pid, pid);
    return pid;
}

static void deliver(const char *ca, const char *cert, int64_t wait)
{
    static char paths[3][64];
    pid_t server;
    rig_prepare(&rig, rig_accept);
    unsigned port = rig.server.port;
    rig_end(&rig); /* only its port is wanted */
    server = serve(port);
    snprintf(rig.url, sizeof rig.url, "https://127.0.0.1:%u", port);
    snprintf(paths[0], sizeof paths[0], "%s/%s.pem", dir, ca);
    snprintf(paths[1], sizeof paths[1], "%s/%s.pem", dir, cert);
    snprintf(paths[2], sizeof paths[2], "%s/%s.key", dir, cert);
    rig.config.loki.ca_file = ca[0] ? paths[0] : "";
    rig.config.loki.cert_file = cert[0] ? paths[1] : "";
    rig.config.loki.key_file = cert[0] ? paths[2] : "";
    rig.config.loki.timeout = rig.config.loki.connect_timeout = 2 * SECOND; /* the system's CAs take a sanitizer long */
    assert_true(rig_start(&rig));
    struct batch *b = rig_batch(&rig);
    assert_true(rig_line(b, rig.stream, "x", 1, false));
    rig_dispatch(&rig, b);
    rig_wait(&rig, wait);
    rig_stop(&rig);
    kill(-server, SIGKILL);
    waitpid(server, NULL, 0);
}

static void test_tls(void **state)
{
    if (system("command -v openssl >/dev/null") != 0) {
        print_message("skipped: no openssl command\n");
        skip();
    }
    assert_non_null(mkdtemp(dir));
    assert_true(make_certificates());
    deliver("ca", "client", 10 * SECOND);
    assert_int_equal(rig.counts.delivered.records, 1);
    deliver("", "client", 3 * SECOND); /* the system's CAs know nothing of it */
    assert_int_equal(rig.counts.delivered.records, 0);
    assert_non_null(strstr(rig.sink.error, "certificate"));
    deliver("ca", "", SECOND); /* the server wants a certificate */
    assert_int_equal(rig.counts.delivered.records, 0);
    char command[64];
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
