/*
 * child: another process under a scope, spoken to over its standard input and output.
 *
 * The agent starts none but itself (/proc/self/exe) with a hidden command, for work whose memory should die with it.
 * That works after privileges were dropped, when the file was replaced meanwhile, and under the unit file's
 * system call filter. The child gets no descriptor but the two pipes and standard error, no blocked signal, and is
 * killed with the thread that began it.
 *
 * Ending it kills it if it has not ended, and waits for it: moments. Where the program waits for all its children, or ignores SIGCHLD,
 * so that nobody can tell how this one ended, it is taken to have ended well: what it wrote says whether it is whole. One thread.
 */
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "base/mem.h"

struct child {
    struct thing thing;
    struct fd in, out; /* what it reads, what it writes; non-blocking */
    pid_t pid;
};

/* argv[0] is the program's path; ended by NULL. 0 or -errno, of exec too. */
int child_begin(struct child *c, struct scope *owner, const char *const argv[]);
void child_end(struct child *c); /* nothing when not alive */

/*
 * Writes `ask`, closes, and adds all that it writes to `answer`. 0; -ETIMEDOUT after `patience` ns; -ECANCELED as soon
 * as the descriptor `cancel` can be read (-1: there is none); -EIO when it is known to have ended otherwise than with exit code 0.
 */
int child_exchange(struct child *c, const void *ask, size_t size, struct buf *answer, int64_t patience, int cancel);

/* For the child: it ends with its parent's thread, and by itself after so many seconds. */
void child_bind(unsigned seconds);
