/* What the store has of a sink that comes while the agent runs. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "core/ledger_rows.h"
#include "core/past.h"
#include "core/sink.h"
#include "store/store_intents.h"

enum { LIST_MAX = 64 << 20 }; /* never met */

struct rejoining {
    struct past *past;
    struct sink *sink;
    int slot;           /* of past.sinks, which it has had; -1: none */
    struct buf waiting; /* keys of sources that nobody has, each with its NUL, of which something waits */
    struct buf held;    /* those sources, by then: references */
    bool failed;
};

static bool is_ours(const struct rejoining *r, const char *sink)
{
    return strcmp(sink, r->sink->name) == 0;
}

static struct past_at *past_at_of(const struct rejoining *r, const char *key)
{
    struct past_source *p = r->slot < 0 ? NULL : past_find(r->past, key);
    return p ? &p->at[r->slot] : NULL;
}

static bool note_waiting(const struct store_ledger *row, void *arg)
{
    struct rejoining *r = arg;
    struct counts counts = {0};
    if (!is_ours(r, row->sink))
        return true;
    counts_from_row(&counts, row->counters);
    struct source *s = source_find(row->source_key);
    if (!s && counts_wait(&counts))
        r->failed |= buf_add(&r->waiting, row->source_key, strlen(row->source_key) + 1) < 0;
    source_unref(s);
    return !r->failed;
}

static bool waits(const struct rejoining *r, const char *key)
{
    for (const char *at = r->waiting.data, *end = at + r->waiting.len; at < end; at += strlen(at) + 1)
        if (strcmp(at, key) == 0)
            return true;
    return false;
}

static bool obtain(const struct store_source *row, void *arg)
{
    struct rejoining *r = arg;
    int kind = waits(r, row->key) ? source_kind_of(row->key) : -1;
    if (kind < 0)
        return true;
    struct source *s = source_obtain((enum source_kind)kind, row->key, row->name);
    r->failed |= !s || buf_add(&r->held, &s, sizeof s) < 0;
    if (!s)
        return false;
    if (r->failed) {
        source_unref(s);
        return false;
    }
    struct past_source *known = past_find(r->past, row->key);
    atomic_store(&s->state, SOURCE_GONE);
    if (known)
        past_resume(r->past, known, s);
    return true;
}

static bool place(const struct store_position *row, void *arg)
{
    struct rejoining *r = arg;
    if (!is_ours(r, row->sink))
        return true;
    const struct position position = {.offset = row->offset, .tail_hash = row->tail_hash};
    struct past_at *at = past_at_of(r, row->source_key);
    if (at && !row->cursor) {
        at->known = true;
        at->position = position;
    }
    struct source *s = source_find(row->source_key);
    /* Elsewhere its place may be counted from somewhere else by now. */
    if (s && s->kind == SOURCE_FILE)
        account_place(source_account(s, r->sink), &position);
    source_unref(s);
    return true;
}

static bool resume(const struct store_ledger *row, void *arg)
{
    struct rejoining *r = arg;
    struct counts counts = {0};
    if (!is_ours(r, row->sink))
        return true;
    counts_from_row(&counts, row->counters);
    struct past_at *at = past_at_of(r, row->source_key);
    if (at)
        at->counts = counts;
    struct source *s = source_find(row->source_key);
    struct account *a = s ? source_account(s, r->sink) : NULL;
    if (a) {
        account_resume(a, &counts);
        a->left = at ? &at->counts : NULL;
    }
    source_unref(s);
    return true;
}

/* They are not used, but go when the position passes them. */
static bool note_intent(const struct store_intent *row, void *arg)
{
    struct rejoining *r = arg;
    if (!is_ours(r, row->sink))
        return true;
    struct source *s = source_find(row->source_key);
    struct account *a = s ? source_account(s, r->sink) : NULL;
    if (a && a->intended < row->to)
        a->intended = row->to;
    source_unref(s);
    return true;
}

static int read_rows(struct rejoining *r, struct store *store)
{
    int e = store_each_ledger(store, note_waiting, r);
    if (e == 0 && r->waiting.len)
        e = store_each_source(store, obtain, r);
    if (e == 0 && r->failed)
        e = -ENOMEM;
    if (e == 0)
        e = store_each_position(store, NULL, place, r);
    if (e == 0)
        e = store_each_ledger(store, resume, r);
    if (e == 0)
        e = store_each_intent(store, note_intent, r);
    return e;
}

static int slot_of(const struct past *p, const char *sink)
{
    for (unsigned i = 0; i < p->n_sinks; i++)
        if (strcmp(p->sink_names[i], sink) == 0)
            return (int)i;
    return -1;
}

int past_rejoin(struct past *p, struct store *store, struct sink *sink)
{
    struct rejoining r = {.past = p, .sink = sink, .slot = slot_of(p, sink->name)};
    int e = buf_begin(&r.waiting, &sink->scope, "sources that wait", LIST_MAX);
    if (e == 0)
        e = buf_begin(&r.held, &sink->scope, "sources that wait", LIST_MAX);
    if (e == 0)
        e = read_rows(&r, store);
    struct source *const *held = (const void *)r.held.data;
    for (size_t i = 0; i < r.held.len / sizeof *held; i++)
        source_unref(held[i]);
    buf_end(&r.held);
    buf_end(&r.waiting);
    if (e == 0 && r.slot >= 0)
        p->sinks[r.slot] = sink;
    return e;
}

void past_leave(struct past *p, const struct sink *sink)
{
    for (unsigned i = 0; i < p->n_sinks; i++)
        if (p->sinks[i] == sink)
            p->sinks[i] = NULL;
}
