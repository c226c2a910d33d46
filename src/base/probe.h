/*
 * probe: the present stack of any of our threads, by signal.
 *
 * A thread that is asked walks its own stack in a signal handler, wherever it is: running, waiting for a lock, caught
 * in a loop. Only one that the kernel holds (state D: a disk or a mount that does not answer), or that blocks the signal,
 * cannot; of it the kernel's word for the place is told (`where`). How deep a walk gets: see unwind.h.
 *
 * The signal is SIGPROF, SA_RESTART; thread_begin() leaves it open in every thread. epoll_wait, poll and nanosleep return
 * EINTR all the same, which whoever calls them has to bear; nothing else does. It costs the thread some 1 µs a frame.
 *
 * Threads: any, several at once.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/scope.h"

enum { PROBE_SIGNAL = SIGPROF };
enum { PROBE_FRAMES = 48, PROBE_NAME = 16, PROBE_WHERE = 48, PROBE_AT_ONCE = 64 };

struct probe {
    pid_t tid;
    bool reached; /* frames are its own; else it did not answer */
    char state;   /* as in proc(5): R, S, D, ... */
    char name[PROBE_NAME];
    char where[PROBE_WHERE]; /* in the kernel: "ep_poll", or "" */
    unsigned n;
    uintptr_t frames[PROBE_FRAMES]; /* innermost first */
};

/* Before the first thread is begun; again is nothing. Until then nobody is reached. */
void probe_prepare(void);

/*
 * Fills in up to `max` of the process's threads, the calling one too; returns how many there are, or -errno. All
 * are asked before any is waited for, PROBE_AT_ONCE at a time. Those that do not answer within `patience` are not reached.
 */
int probe_threads(struct probe *probes, unsigned max, int64_t patience, struct scope *scratch);
/* The state alone, as the kernel tells it: 'R', 'S', 'D'...; '?': there is no such thread, or nobody can look. Any thread; nobody is asked. */
char probe_state(pid_t tid, struct scope *scratch);
