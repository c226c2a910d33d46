/*
 * hung: a thread that hangs, and whether a new process would mend it.
 *
 * A thread cannot be ended from without: it may hold a lock, a lease, half of a file. What can be begun anew is the process, whose end
 * loses nothing (positions, ledger and spool are made for SIGKILL). So of a kind whose remedy is TASK_NEW_PROCESS one that hangs
 * for `after` makes main keep its sign of life from the service manager (main/service.h) and /livez answer 503 to the
 * kubelet; each of them begins the process anew. Two things are not helped by that, and would only take the rest down:
 *
 * - A thread that the kernel holds (state D: a disk or a mount that does not answer). It could not even be killed, and a new
 *   process would wait at the same place. While one of the threads that hang is held so, nobody is asked; nor for one of which that cannot be read.
 * - What hangs again after each start. One that began to hang within `after` of the start, or within five minutes, is given
 *   HUNG_PATIENCE times as long, and an hour at least, for which the others work between two restarts.
 *
 * Any thread; nobody is waited for, so it can be asked while whatever hangs. Units: ns, clock_mono().
 */
#pragma once

#include <stdatomic.h>

#include "base/clock.h"
#include "base/task.h"

enum { HUNG_PATIENCE = 12, HUNG_TEXT = 240 };

#define HUNG_MAIN_BEATS (5 * SECOND)

struct hung_rule {
    int64_t after;   /* task_tracking.restart_hung_after, a minute at least; 0: never */
    int64_t started; /* the process */
    /* When main's loop gave its last sign of life, each HUNG_MAIN_BEATS: it is no thread of a scope. NULL, 0: that is not asked. */
    const _Atomic int64_t *main_beat;
};

enum hung_remedy {
    HUNG_NOTHING, /* nobody hangs, or its kind or the configuration says that it is only reported */
    HUNG_LATER,   /* a new process, if it goes on until `due`, and until the kernel says how it is */
    HUNG_HELD,    /* the kernel holds it */
    HUNG_NOW,     /* a new process */
};

struct hung {
    enum hung_remedy remedy;
    int64_t silent, due;      /* since its last sign of life; the same, from which on a new process is asked for */
    struct birth_info thread; /* with HUNG_NOTHING: nobody's */
};

/* Of one task. state: what the kernel says of it, as in proc(5); '?': it cannot be read. */
struct hung hung_judge(const struct birth_info *task, char state, const struct hung_rule *rule, int64_t now);
/* Of all: one that is held, else the one that is most due. */
struct hung hung_look(const struct hung_rule *rule, struct scope *scratch, int64_t now);
/*
 * What will become of it, as the end of a sentence about it: "; in 3 min, unless it goes on, the service manager restarts the
 * agent". restarter: who would do that, NULL: nobody.
 */
const char *hung_say(const struct hung *h, const char *restarter, char text[HUNG_TEXT]);
