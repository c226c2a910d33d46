/*
 * What each unit test needs: cmocka, an empty tree at the end of each test, and torture.
 *
 * TORTURE(body) runs body with the first fallible call failing, then the second, ... until a run
 * meets no fault. body takes no arguments, tolerates failure, and must leave an empty tree. ThreadSanitizer, which is there
 * for races and several times slower, tries every fifth call.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/census.h"
#include "base/fault.h"
#include "base/scope.h"

static inline int assert_tree_empty(void **state)
{
    (void)state;
    return census_empty(stderr) ? 0 : -1;
}

#define TEST(fn) cmocka_unit_test_teardown(fn, assert_tree_empty)

/*
 * A directory for one test, its path in `out`. Torture syncs thousands of times: in memory where the machine has such a file
 * system, since what is tested is our order of calls, not the disk.
 */
static inline int unit_directory(char *out, size_t size, const char *name)
{
    const char *top = getenv("LOGCAP_TEST_TMP");
    int n = snprintf(out, size, "%s/logcap-%s-XXXXXX", top ? top : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", name);
    return n > 0 && (size_t)n < size && mkdtemp(out) ? 0 : -1;
}

#ifdef __SANITIZE_THREAD__
enum { TORTURE_STEP = 5 };
#else
enum { TORTURE_STEP = 1 };
#endif

static inline void torture_with(void (*body)(void), int err)
{
    for (uint64_t k = 1;; k += TORTURE_STEP) {
        fault_arm(k, err);
        body();
        bool fired = fault_fired();
        fault_arm(0, 0);
        if (!census_empty(stderr))
            fail_msg("call %llu failed and left something alive", (unsigned long long)k);
        if (!fired)
            return;
    }
}
#define TORTURE(body) (torture_with(body, ENOMEM), torture_with(body, EIO))
