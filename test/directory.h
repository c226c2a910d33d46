/*
 * directory: each test has one of its own, `dir`, that is gone with it; afterwards the tree is empty.
 *
 *     IN_DIR(a_test_that_uses_dir),
 *
 * empty_dir() is for a test that begins anew within itself.
 */
#pragma once

#include <ftw.h>

#include "unit.h"

static char dir[64];

static int make_dir(void **state)
{
    return unit_directory(dir, sizeof dir, program_invocation_short_name);
}

static int remove_dir(void **state)
{
    char command[2 * sizeof dir + 64];
    snprintf(command, sizeof command, "chmod -R u+rwx %s && rm -rf --one-file-system %s", dir, dir);
    return system(command) == 0 ? assert_tree_empty(state) : -1;
}

static inline int remove_below(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    return at->level == 0 ? 0 : remove(path);
}

/* Without another process: those are slow to start from one with a sanitizer. */
static inline void empty_dir(void)
{
    assert_int_equal(nftw(dir, remove_below, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)
