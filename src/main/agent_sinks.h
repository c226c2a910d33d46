/*
 * agent_sinks: the sinks of the agent: those of its start, and those that come and go with its configuration.
 *
 * A sink that goes lets go of its requests first (sink_hold()). What it holds then goes to the disk buffer if it cannot be
 * read again, else it stays with its source; its rows stay in state.db: positions, ledger, its part of the disk buffer, dead
 * letters. When it is back under its name, in this process or another one, it goes on with all of that.
 *
 * A sink's index is that of its struct and of its leases in each batch, and stays; the list of sinks has no holes.
 *
 * Thread: main's. What adds or removes one: while the loops of all other threads are paused.
 */
#pragma once

#include "main/agent.h"

/* Before anything that needs them. 0 or -errno. */
int agent_sinks_begin(struct agent *a);
/* Nothing when no sink uses the disk buffer. Without one, sinks that lag hold up the others, as the log says. */
void agent_spooler_begin(struct agent *a);

/* All but its thread, which sink_start() starts. 0, or -errno and there is none. */
int agent_add_sink(struct agent *a, const struct sink_config *config, const struct config *root);
/* After sink_hold(), sink_join(), and a commit that succeeded. */
void agent_remove_sink(struct agent *a, struct sink *s);

/*
 * From a callback of the web's loop: throws away what waits on disk for a sink that is not configured. 0 and how much that was;
 * -EBUSY: it is configured; -ENOENT: nothing waits for one of this name; -errno.
 */
int agent_purge_spool(struct agent *a, const char *sink, struct amount *purged);
