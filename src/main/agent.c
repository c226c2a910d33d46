#include "main/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/census.h"
#include "base/clock.h"
#include "base/probe.h"
#include "in/containers/containers.h"
#include "in/files/files.h"
#include "leak/explain/lines.h"
#include "main/agent_sinks.h"
#include "main/commands/address.h"
#include "main/commands/commands.h"
#include "main/privilege.h"

/*
 * memory_limit less what is not batches: SQLite's cache and heap (1 MiB), HTTP connections (1 MiB), curl and its
 * upload buffers (4 MiB), stacks and tables (2 MiB). At least half of the limit is for batches.
 */
enum { RESERVED_BYTES = 8 << 20 };

static struct agent agent; /* one a process; large */

static void on_signal(struct watch *w, uint32_t events)
{
    struct signalfd_siginfo info;
    while (fd_read(w->fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            if (agent.dry_run)
                log_warn("agent", "SIGHUP: a dry run keeps the configuration it began with");
            else
                reload_now(&agent.reload);
            continue;
        }
        log_info("agent", "%s: stopping", strsignal((int)info.ssi_signo));
        loop_stop(w->loop);
    }
}

static int begin_signals(struct agent *a)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int r = fd_signal(&a->signals, &a->scope, &set);
    return r < 0 ? r
                 : watch_begin(&a->signal_watch, &a->scope, &a->loop, a->signals.n, EPOLLIN, on_signal);
}

static int open_store(struct agent *a)
{
    int r = 0;
    if (a->dry_run)
        return 0;
    a->store = store_open(&a->scope, a->config->state_dir, &r);
    if (!a->store && r != -EBUSY) /* whose it is was said */
        log_error("store", "cannot use the state directory %s: %s", a->config->state_dir, strerror(-r));
    return a->store ? 0 : r;
}

uint64_t agent_pool_limit(uint64_t memory_limit)
{
    return memory_limit > 2 * RESERVED_BYTES ? memory_limit - RESERVED_BYTES : memory_limit / 2;
}

static int begin_core(struct agent *a)
{
    const struct config *c = a->config;
    int r = a->dry_run ? 0 : teller_begin(&a->teller, &a->scope, c, &a->leakwatch);
    if (r == 0)
        r = open_store(a);
    if (r == 0)
        r = streams_begin(&a->scope);
    if (r == 0)
        r = pool_begin(&a->pool, &a->scope, agent_pool_limit(c->memory_limit));
    if (r == 0)
        r = agent_sinks_begin(a);
    if (r == 0)
        a->pool.leases = a->n_sinks;
    if (r == 0)
        r = sources_begin(&a->scope, a->sink_list, a->n_sinks);
    if (r == 0 && !(a->past = past_load(&a->scope, a->store, a->sink_list, a->n_sinks)))
        r = -ENOMEM;
    if (r == 0)
        r = past_obtain_waiting(a->past);
    if (r == 0 && a->store &&
        !(a->letters = letters_begin(&a->scope, c, a->store, a->past, &a->pool, a->sink_list, a->n_sinks)))
        r = -ENOMEM;
    if (r == 0)
        agent_spooler_begin(a);
    if (r == 0 && a->store) {
        letters_guest(a->letters)->next = teller_guest(&a->teller);
        r = keeper_begin(&a->keeper, &a->scope, a->store, a->sink_list, a->n_sinks, c->commit_interval,
                         letters_guest(a->letters));
    }
    return r;
}

/* For `logcap why`: on the web's thread, from the configuration alone. */
static int why(const char *path, struct buf *out)
{
    return containers_why_pod(agent.config, path, out) ? files_why_file(agent.config, path, out)
                                                       : files_why(agent.config, path, out);
}

static int purge_spool(const char *sink, struct amount *purged)
{
    return agent_purge_spool(&agent, sink, purged);
}

/* For POST and GET /config/reload, on the web's thread. */
static void ask_reload(struct web_reload *result)
{
    reload_ask(&agent.reload, &agent.web.loop, result);
}

static void last_reload(struct web_reload *result)
{
    reload_last(&agent.reload, result);
}

static const struct files_stats *stats_of_files(void)
{
    return collector_files(&agent.collector);
}

/* For the commands that ask this agent. */
static void say_where(struct agent *a)
{
    struct address at = {.port = a->web.server.listeners[0].port, .tls = *a->config->server.cert_file};
    snprintf(at.host, sizeof at.host, "%s", a->config->server.host);
    address_write(&a->scope, a->config->state_dir, &at);
}

static struct containers *containers(void)
{
    return collector_containers(&agent.collector);
}

/* ---- what is expected of kinds of tasks: any thread, while the agent runs ---- */

static void count_files(struct source *s, void *arg)
{
    *(uint64_t *)arg += s->kind == SOURCE_FILE || s->kind == SOURCE_CONTAINER; /* whose log may be a file */
}

static uint64_t readers_expected(void *arg)
{
    uint64_t files = 0;
    sources_walk(count_files, &files);
    return files;
}

static uint64_t streams_expected(void *arg)
{
    struct agent *a = arg;
    struct containers *m = collector_containers(&a->collector);
    return m ? containers_stats(m)->streams : 0;
}

static uint64_t sends_expected(void *arg)
{
    const struct agent *a = arg;
    uint64_t workers = 0;
    for (unsigned i = 0; i < a->n_sinks; i++)
        if (strcmp(a->sink_list[i]->config->type, "loki") == 0)
            workers += a->sink_list[i]->config->loki.workers;
    return workers;
}

static uint64_t clients_expected(void *arg)
{
    const struct agent *a = arg;
    return a->web.server.config.max_connections;
}

static uint64_t followers_expected(void *arg)
{
    const struct agent *a = arg;
    return a->config->server.max_feeds;
}

/* What an engine is asked for each container is over within moments; for all else a few at once. */
static uint64_t asks_expected(void *arg)
{
    return readers_expected(arg) + 16;
}

static uint64_t posts_expected(void *arg)
{
    return 2; /* one a webhook */
}

/* The sinks'; collector, spool, store, watch, web; and who explains. */
static uint64_t threads_expected(void *arg)
{
    const struct agent *a = arg;
    return a->n_sinks + 5 + EXPLAINERS_MAX;
}

static int begin_leakwatch(struct agent *a)
{
    struct leakwatch *w = &a->leakwatch;
    leakwatch_expect(w, "file_reader", readers_expected, a, true);
    leakwatch_expect(w, "container_stream", streams_expected, a, true);
    leakwatch_expect(w, "loki_send", sends_expected, a, true);
    leakwatch_expect(w, "http_client", clients_expected, a, true);
    leakwatch_expect(w, "http_follower", followers_expected, a, true);
    leakwatch_expect(w, "container_ask", asks_expected, a, true);
    leakwatch_expect(w, "container_events", asks_expected, a, true);
    leakwatch_expect(w, "container_inspect", asks_expected, a, true);
    leakwatch_expect(w, "webhook_post", posts_expected, a, true);
    leakwatch_expect(w, "thread", threads_expected, a, false);
    w->restarter = service_restarter();
    strays_except(&w->strays, ".journal"); /* libsystemd keeps the journal's files open and their numbers to itself */
    int r = teller_start(&a->teller, &a->dispatcher, a->past);
    return r < 0 ? r : leakwatch_start(w);
}

static int begin_web(struct agent *a)
{
    char error[256] = "";
    a->web_context = (struct web_context){
        .config = a->config,
        .dispatcher = &a->dispatcher,
        .tap = &a->tap,
        .pool = &a->pool,
        .past = a->past,
        .keeper = &a->keeper,
        .letters = a->letters,
        .leaks = &a->leakwatch,
        .teller = &a->teller,
        .spooler = thing_alive(&a->spooler.scope.thing) ? &a->spooler : NULL,
        .sinks = a->sink_list,
        .n_sinks = a->n_sinks,
        .started = a->started,
        .databases_set_aside = store_set_aside(a->store),
        .print_config = config_print_json,
        .why = why,
        .files = stats_of_files,
        .containers = containers,
        .reload = ask_reload,
        .last_reload = last_reload,
        .purge_spool = a->store ? purge_spool : NULL,
    };
    int r = web_begin(&a->web, &a->scope, &a->web_context, error, sizeof error);
    if (r < 0)
        log_error("web", "%s", error);
    else
        say_where(a);
    return r;
}

static void live_on(struct timer *t)
{
    atomic_store(&agent.web_context.main_beat, clock_mono());
    timer_set(t, HUNG_MAIN_BEATS);
}

static bool is_over(void *restart)
{
    return restart_is_due(restart);
}

static int begin_moving(struct agent *a)
{
    int r = 0;
    for (unsigned i = 0; i < a->n_sinks && r == 0; i++)
        r = sink_start(a->sink_list[i]);
    if (r == 0 && thing_alive(&a->spooler.scope.thing))
        r = spooler_start(&a->spooler);
    if (r == 0)
        r = collector_begin(&a->collector, &a->scope, a->config, &a->dispatcher, a->past);
    if (r == 0 && !a->dry_run)
        r = begin_leakwatch(a);
    if (r == 0)
        r = reload_begin(&a->reload, a, a->config_file);
    if (r == 0 && !a->dry_run)
        r = begin_web(a);
    if (r == 0)
        r = timer_begin(&a->life, &a->scope, &a->loop, "life", live_on);
    if (r == 0)
        live_on(&a->life);
    if (r == 0)
        r = service_begin(&a->service, &a->scope, &a->loop);
    a->restart = (struct restart){.config = &a->config, .started = a->started};
    service_withhold(&a->service, is_over, &a->restart);
    return r;
}

static void hard_stop(int sig)
{
    static const char message[] = "logcap: shutdown_timeout is over, leaving at once\n";
    (void)sig;
    (void)!write(STDERR_FILENO, message, sizeof message - 1);
    _exit(EXIT_FAILED);
}

static void arm_hard_stop(const struct agent *a)
{
    int64_t us = a->config->shutdown_timeout / MICROSECOND;
    struct itimerval timer = {.it_value = {us / 1000000, us % 1000000}};
    signal(SIGALRM, hard_stop);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* What a sink had taken and gave back undelivered, and what of it nobody can read again. */
static void say_what_is_left(struct sink *s, uint64_t taken_before)
{
    struct counts end;
    book_totals(&s->book, &end);
    uint64_t lost = end.dropped[DROP_SHUTDOWN].records;
    if (taken_before > end.taken.records) {
        uint64_t n = taken_before - end.taken.records;
        log_info("agent", "%s: %" PRIu64 " record%s not delivered yet: read again at the next start", s->name, n,
                 n == 1 ? " is" : "s are");
    }
    if (end.spooled.records)
        log_info("agent", "%s: %" PRIu64 " record%s in the disk buffer", s->name, end.spooled.records,
                 end.spooled.records == 1 ? " waits" : "s wait");
    if (lost)
        log_warn("agent", "%s: %" PRIu64 " record%s that nobody can tell again not delivered in drain_grace: dropped and counted", s->name, lost,
                 lost == 1 ? "" : "s");
}

static void agent_end(struct agent *a)
{
    uint64_t taken[SINKS_MAX];
    int64_t now = clock_mono();
    arm_hard_stop(a);
    service_stopping();
    service_end(&a->service);
    timer_end(&a->life);
    reload_end(&a->reload);
    if (thing_alive(&a->web.scope.thing))
        address_remove(a->reload.first->state_dir);
    web_end(&a->web);
    leakwatch_stop(&a->leakwatch);
    teller_stop(&a->teller);
    collector_end(&a->collector);
    for (unsigned i = 0; i < a->n_sinks; i++) {
        struct counts counts;
        book_totals(&a->sink_list[i]->book, &counts);
        taken[i] = counts.taken.records;
    }
    if (thing_alive(&a->spooler.scope.thing))
        spooler_quiesce(&a->spooler);
    for (unsigned i = 0; i < a->n_sinks; i++)
        sink_stop(a->sink_list[i], now + a->sink_list[i]->config->drain_grace);
    for (unsigned i = 0; i < a->n_sinks; i++)
        sink_join(a->sink_list[i]);
    spooler_settle(&a->spooler);
    for (unsigned i = 0; i < a->n_sinks && !a->dry_run; i++)
        say_what_is_left(a->sink_list[i], taken[i]);
    keeper_end(&a->keeper);
    letters_end(a->letters);
    spooler_end(&a->spooler);
    for (unsigned i = a->n_sinks; i-- > 0;)
        sink_end(a->sink_list[i]);
    sources_end();
    pool_end(&a->pool);
    streams_end();
    store_close(a->store);
    teller_end(&a->teller);
    leakwatch_end(&a->leakwatch);
    log_info("agent", "stopped");
}

static int run(struct agent *a)
{
    int r = begin_signals(a);
    if (r == 0)
        r = begin_core(a);
    if (r == 0)
        r = begin_moving(a);
    if (r == 0) {
        log_info("agent", "logcap %s is running: %u sink%s, memory limit %llu MiB", LOGCAP_VERSION,
                 a->n_sinks, a->n_sinks == 1 ? "" : "s", (unsigned long long)(a->config->memory_limit >> 20));
        atomic_store(&a->web_context.ready, true);
        service_ready("reading");
        r = loop_run(&a->loop);
    }
    return r;
}

int agent_run(const char *config_file, bool dry_run)
{
    struct agent *a = &agent;
    struct buf errors;
    int code = EXIT_FAILED, r = scope_begin(&a->scope, &scope_root, "agent");

    a->dry_run = dry_run;
    a->config_file = config_file;
    tap_begin(&a->tap);
    a->started = clock_mono();
    if (r == 0)
        r = buf_begin(&errors, &a->scope, "configuration errors", 64 << 10);
    if (r == 0)
        r = loop_begin(&a->loop, &a->scope, "main loop");
    if (r == 0 && !(a->config = config_load(&a->scope, config_file, &errors))) {
        fputs(errors.data ? errors.data : "logcap: cannot read the configuration\n", stderr);
        code = EXIT_USAGE;
    } else if (r == 0) {
        log_setup(a->config->log.level, a->config->log.json);
        task_set_limit(a->config->max_tasks);
        lines_set_resolver(lines_itself);
        probe_prepare();
        r = privilege_drop();
        if (r < 0)
            log_warn("agent", "cannot drop privileges: %s; it runs with more than it needs", strerror(-r));
        r = run(a);
        if (r < 0 && !(r == -EBUSY && !a->store))
            log_error("agent", "cannot go on: %s", strerror(-r));
        agent_end(a);
        code = r < 0 ? EXIT_FAILED : EXIT_DONE;
    }
    scope_end(&a->scope);
    tap_end(&a->tap);
    return code;
}
