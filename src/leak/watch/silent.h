/*
 * silent: tasks that seem to hang, until that is sure.
 *
 * While a program is stopped (SIGSTOP, a debugger, a container or a machine that is paused) no task gives a sign of life, and when it
 * goes on, who looks at them may well run first. So one hangs for sure only when a look finds it as silent as an earlier one did, and the
 * time between the two is enough for a task that goes on to say so: its heartbeat.
 *
 * A look: silent_seen() for each that hangs by task_hangs(), then silent_settle(). One thread. Pure but for the caller's clock.
 */
#pragma once

#include "base/task.h"

struct silent_task {
    uint32_t id;
    int64_t beat;  /* its last: one that went on and is silent again is another */
    int64_t first; /* the look that found it so first */
    bool again;    /* in this look */
    bool told;     /* for whoever asks */
};

/* `list` has `room`; what there is no room for is found by a later look. */
struct silent {
    struct silent_task *list;
    unsigned room, n;
};

/* NULL: it is not sure yet. Valid until silent_settle(). now: the look's time, clock_mono(). */
struct silent_task *silent_seen(struct silent *s, const struct birth_info *b, int64_t now);
/* Forgets those that this look did not find. */
void silent_settle(struct silent *s);
