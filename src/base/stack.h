/*
 * stack: the calling thread's return addresses, by frame pointer.
 *
 * All of logcap is compiled with frame pointers. Debian's libraries are not, so a walk ends where it
 * meets one: each frame must lie above the last within the thread's own stack. Some 40 ns for 15
 * frames. Any thread; the bounds are looked up once a thread. Not for signal handlers that may
 * interrupt the first call.
 */
#pragma once

#include <stdint.h>

/* The end of the calling thread's stack; 0 before its first walk. For signal handlers. */
uintptr_t stack_top_known(void);

/* Fills at most `max` return addresses, innermost first, without the first `skip`; returns how many. */
unsigned stack_walk(uintptr_t *frames, unsigned max, unsigned skip);
