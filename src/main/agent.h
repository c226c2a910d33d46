/*
 * agent: the running program: everything below one scope, begun in order, ended in reverse.
 *
 *     config, store, pool, sinks, past, keeper, sinks' threads, collector, web
 *
 * Shutdown: the web and the collector end at once (no more reading), the sinks get their drain_grace, the keeper
 * commits what they secured, the tree must be empty. shutdown_timeout is only the hard stop.
 * Thread: main's.
 */
#pragma once

#include <stdbool.h>

struct scope;

/* Runs until SIGTERM or SIGINT. Returns the process's exit code (commands.h). */
int agent_run(const char *config_file, bool dry_run);
