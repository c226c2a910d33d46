/*
 * directory: each test has one of its own, `dir`, that is gone with it; afterwards the tree is empty.
 *
 *     IN_DIR(a_test_that_uses_dir),
 */
#pragma once

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

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)
