/* The test is the service manager: it listens where NOTIFY_SOCKET points to. */
#include "main/service.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

static int manager;

static int listen_as_manager(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* Abstract: nothing to clean up. */
    int n = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "logcap-service-test-%d", getpid());
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char name[sizeof address.sun_path];
    snprintf(name, sizeof name, "@%s", address.sun_path + 1);
    setenv("NOTIFY_SOCKET", name, 1);
    return bind(manager, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n));
}

static int end_manager(void **state)
{
    close(manager);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return assert_tree_empty(state);
}

static const char *heard(void)
{
    static char text[4096];
    ssize_t n = recv(manager, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void test_states(void **state)
{
    service_ready("reading 3 files");
    assert_string_equal(heard(), "READY=1\nSTATUS=reading 3 files");
    service_reloading();
    assert_true(strncmp(heard(), "RELOADING=1\nWATCHDOG=1\nMONOTONIC_USEC=", 38) == 0);
    service_stopping();
    assert_string_equal(heard(), "STOPPING=1");
    assert_string_equal(heard(), "");
}

struct run {
    struct loop loop;
    struct timer end;
};

static void end_run(struct timer *t)
{
    loop_stop(t->loop);
}

static unsigned signs_of_life(struct service *s, int64_t time)
{
    struct run run = {0};
    unsigned n = 0;
    assert_int_equal(loop_begin(&run.loop, &scope_root, "test"), 0);
    assert_int_equal(service_begin(s, &run.loop.scope, &run.loop), 0);
    assert_int_equal(timer_begin(&run.end, &run.loop.scope, &run.loop, "end", end_run), 0);
    timer_set(&run.end, time);
    assert_int_equal(loop_run(&run.loop), 0);
    service_end(s);
    loop_end(&run.loop);
    while (strcmp(heard(), "WATCHDOG=1") == 0)
        n++;
    return n;
}

static void test_watchdog(void **state)
{
    struct service s;
    setenv("WATCHDOG_USEC", "20000", 1);
    assert_true(signs_of_life(&s, 100 * MILLISECOND) >= 2);
    assert_int_equal(s.interval, 10 * MILLISECOND);
}

static bool hangs_from_the_second_on(void *arg)
{
    return ++*(unsigned *)arg > 1;
}

static void test_watchdog_withheld(void **state)
{
    struct run run = {0};
    struct service s;
    unsigned asked = 0, n = 0;
    setenv("WATCHDOG_USEC", "20000", 1);
    assert_int_equal(loop_begin(&run.loop, &scope_root, "test"), 0);
    assert_int_equal(service_begin(&s, &run.loop.scope, &run.loop), 0);
    service_withhold(&s, hangs_from_the_second_on, &asked);
    assert_int_equal(timer_begin(&run.end, &run.loop.scope, &run.loop, "end", end_run), 0);
    timer_set(&run.end, 100 * MILLISECOND);
    assert_int_equal(loop_run(&run.loop), 0);
    service_end(&s);
    loop_end(&run.loop);
    while (strcmp(heard(), "WATCHDOG=1") == 0)
        n++;
    assert_int_equal(n, 1);
    assert_true(asked >= 2);
}

static void test_restarter(void **state)
{
    assert_null(service_restarter());
    setenv("WATCHDOG_USEC", "20000", 1);
    assert_string_equal(service_restarter(), "the service manager");
    setenv("WATCHDOG_PID", "1", 1);
    assert_null(service_restarter());
    setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
    assert_non_null(strstr(service_restarter(), "kubelet"));
    unsetenv("KUBERNETES_SERVICE_HOST");
}

static void test_no_watchdog_unless_asked(void **state)
{
    struct service s;
    assert_int_equal(signs_of_life(&s, 10 * MILLISECOND), 0);
    assert_int_equal(s.interval, 0);
}

static void test_another_process_watchdog(void **state)
{
    struct service s;
    setenv("WATCHDOG_USEC", "20000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(signs_of_life(&s, 10 * MILLISECOND), 0);
    assert_int_equal(s.interval, 0);
}

static void test_socket_in_the_file_system(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[80];
    assert_int_equal(unit_directory(directory, sizeof directory, "service"), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", directory);
    int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), abstract = manager;
    assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    manager = other;
    service_ready("up");
    assert_string_equal(heard(), "READY=1\nSTATUS=up");
    manager = abstract;
    close(other);
    unlink(address.sun_path);
    rmdir(directory);
}

static void try_all(void)
{
    struct run run = {0};
    struct service s = {0};
    setenv("WATCHDOG_USEC", "1000000", 1);
    if (loop_begin(&run.loop, &scope_root, "test") == 0) {
        service_begin(&s, &run.loop.scope, &run.loop);
        service_stopping();
        service_end(&s);
        loop_end(&run.loop);
    }
}

static void test_torture(void **state)
{
    TORTURE(try_all);
}

#define MANAGED(fn) cmocka_unit_test_setup_teardown(fn, listen_as_manager, end_manager)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MANAGED(test_states),
        MANAGED(test_watchdog),
        MANAGED(test_watchdog_withheld),
        MANAGED(test_restarter),
        MANAGED(test_no_watchdog_unless_asked),
        MANAGED(test_another_process_watchdog),
        MANAGED(test_socket_in_the_file_system),
        MANAGED(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
