#include "base/fd.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "base/fault.h"
#include "directory.h"

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

/* A directory that may be gone after a power cut is none: the next try must make and sync it, not find it. */
static void a_directory_whose_name_cannot_be_synced_is_not_made(void **state)
{
    char path[128];
    struct scope scope;
    struct stat st;
    bool fired = true;
    int failed = 0;
    assert_int_equal(scope_begin(&scope, &scope_root, "s"), 0);
    for (uint64_t k = 1; fired; k++) {
        snprintf(path, sizeof path, "%s/%llu", dir, (unsigned long long)k);
        fault_arm(k, EIO);
        int r = file_mkdirs(&scope, path, 0700);
        fired = fault_fired();
        fault_arm(0, 0);
        assert_int_equal(r, fired ? -EIO : 0);
        assert_int_equal(file_stat(path, &st), fired ? -ENOENT : 0);
        failed += fired;
    }
    assert_true(failed >= 4); /* mkdir of each part, and birth, open, sync of the last one's parent */
    scope_end(&scope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(descriptors_are_scarce_while_a_quarter_is_left),
        IN_DIR(a_directory_whose_name_cannot_be_synced_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
