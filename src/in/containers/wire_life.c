/* A wire's life: where earlier processes were with its container, and what becomes of what it holds at its end. */
#include <errno.h>
#include <stdio.h>

#include "in/containers/wire_internal.h"

static bool is_old(const struct wire *w)
{
    const struct containers *m = monitor_of(w->container);
    return m->first_start && w->container->created && w->container->created < m->began;
}

/* Whether from c on each record will be the one it was: then a sink that is ahead can go by its number. */
static bool splits_as_before(const struct wire *w, const struct cursor *c)
{
    if (c->max_line != monitor_of(w->container)->config->files.max_line_bytes)
        return false;
    EACH_ACCOUNT(a, w->source) {
        struct position position;
        struct counts counts;
        struct cursor ahead;
        char text[POSITION_CURSOR];
        account_read(a, &position, text, &counts);
        if (cursor_read(&ahead, text) && ahead.cuts != c->cuts)
            return false;
    }
    return true;
}

/* Where earlier processes were, for the sink that is furthest behind. */
static void place(struct wire *w)
{
    struct containers *m = monitor_of(w->container);
    struct past_source *before = m->past ? past_find(m->past, w->source->key) : NULL;
    if (before)
        past_claim(m->past, before, w->source);
    struct position lowest = source_lowest(w->source);
    w->next = lowest.offset;
    bool known = lowest.cursor && cursor_read(&w->cursor, lowest.cursor);
    if (known && !splits_as_before(w, &w->cursor)) { /* those that are ahead get some twice, rather than not at all */
        EACH_ACCOUNT(a, w->source)
            account_place(a, &(struct position){.offset = w->next, .cursor = lowest.cursor});
    } else if (!known && m->options->start_at == START_END && is_old(w)) {
        struct engine *e = w->container->engine;
        int64_t now = e->facts.now ? e->facts.now : clock_real();
        char text[CURSOR_TEXT];
        w->cursor = (struct cursor){.at = {{.time = now, .n = 1}, {.time = now, .n = 1}}, .max_line = m->config->files.max_line_bytes};
        cursor_write(&w->cursor, text);
        EACH_ACCOUNT(a, w->source)
            account_place(a, &(struct position){.offset = w->next, .cursor = text});
    }
    w->ever = known;
    source_set_identity(w->source, "container");
}

int wire_begin(struct wire *w, struct container *c)
{
    char key[FACTS_ID + 16];
    if (thing_alive(&w->scope.thing))
        return 0;
    *w = (struct wire){.container = c};
    int r = scope_begin(&w->scope, &c->scope, "wire");
    if (r == 0)
        r = timer_begin(&w->again, &w->scope, monitor_of(c)->loop, "stream again", wire_time_came);
    snprintf(key, sizeof key, "container:%s", c->id);
    if (r == 0 && !(w->source = source_obtain(SOURCE_CONTAINER, key, *c->name ? c->name : c->id)))
        r = -errno;
    if (r < 0) {
        scope_end(&w->scope);
        return r;
    }
    w->source->matched = "monitors.containers";
    place(w);
    return 0;
}

void wire_set_away(struct wire *w, bool is_away)
{
    if (thing_alive(&w->scope.thing))
        atomic_store(&w->source->is_away, is_away);
}

bool wire_is_over(const struct wire *w)
{
    return !thing_alive(&w->scope.thing) || (w->state == WIRE_IDLE && !w->ended) || w->state == WIRE_REFUSED;
}

void wire_end(struct wire *w)
{
    if (!thing_alive(&w->scope.thing))
        return;
    wire_pause(w);
    if (atomic_load(&w->source->is_away) && thing_alive(&w->memory.thing) && !wire_give_rest(w))
        wire_count_rest(w);
    wire_close(w);
    wire_relabel(w);
    source_unref(w->source);
    w->source = NULL;
    scope_end(&w->scope);
}
