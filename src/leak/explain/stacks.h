/*
 * stacks: each task and thread by itself, oldest first, as Go's goroutine?debug=2 writes them.
 *
 *     goroutine 17 [waiting, 5 minutes, file_reader "app.log"]:
 *     file_begin(...)
 *             /src/in/files/file.c:97 +0x1c
 *
 * The number is the birth's (of a thread without one: the kernel's). A thread has its present stack, and where it was
 * begun behind "created by"; an activity on a loop has the stack that began it. Threads are asked by signal (base/probe.h):
 * those that cannot answer say what the kernel says.
 */
#pragma once

#include "base/mem.h"

/*
 * Writes at most `most` bytes, and how many are left out. cancel: as in lines_begin(). 0 or -errno.
 */
int stacks_write(struct scope *scope, struct buf *out, size_t most, int cancel);
