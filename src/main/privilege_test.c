/* Each case runs in a child: what is dropped cannot be taken back. */
#include "main/privilege.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

enum { NOBODY = 65534 };

static int in_child(int (*body)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool has_flag(cap_value_t cap, cap_flag_t flag)
{
    cap_t caps = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;
    cap_get_flag(caps, cap, flag, &value);
    cap_free(caps);
    return value == CAP_SET;
}

static char secret[] = "/tmp/logcap-privilege-XXXXXX";

static int drops_as_root(void)
{
    if (privilege_drop() < 0)
        return 1;
    if (!privilege_reads_all() || !has_flag(CAP_DAC_READ_SEARCH, CAP_EFFECTIVE))
        return 2;
    if (has_flag(CAP_DAC_OVERRIDE, CAP_PERMITTED) || has_flag(CAP_SYS_ADMIN, CAP_PERMITTED))
        return 3;
    if (cap_get_bound(CAP_SYS_ADMIN) != 0)
        return 4;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 5;
    /* Another user's file of mode 0600: to be read, not to be written. */
    int n = open(secret, O_RDONLY);
    if (n < 0)
        return 6;
    close(n);
    return open(secret, O_WRONLY) >= 0 ? 7 : 0;
}

static int works_as_nobody(void)
{
    if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
        return 1;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (privilege_drop() < 0)
        return 2;
    if (privilege_reads_all())
        return 3;
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 ? 0 : 4;
}

static int works_twice(void)
{
    return privilege_drop() < 0 || privilege_drop() < 0;
}

static void test_root_keeps_reading(void **state)
{
    if (geteuid() != 0 || !has_flag(CAP_CHOWN, CAP_EFFECTIVE) || !has_flag(CAP_DAC_READ_SEARCH, CAP_PERMITTED))
        skip();
    int n = mkstemp(secret);
    assert_true(n >= 0);
    assert_int_equal(fchown(n, NOBODY, NOBODY), 0);
    close(n);
    assert_int_equal(in_child(drops_as_root), 0);
    unlink(secret);
}

static void test_user_is_left_alone(void **state)
{
    if (geteuid() != 0 || !has_flag(CAP_SETUID, CAP_EFFECTIVE))
        skip();
    assert_int_equal(in_child(works_as_nobody), 0);
}

static void test_twice(void **state)
{
    assert_int_equal(in_child(works_twice), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_root_keeps_reading),
        TEST(test_user_is_left_alone),
        TEST(test_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
