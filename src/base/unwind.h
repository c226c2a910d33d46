/*
 * unwind: the stack of a thread from within its signal handler.
 *
 * The walk reads the call frame information that libraries carry (libgcc's unwinder), for Debian's have no frame
 * pointers: it goes from the system call in libc through libcurl or SQLite to the thread's first function. It takes no
 * lock and no memory: glibc from 2.35 on finds that information without a lock (_dl_find_object). With an older one,
 * and where there is no such information (code that PCRE2 made at run time), frames are followed by frame pointer
 * within the thread's stack, which ends at the first library. About 1 µs a frame.
 */
#pragma once

#include <stdint.h>

/* Loads what the first walk needs, which may take memory and locks. */
void unwind_prepare(void);

/*
 * `context`: what a SA_SIGINFO handler gets. Fills at most `max` addresses, innermost first, each within the
 * instruction that calls, so that it needs no correction; returns how many. Async-signal-safe.
 */
unsigned unwind_signal(const void *context, uintptr_t *frames, unsigned max);
