#include "main/reload.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <xxhash.h>

#include "base/clock.h"
#include "config/compare.h"
#include "config/keep.h"
#include "main/agent_sinks.h"

enum {
    CHANGES = IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR,
    SETTLED_MS = 500, /* editors write a file in several steps */
};
#define GRACE_MOST (5 * SECOND) /* instead of drain_grace: nothing is lost by returning a lease, and main's watchdog waits */
#define START_AGAIN (1 * SECOND)

/* ---- configurations that are followed ---- */

static bool is_followed(const struct reload *r, const struct config *c)
{
    const struct agent *a = r->agent;
    bool followed = c == a->config || c == r->first || c == a->collector.files_config || c == a->collector.journal_config ||
                    c == a->collector.containers_config;
    for (unsigned i = 0; i < a->n_sinks; i++)
        followed |= a->sink_list[i]->root_config == c;
    return followed;
}

static void free_what_nobody_follows(struct reload *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->n_alive; i++)
        if (is_followed(r, r->alive[i]))
            r->alive[n++] = r->alive[i];
        else
            config_free((struct config *)r->alive[i]);
    r->n_alive = n;
}

/* ---- holding the others ---- */

enum { LOOPS_MAX = 5 + SINKS_MAX };

/* If sinks come or go those of the other sinks too: whoever looks at an account or a list of sinks. */
static struct loop *const *others(struct agent *a, bool sinks, unsigned *n)
{
    static struct loop *loops[LOOPS_MAX];
    *n = 0;
    for (unsigned i = 0; sinks && i < a->n_sinks; i++)
        if (!atomic_load(&a->sink_list[i]->holding))
            loops[(*n)++] = &a->sink_list[i]->loop;
    loops[(*n)++] = &a->collector.loop;
    if (thing_alive(&a->spooler.scope.thing))
        loops[(*n)++] = &a->spooler.loop;
    loops[(*n)++] = &a->keeper.loop;
    if (thing_alive(&a->leakwatch.thread.task.thing))
        loops[(*n)++] = &a->leakwatch.loop;
    loops[(*n)++] = &a->web.loop; /* the last: held the longest, as it looks into sinks */
    return loops;
}

static void resume(struct loop *const *loops, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        loop_resume(loops[i]);
}

static int hold(struct loop *const *loops, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int r = loop_pause(loops[i], AGENT_PATIENCE);
        if (r < 0) {
            resume(loops, i);
            return r;
        }
    }
    return 0;
}

/* ---- sinks ---- */

/* What the sink is to follow. NULL: it goes; one of another kind under its name comes in its place. */
static const struct sink_config *wanted(const struct sink *s, const struct config *next)
{
    const struct sink_config *c = config_sink(next, s->name);
    return c && strcmp(c->type, s->config->type) == 0 && c->disk_buffer == s->config->disk_buffer ? c : NULL;
}

static struct sink *running(const struct agent *a, const char *name)
{
    for (unsigned i = 0; i < a->n_sinks; i++)
        if (strcmp(a->sink_list[i]->name, name) == 0)
            return a->sink_list[i];
    return NULL;
}

static bool sinks_come_or_go(const struct agent *a, const struct config *next)
{
    bool different = false;
    for (unsigned i = 0; i < a->n_sinks; i++)
        different |= !wanted(a->sink_list[i], next);
    for (unsigned i = 0; i < next->n_sinks; i++)
        different |= !running(a, next->sinks[i].name);
    return different;
}

static int64_t grace_of(const struct sink *s)
{
    int64_t grace = s->config->drain_grace;
    return grace < GRACE_MOST ? grace : GRACE_MOST;
}

static unsigned hold_changed_sinks(struct agent *a, const struct config *next, struct sink *changed[SINKS_MAX])
{
    unsigned n = 0;
    int64_t now = clock_mono();
    for (unsigned i = 0; i < a->n_sinks; i++) {
        struct sink *s = a->sink_list[i];
        const struct sink_config *c = wanted(s, next);
        if (!c || !config_same_sink(s->config, c))
            changed[n++] = s;
    }
    for (unsigned i = 0; i < n; i++)
        sink_hold(changed[i], now + grace_of(changed[i]));
    for (unsigned i = 0; i < n; i++)
        sink_join(changed[i]);
    return n;
}

/* One whose rows could not be stored must not read them again, and not be forgotten: it goes on as it was. */
static void change_sink(struct reload *r, struct sink *s, const struct config *next, bool stored)
{
    const struct sink_config *c = wanted(s, next);
    if (!stored && (!c || s->type->load)) {
        buf_printf(&r->report, "; sinks.%s stays as it was: its state cannot be stored now, reload again", s->name);
        sink_go_on(s);
        return;
    }
    if (!c) {
        agent_remove_sink(r->agent, s);
        return;
    }
    int e = sink_change(s, c, next, r->agent->store);
    if (e < 0)
        log_error("reload", "%s: cannot read what it wrote before: %s", s->name, strerror(-e));
}

static void add_sinks(struct reload *r, const struct config *next)
{
    for (unsigned i = 0; i < next->n_sinks; i++) {
        const struct sink_config *c = &next->sinks[i];
        int e = running(r->agent, c->name) ? 0 : agent_add_sink(r->agent, c, next);
        if (e < 0)
            buf_printf(&r->report, "; sinks.%s is not there: %s, reload again", c->name, strerror(-e));
    }
}

/* false: some cannot be started now. */
static bool start_sinks(struct agent *a, bool say)
{
    bool all = true;
    for (unsigned i = 0; i < a->n_sinks; i++) {
        struct sink *s = a->sink_list[i];
        if (thing_alive(&s->thread.scope.thing))
            continue;
        atomic_store(&s->stats.failing, false);
        int e = sink_start(s);
        if (e == 0)
            continue;
        all = false;
        atomic_store(&s->stats.failing, true);
        sink_set_error(s, "its thread cannot be started: %s", strerror(-e));
        if (say)
            log_error("reload", "%s: its thread cannot be started: %s; it is tried again", s->name, strerror(-e));
    }
    return all;
}

static void start_again(struct timer *t)
{
    if (!start_sinks(container_of(t, struct reload, start_again)->agent, false))
        timer_set(t, START_AGAIN);
}

/* ---- what is the same for all ---- */

static void change_agent(struct agent *a, const struct config *next)
{
    log_setup(next->log.level, next->log.json);
    task_set_limit(next->max_tasks);
    atomic_store(&a->pool.limit, agent_pool_limit(next->memory_limit));
    a->keeper.interval = next->commit_interval;
    if (a->letters)
        letters_change(a->letters, next);
    spooler_follow(&a->spooler, next);
    teller_follow(&a->teller, next);
    a->config = next;
    a->web_context.config = next;
    web_reload(&a->web);
}

static int apply(struct reload *r, const struct config *next)
{
    struct agent *a = r->agent;
    struct sink *changed[SINKS_MAX];
    bool sinks = sinks_come_or_go(a, next);
    unsigned n_loops;
    int e = loop_pause(&a->web.loop, AGENT_PATIENCE);
    if (e < 0)
        return e;
    unsigned n = hold_changed_sinks(a, next, changed);
    struct loop *const *loops = others(a, sinks, &n_loops);
    e = hold(loops, n_loops - 1);
    bool held = e == 0;
    if (held)
        e = collector_reload(&a->collector, next); /* first: all else goes on without what cannot be */
    bool stored = held && e == 0 && ((n == 0 && !sinks) || keeper_flush(&a->keeper) == 0);
    for (unsigned i = 0; i < n; i++)
        if (e == 0)
            change_sink(r, changed[i], next, stored);
        else
            sink_go_on(changed[i]);
    if (e == 0) {
        add_sinks(r, next);
        change_agent(a, next);
    }
    if (held)
        resume(loops, n_loops - 1);
    if (!start_sinks(a, true))
        timer_set(&r->start_again, START_AGAIN);
    loop_resume(&a->web.loop);
    return e;
}

/* ---- the files ---- */

static uint64_t add_stat(uint64_t hash, const char *path)
{
    struct stat st;
    uint64_t facts[7] = {hash, XXH3_64bits(path, strlen(path))};
    if (file_stat(path, &st) == 0) {
        const uint64_t more[] = {st.st_dev, st.st_ino, (uint64_t)st.st_size,
                                 (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec};
        memcpy(facts + 2, more, sizeof more);
    }
    return XXH3_64bits(facts, sizeof facts);
}

/* Changes when the file does, or one in config.d; in any order of its entries. */
static uint64_t files_now(struct reload *r)
{
    char path[PATH_MAX], part[PATH_MAX + NAME_MAX + 2];
    struct dir d = {0};
    uint64_t hash = add_stat(0, r->first->file), parts = 0;
    snprintf(part, sizeof part, "%s", r->first->file);
    snprintf(path, sizeof path, "%.*s/config.d", PATH_MAX - 16, dirname(part));
    if (dir_open(&d, &r->scope, path) < 0)
        return hash;
    for (const struct dirent *e; (e = dir_next(&d));) {
        snprintf(part, sizeof part, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            parts += add_stat(1, part);
    }
    dir_close(&d);
    return hash ^ parts;
}

/* ---- a reload ---- */

static void finish(struct reload *r, uint64_t asked, int64_t began, bool good)
{
    pthread_mutex_lock(&r->lock);
    struct web_reload *l = &r->last;
    l->reloads += good;
    l->failures += !good;
    l->at = clock_real();
    l->took = clock_mono() - began;
    l->good = good;
    snprintf(l->text, sizeof l->text, "%s", r->report.len ? r->report.data : "");
    r->done = asked;
    pthread_cond_broadcast(&r->answered);
    pthread_mutex_unlock(&r->lock);
}

/* false: nothing differs. */
static bool say_differences(struct reload *r, const struct config *next)
{
    struct buf *report = &r->report;
    config_differences(r->agent->config, next, report);
    size_t applied = report->len;
    buf_puts(report, applied ? "; needs a restart: " : "nothing; needs a restart: ");
    size_t head = report->len;
    config_restart_keys(r->agent->config, next, report);
    if (report->len > head) {
        buf_puts(report, " (the old value stays until then)");
    } else if (report->data) {
        report->len = applied;
        report->data[applied] = 0;
    }
    return report->len > 0 || report->failed;
}

static bool put_in_force(struct reload *r)
{
    struct agent *a = r->agent;
    if (r->n_alive == CONFIGS_MAX)
        free_what_nobody_follows(r);
    const struct config *next = config_load(&a->scope, r->path, &r->report);
    if (!next)
        return false;
    if (!say_differences(r, next) && !sinks_come_or_go(a, next)) {
        buf_puts(&r->report, "nothing differs");
        log_info("reload", "the configuration was read again: nothing differs");
        config_free((struct config *)next);
        return true;
    }
    if (config_keep((struct config *)next, a->config) < 0) {
        config_free((struct config *)next);
        return false;
    }
    r->alive[r->n_alive++] = next;
    int e = apply(r, next);
    if (e < 0)
        buf_printf(&r->report, "; not in force: %s", e == -ETIMEDOUT ? "a thread is busy, reload again" : strerror(-e));
    else
        log_info("reload", "the configuration was read again; applied: %s", r->report.data);
    free_what_nobody_follows(r);
    return e == 0;
}

/* An error a line. */
static void say_refused(const struct reload *r)
{
    log_error("reload", "the configuration stays as it was%s", r->report.len ? ":" : ": out of memory");
    for (const char *at = r->report.len ? r->report.data : ""; *at;) {
        int n = (int)strcspn(at, "\n");
        log_error("reload", "%.*s", n, at);
        at += n + (at[n] == '\n');
    }
}

void reload_now(struct reload *r)
{
    int64_t began = clock_mono();
    pthread_mutex_lock(&r->lock);
    uint64_t asked = r->asked;
    pthread_mutex_unlock(&r->lock);
    buf_clear(&r->report);
    r->seen = files_now(r);
    service_reloading();
    bool good = put_in_force(r);
    if (!good)
        say_refused(r);
    finish(r, asked, began, good);
    service_ready(good ? "reading" : "reading; the last reload failed");
}

/* ---- who asks ---- */

static void asked_for(struct nudge *n)
{
    reload_now(container_of(n, struct reload, asked_for));
}

static void settled(struct timer *t)
{
    struct reload *r = container_of(t, struct reload, settled);
    if (files_now(r) != r->seen) /* else something beside them changed */
        reload_now(r);
}

/* The directories, not the file: editors and configuration management put another file in its place. */
static void watch_directories(struct reload *r)
{
    char path[PATH_MAX], parts[PATH_MAX];
    snprintf(path, sizeof path, "%s", r->first->file);
    const char *directory = dirname(path);
    (void)fd_inotify_add(r->inotify.n, directory, CHANGES);
    if ((size_t)snprintf(parts, sizeof parts, "%s/config.d", directory) < sizeof parts)
        (void)fd_inotify_add(r->inotify.n, parts, CHANGES);
}

static void changed(struct watch *w, uint32_t events)
{
    struct reload *r = container_of(w, struct reload, changes);
    char buffer[4096];
    while (fd_read(w->fd, buffer, sizeof buffer) > 0)
        ;
    watch_directories(r); /* config.d may be new */
    if (r->agent->config->hot_reload && !r->agent->dry_run)
        timer_set(&r->settled, SETTLED_MS * MILLISECOND);
}

void reload_ask(struct reload *r, struct loop *loop, struct web_reload *result)
{
    loop_wait_begin(loop);
    pthread_mutex_lock(&r->lock);
    uint64_t ticket = ++r->asked;
    if (!r->over)
        nudge_set(&r->asked_for);
    while (r->done < ticket && !r->over)
        pthread_cond_wait(&r->answered, &r->lock);
    *result = r->last;
    if (r->done < ticket) {
        result->good = false;
        snprintf(result->text, sizeof result->text, "the agent is stopping");
    }
    pthread_mutex_unlock(&r->lock);
    loop_wait_end(loop);
}

void reload_last(struct reload *r, struct web_reload *result)
{
    pthread_mutex_lock(&r->lock);
    *result = r->last;
    pthread_mutex_unlock(&r->lock);
}

/* ---- life ---- */

static int begin_changes(struct reload *r)
{
    if (!r->agent->config->file[0])
        return 0;
    r->seen = files_now(r);
    int e = fd_inotify(&r->inotify, &r->scope);
    if (e == 0)
        e = watch_begin(&r->changes, &r->scope, &r->agent->loop, r->inotify.n, EPOLLIN, changed);
    if (e == 0)
        watch_directories(r);
    else
        log_warn("reload", "changes of the configuration are not seen: %s; SIGHUP works", strerror(-e));
    return 0;
}

int reload_begin(struct reload *r, struct agent *agent, const char *path)
{
    *r = (struct reload){.agent = agent, .path = path, .first = agent->config};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->answered, NULL);
    int e = scope_begin(&r->scope, &agent->scope, "reload");
    if (e == 0)
        e = buf_begin(&r->report, &r->scope, "report", 64 << 10);
    if (e == 0)
        e = nudge_begin(&r->asked_for, &r->scope, &agent->loop, "reload", asked_for);
    if (e == 0)
        e = timer_begin(&r->settled, &r->scope, &agent->loop, "reload", settled);
    if (e == 0)
        e = timer_begin(&r->start_again, &r->scope, &agent->loop, "start sinks", start_again);
    return e < 0 ? e : begin_changes(r);
}

void reload_end(struct reload *r)
{
    pthread_mutex_lock(&r->lock);
    r->over = true;
    pthread_cond_broadcast(&r->answered);
    pthread_mutex_unlock(&r->lock);
}
