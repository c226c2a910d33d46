/*
 * ticks: which stacks use the processor: each thread leaves its own whenever it has used so much time of it.
 *
 * A kernel timer for each thread over its processor time, whose signal (that of probe.h) it gets itself. A timer over that
 * of the process would on kernels before 6.4 mostly interrupt the main thread, whoever it is that works. One
 * measurement at a time in a process.
 *
 * Threads: begun, asked and ended by one; ticks are left by all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/scope.h"

enum { TICK_FRAMES = 48, TICKS_ROOM = 512, TICK_THREADS = 256 };

struct tick {
    pid_t tid;
    unsigned n;
    uintptr_t frames[TICK_FRAMES]; /* as unwind_signal() gives them */
};

struct ticks {
    struct thing thing;
    int64_t period;
    unsigned n;
    struct {
        pid_t tid;
        int id; /* the kernel's */
    } timers[TICK_THREADS];
};

/* `period`: ns of a thread's processor time. -EBUSY: there is another measurement. Call probe_prepare() before. */
int ticks_begin(struct ticks *t, struct scope *owner, int64_t period);
/* Takes in threads that were born since. Call it each second or so. */
int ticks_find(struct ticks *t, struct scope *scratch);
/* The oldest that was left; false: there is none. There is room for TICKS_ROOM: take them ten times a second. */
bool ticks_take(struct tick *tick);
uint64_t ticks_missed(void); /* since ticks_begin(): for which there was no room */
void ticks_end(struct ticks *t); /* nothing when not alive */

void ticks_leave(const void *context); /* for the signal handler */
