/*
 * agent: the running program: everything below one scope, begun in order, ended in reverse.
 *
 *     config, leakwatch, store, pool, sinks, past, dead letters, spooler, keeper, sinks' threads, the spooler's, collector, the
 *     watch's, web
 *
 * Shutdown: the web, the watch and the collector end at once (no more reading), the sinks get their drain_grace, the spooler writes
 * what is on its way, the keeper commits what they secured, the tree must be empty. shutdown_timeout is only the hard stop.
 * Thread: main's.
 */
#pragma once

#include "core/letters/letters.h"
#include "core/past.h"
#include "core/spool/spooler.h"
#include "in/collector.h"
#include "leak/tell/teller.h"
#include "main/reload.h"
#include "main/restart.h"
#include "main/service.h"
#include "web/web.h"

#define AGENT_PATIENCE (5 * SECOND) /* loop_pause(), for a turn of another loop: a commit to a slow disk, a long batch */

struct agent {
    struct scope scope;
    const char *config_file; /* as given; NULL: the usual places */
    const struct config *config;
    bool dry_run;
    struct loop loop;
    struct fd signals;
    struct watch signal_watch;
    struct store *store; /* NULL in a dry run */
    struct pool pool;
    struct sink sinks[SINKS_MAX];
    struct sink *sink_list[SINKS_MAX];
    unsigned n_sinks;
    struct tap tap;
    struct dispatcher dispatcher;
    struct past *past;
    struct letters *letters; /* NULL in a dry run */
    struct spooler spooler; /* not alive: no sink uses the disk buffer, or it cannot be used */
    struct keeper keeper;
    struct collector collector;
    struct leakwatch leakwatch; /* not alive in a dry run, nor */
    struct teller teller;
    struct web web;
    struct web_context web_context;
    struct timer life; /* main's sign of life to the web */
    int64_t started; /* clock_mono() */
    struct service service;
    struct restart restart;
    struct reload reload;
};

/* Runs until SIGTERM or SIGINT. Returns the process's exit code (commands.h). */
int agent_run(const char *config_file, bool dry_run);

/* What is for batches of it. */
uint64_t agent_pool_limit(uint64_t memory_limit);
