#include "main/agent_sinks.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "core/spool/spool_purge.h"
#include "out/sinks.h"
#include "out/stdout.h"

/* A dry run shows on stdout what would be sent. */
static const struct sink_config dry_sink = {
    .name = "stdout",
    .type = "stdout",
    .enabled = true,
    .queue_size = 4 << 20,
    .stdout_.ends_process = true,
};

int agent_sinks_begin(struct agent *a)
{
    const struct config *c = a->config;
    unsigned n = a->dry_run ? 1 : c->n_sinks;
    for (unsigned i = 0; i < n; i++) {
        const struct sink_config *sc = a->dry_run ? &dry_sink : &c->sinks[i];
        struct sink *s = &a->sinks[i];
        int r = sink_begin(s, &a->scope, i, sc, c, sink_type_find(sc->type), &a->pool);
        if (r < 0)
            return r;
        a->sink_list[a->n_sinks++] = s;
        if (s->type->load && a->store)
            r = s->type->load(s, a->store);
        if (r < 0)
            log_error("agent", "%s: cannot read what it wrote before: %s", s->name, strerror(-r));
    }
    a->dispatcher = (struct dispatcher){
        .sinks = a->sink_list,
        .n_sinks = a->n_sinks,
        .pool = &a->pool,
    };
    return 0;
}

void agent_spooler_begin(struct agent *a)
{
    unsigned wanted = 0;
    int r = 0;
    for (unsigned i = 0; i < a->n_sinks; i++)
        wanted += config_spools(a->config, a->sink_list[i]->config);
    if (!a->store || !wanted)
        return;
    r = spooler_begin(&a->spooler, &a->scope, a->config, &a->pool, a->past, spooler_last_place(a->store));
    for (unsigned i = 0; i < a->n_sinks && r == 0; i++)
        if (config_spools(a->config, a->sink_list[i]->config))
            r = spooler_add(&a->spooler, a->sink_list[i], a->store);
    if (r == 0)
        r = spooler_keep_others(&a->spooler, a->store);
    if (r < 0)
        log_error("spool", "cannot use %s: %s; a sink that lags holds up the others", a->config->spool_dir,
                  strerror(-r));
}

/* ---- while it runs ---- */

static struct sink *free_place(struct agent *a, unsigned *index)
{
    for (unsigned i = 0; i < SINKS_MAX; i++)
        if (!thing_alive(&a->sinks[i].scope.thing)) {
            *index = i;
            return &a->sinks[i];
        }
    return NULL;
}

static void list(struct agent *a, struct sink *s)
{
    a->sink_list[a->n_sinks++] = s;
    a->dispatcher.n_sinks = a->web_context.n_sinks = a->n_sinks;
}

static void unlist(struct agent *a, const struct sink *s)
{
    unsigned i = 0;
    while (a->sink_list[i] != s)
        i++;
    a->n_sinks--;
    memmove(&a->sink_list[i], &a->sink_list[i + 1], (a->n_sinks - i) * sizeof *a->sink_list);
    a->dispatcher.n_sinks = a->web_context.n_sinks = a->n_sinks;
}

static void add_to_spool(struct agent *a, struct sink *s)
{
    int r = 0;
    if (!config_spools(s->root_config, s->config))
        return;
    if (!thing_alive(&a->spooler.scope.thing)) {
        agent_spooler_begin(a);
        a->web_context.spooler = &a->spooler;
        r = thing_alive(&a->spooler.scope.thing) ? spooler_start(&a->spooler) : 0;
    } else {
        r = spooler_add(&a->spooler, s, a->store);
    }
    if (r < 0)
        log_error("spool", "cannot keep anything for %s: %s; it holds up the others when it lags", s->name, strerror(-r));
}

/* What the others know of the sink, each its own; undone by forget(). */
static int introduce(struct agent *a, struct sink *s)
{
    int r = sources_add_sink(s, a->n_sinks);
    if (r < 0)
        return r;
    keeper_add(&a->keeper, s, a->n_sinks);
    r = past_rejoin(a->past, a->store, s);
    if (r == 0)
        r = letters_add(a->letters, s, a->n_sinks, a->past);
    return r;
}

static void forget(struct agent *a, struct sink *s)
{
    if (s->letters)
        letters_remove(a->letters, s, a->n_sinks);
    past_leave(a->past, s);
    keeper_remove(&a->keeper, s, a->n_sinks);
    book_forget(&s->book);
    sources_remove_sink(s, a->n_sinks);
    if (s->type->unload && s->state)
        s->type->unload(s);
    sink_end(s);
}

int agent_add_sink(struct agent *a, const struct sink_config *config, const struct config *root)
{
    unsigned index = 0;
    struct sink *s = free_place(a, &index);
    int r = s ? sink_begin(s, &a->scope, index, config, root, sink_type_find(config->type), &a->pool) : -EMFILE;
    if (r < 0)
        return r;
    if (a->pool.leases <= index)
        a->pool.leases = index + 1;
    list(a, s);
    r = s->type->load ? s->type->load(s, a->store) : 0;
    if (r < 0)
        log_error("agent", "%s: cannot read what it wrote before: %s", s->name, strerror(-r));
    r = introduce(a, s);
    if (r < 0) {
        unlist(a, s);
        forget(a, s);
        return r;
    }
    add_to_spool(a, s);
    collector_add_sink(&a->collector, s);
    return 0;
}

void agent_remove_sink(struct agent *a, struct sink *s)
{
    sink_give_up(s);
    if (s->spooled)
        spooler_give_back(&a->spooler, s);
    if (keeper_flush(&a->keeper) < 0)
        log_error("agent", "%s: its last positions could not be kept: some of it comes again when it is back", s->name);
    if (s->spooled)
        spooler_remove(&a->spooler, s);
    unlist(a, s);
    forget(a, s);
}

/* ---- what waits for one that is gone ---- */

static int purge(struct agent *a, const char *sink, struct amount *purged)
{
    bool known;
    int r = spool_purge_look(a->store, sink, purged, &known);
    if (r == 0 && !known)
        r = -ENOENT;
    if (r == 0)
        r = spool_purge(a->store, sink);
    if (r == 0 && thing_alive(&a->spooler.scope.thing))
        spooler_forget_other(&a->spooler, sink);
    return r;
}

int agent_purge_spool(struct agent *a, const char *sink, struct amount *purged)
{
    bool spools = thing_alive(&a->spooler.scope.thing);
    for (unsigned i = 0; i < a->n_sinks; i++)
        if (strcmp(a->sink_list[i]->name, sink) == 0)
            return -EBUSY;
    int r = loop_pause(&a->keeper.loop, AGENT_PATIENCE);
    if (r < 0)
        return r;
    r = spools ? loop_pause(&a->spooler.loop, AGENT_PATIENCE) : 0;
    if (r == 0) {
        r = purge(a, sink, purged);
        if (spools)
            loop_resume(&a->spooler.loop);
    }
    loop_resume(&a->keeper.loop);
    if (r == 0)
        log_warn("spool", "what waited for %s is thrown away: %llu records", sink, (unsigned long long)purged->records);
    return r;
}
