#include "base/fd.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "unit.h"

enum { LIMIT = 64, ROOM = LIMIT / 4 };

static void descriptors_are_scarce_while_a_quarter_is_left(void **state)
{
    struct rlimit before, small;
    struct scope scope;
    struct fd fds[LIMIT];
    int n = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    small = (struct rlimit){.rlim_cur = LIMIT, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    assert_int_equal(scope_begin(&scope, &scope_root, "many"), 0);
    assert_false(fd_scarce());
    while (n < LIMIT && !fd_scarce())
        assert_int_equal(fd_open(&fds[n++], &scope, "/dev/null", O_RDONLY, 0), 0);
    assert_int_equal(n, LIMIT - ROOM - 3);
    for (int i = 0; i < ROOM / 2; i++) /* whoever started this may hold a few more */
        assert_int_equal(fd_open(&fds[n++], &scope, "/dev/null", O_RDONLY, 0), 0);
    assert_true(fd_scarce());
    for (int i = 0; i <= ROOM / 2; i++)
        fd_close(&fds[--n]);
    assert_false(fd_scarce());
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(fd_scarce());
    scope_end(&scope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(descriptors_are_scarce_while_a_quarter_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
