/*
 * privilege: keeps of root what the agent needs, which is to read what only root may: CAP_DAC_READ_SEARCH.
 *
 * Everything else goes: the other capabilities, also out of the bounding set, and the way to new ones
 * (no_new_privs). An agent started as root stays user 0, so it can still write where root is the owner,
 * but no longer over others' permissions: a directory for output that belongs to somebody else must let
 * root in by its mode. Started as a user, it keeps CAP_DAC_READ_SEARCH if it was given it
 * (AmbientCapabilities=) and is otherwise left as it is.
 *
 * While it may read more than its user may, its memory holds what that user must not see: it is then made
 * undumpable (no core, no ptrace by the same user; /proc/PID belongs to root).
 *
 * Thread: capabilities belong to a thread and are inherited by the threads it starts: call it on main,
 * before the first thread, after ports below 1024 are bound.
 */
#pragma once

#include <stdbool.h>

/* 0, or -errno: then the agent has more than it needs and the caller says so and goes on. */
int privilege_drop(void);

/* Whether every file can be read, for /health and `logcap why`. */
bool privilege_reads_all(void);
