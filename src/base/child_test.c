#include "base/child.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "unit.h"

static const int64_t patience = 60 * SECOND;

static int exchange(const char *script, const char *ask, struct buf *answer, int64_t how_long, int cancel)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct child c;
    int r = child_begin(&c, &scope_root, argv);
    if (r == 0)
        r = child_exchange(&c, ask, strlen(ask), answer, how_long, cancel);
    child_end(&c);
    return r;
}

static struct buf answer;

static int begin_answer(void)
{
    signal(SIGPIPE, SIG_IGN);
    return buf_begin(&answer, &scope_root, "answer", 4 << 20);
}

static void gives_and_takes(void **state)
{
    assert_int_equal(begin_answer(), 0);
    assert_int_equal(exchange("tr a-z A-Z", "what is asked\n", &answer, patience, -1), 0);
    assert_string_equal(answer.data, "WHAT IS ASKED\n");
    buf_end(&answer);
}

/* Both pipes would be full long before. */
static void gives_while_it_takes(void **state)
{
    static char much[1 << 20];
    memset(much, 'x', sizeof much - 1);
    assert_int_equal(begin_answer(), 0);
    assert_int_equal(exchange("cat", much, &answer, patience, -1), 0);
    assert_int_equal(answer.len, sizeof much - 1);
    buf_end(&answer);
}

static void says_how_it_ended(void **state)
{
    int cancel = eventfd(1, EFD_CLOEXEC);
    const char *const none[] = {"/nonexistent/program", NULL};
    struct child c;
    assert_int_equal(begin_answer(), 0);
    assert_int_equal(exchange("exit 3", "", &answer, patience, -1), -EIO);
    assert_int_equal(exchange("kill -9 $$", "", &answer, patience, -1), -EIO);
    assert_int_equal(exchange("exec sleep 1000", "", &answer, 20 * MILLISECOND, -1), -ETIMEDOUT);
    assert_int_equal(exchange("exec sleep 1000", "", &answer, patience, cancel), -ECANCELED);
    assert_int_equal(child_begin(&c, &scope_root, none), -ENOENT);
    buf_end(&answer);
    close(cancel);
}

/* Neither a blocked signal nor another descriptor. */
static void leaves_it_nothing(void **state)
{
    sigset_t all, before;
    struct fd open;
    int kept = dup(STDERR_FILENO); /* without O_CLOEXEC, as a program may have it that we are a part of */
    char number[32];
    assert_int_equal(begin_answer(), 0);
    assert_int_equal(fd_open(&open, &scope_root, "/", 0, 0), 0);
    snprintf(number, sizeof number, "%d %d\n", open.n, kept);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    int r = exchange("grep SigBlk /proc/self/status; read n m; test ! -e /proc/$$/fd/$n && test ! -e /proc/$$/fd/$m", number, &answer, patience, -1);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(r, 0);
    assert_string_equal(answer.data, "SigBlk:\t0000000000000000\n");
    close(kept);
    fd_close(&open);
    buf_end(&answer);
}

/* Of a program that we are a part of: it waits for all its children, or for none. */
static void does_not_mind_who_waits_for_it(void **state)
{
    const char *const argv[] = {"/bin/sh", "-c", "echo done", NULL};
    struct child c;
    assert_int_equal(begin_answer(), 0);
    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(exchange("cat", "what is asked", &answer, patience, -1), 0);
    signal(SIGCHLD, SIG_DFL);
    assert_string_equal(answer.data, "what is asked");
    buf_clear(&answer);
    assert_int_equal(child_begin(&c, &scope_root, argv), 0);
    assert_int_equal(waitpid(-1, NULL, 0), c.pid);
    assert_int_equal(child_exchange(&c, "", 0, &answer, patience, -1), 0);
    assert_string_equal(answer.data, "done\n");
    child_end(&c);
    assert_int_equal(child_begin(&c, &scope_root, argv), 0);
    assert_int_equal(waitpid(-1, NULL, 0), c.pid);
    child_end(&c); /* kills nobody */
    buf_end(&answer);
}

static void once(void)
{
    if (begin_answer() < 0)
        return;
    exchange("cat", "x", &answer, patience, -1);
    buf_end(&answer);
}

static void survives_torture(void **state)
{
    TORTURE(once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_and_takes),
        TEST(gives_while_it_takes),
        TEST(says_how_it_ended),
        TEST(leaves_it_nothing),
        TEST(does_not_mind_who_waits_for_it),
        TEST(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
