/*
 * store_vfs: SQLite under our roof: its descriptors are things of a scope, its memory is ours to count.
 *
 * SQLite's unix VFS takes its system calls from a table (xSetSystemCall). Ours open and close through
 * base/fd, so the census sees each descriptor, and ask for faults first, so that a test can fail every one
 * of them. fdatasync is not in the table; a test interposes it.
 *
 * The table is the process's: the descriptors of all stores belong to the scope of the first, which ends last. One store
 * writes; readers beside it may be on threads of their own.
 * https://www.sqlite.org/c3ref/vfs.html
 */
#pragma once

#include "base/scope.h"

/* First use configures SQLite for the process. 0 or -ENOMEM. */
int store_vfs_begin(struct scope *files);
void store_vfs_end(struct scope *files); /* all of SQLite's descriptors are closed, unless another store is open */
