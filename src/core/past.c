#include "core/past.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "core/ledger_rows.h"
#include "core/sink.h"

struct loading {
    struct past *past;
    struct scope *scope;
    struct sink *const *sinks;
    unsigned n_sinks;
    bool failed;
};

static size_t slot_of(const struct past *p, const char *key)
{
    return XXH3_64bits(key, strlen(key)) & p->mask;
}

struct past_source *past_find(const struct past *p, const char *key)
{
    if (!p->slots)
        return NULL;
    for (size_t i = slot_of(p, key); p->slots[i]; i = (i + 1) & p->mask)
        if (strcmp(p->slots[i]->key, key) == 0)
            return p->slots[i];
    return NULL;
}

static bool add_source(const struct store_source *row, void *arg)
{
    struct loading *l = arg;
    struct past_source *s = scope_alloc(l->scope, sizeof *s + l->n_sinks * sizeof *s->at);
    if (s) {
        s->key = scope_strdup(l->scope, row->key);
        s->name = scope_strdup(l->scope, row->name);
        s->identity = row->identity ? scope_strdup(l->scope, row->identity) : NULL;
    }
    if (!s || !s->key || !s->name || (row->identity && !s->identity)) {
        l->failed = true;
        return false;
    }
    s->seen = row->seen;
    s->next = l->past->all;
    l->past->all = s;
    l->past->n++;
    return true;
}

/* Open addressing, at most half full. */
static int index_sources(struct loading *l)
{
    struct past *p = l->past;
    size_t size = 16;
    while (size < 2 * p->n)
        size *= 2;
    p->slots = scope_alloc(l->scope, size * sizeof *p->slots);
    if (!p->slots)
        return -ENOMEM;
    p->mask = size - 1;
    for (struct past_source *s = p->all; s; s = s->next) {
        size_t i = slot_of(p, s->key);
        while (p->slots[i])
            i = (i + 1) & p->mask;
        p->slots[i] = s;
    }
    return 0;
}

static struct past_at *find_at(struct loading *l, const char *source_key, const char *sink)
{
    struct past_source *s = past_find(l->past, source_key);
    for (unsigned i = 0; s && i < l->n_sinks; i++)
        if (strcmp(l->sinks[i]->name, sink) == 0)
            return &s->at[i];
    return NULL;
}

static bool add_position(const struct store_position *row, void *arg)
{
    struct loading *l = arg;
    struct past_at *at = find_at(l, row->source_key, row->sink);
    if (!at)
        return true; /* of a sink that is not configured now */
    at->known = true;
    at->position.offset = row->offset;
    at->position.tail_hash = row->tail_hash;
    if (row->cursor && !(at->position.cursor = scope_strdup(l->scope, row->cursor)))
        l->failed = true;
    return !l->failed;
}

static bool add_ledger(const struct store_ledger *row, void *arg)
{
    struct past_at *at = find_at(arg, row->source_key, row->sink);
    if (at)
        counts_from_row(&at->counts, row->counters);
    return true;
}

struct past *past_load(struct scope *owner, struct store *store, struct sink *const *sinks,
                       unsigned n_sinks)
{
    struct past *p = scope_alloc(owner, sizeof *p);
    struct loading l = {.past = p, .scope = owner, .sinks = sinks, .n_sinks = n_sinks};
    if (!p)
        return NULL;
    p->n_sinks = n_sinks;
    for (unsigned i = 0; i < n_sinks; i++)
        p->sinks[i] = sinks[i];
    if (!store)
        return p; /* a dry run: nothing is known */
    int r = store_each_source(store, add_source, &l);
    if (r == 0)
        r = index_sources(&l);
    if (r == 0)
        r = store_each_position(store, NULL, add_position, &l);
    if (r == 0)
        r = store_each_ledger(store, add_ledger, &l);
    if (l.failed)
        return NULL;
    if (r < 0)
        log_error("store", "cannot read the positions: %s", store_error(store));
    p->store_was_lost = r < 0 || (store_set_aside(store) > 0 && p->n == 0);
    return p;
}

static const struct past_at *at_sink(const struct past *past, const struct past_source *p, const struct sink *sink)
{
    for (unsigned i = 0; i < past->n_sinks; i++)
        if (past->sinks[i] == sink)
            return &p->at[i];
    return NULL;
}

static const struct past_at *furthest(const struct past *past, const struct past_source *p)
{
    const struct past_at *best = NULL;
    for (unsigned i = 0; i < past->n_sinks; i++)
        if (p->at[i].known && (!best || p->at[i].position.offset > best->position.offset))
            best = &p->at[i];
    return best;
}

void past_resume(const struct past *past, const struct past_source *p, struct source *s)
{
    if (!source_resume_once(s))
        return;
    EACH_ACCOUNT(a, s) {
        const struct past_at *at = at_sink(past, p, a->book->sink), *place = at && at->known ? at : furthest(past, p);
        if (place)
            account_place(a, &place->position);
        if (at)
            account_resume(a, &at->counts);
    }
    /* Else the next commit would forget it. Last, since it may be committed at once with what the accounts have. */
    if (p->identity && !s->identity)
        source_set_identity(s, p->identity);
}

void past_claim(const struct past *past, struct past_source *p, struct source *s)
{
    p->claimed = true;
    past_resume(past, p, s);
}

static bool waits(const struct past_source *p, unsigned n_sinks)
{
    for (unsigned i = 0; i < n_sinks; i++)
        if (counts_wait(&p->at[i].counts))
            return true;
    return false;
}

int past_obtain_waiting(const struct past *p)
{
    for (const struct past_source *known = p->all; known; known = known->next) {
        int kind = waits(known, p->n_sinks) ? source_kind_of(known->key) : -1;
        if (kind < 0)
            continue;
        struct source *s = source_obtain((enum source_kind)kind, known->key, known->name);
        if (!s)
            return -ENOMEM;
        atomic_store(&s->state, SOURCE_GONE);
        past_resume(p, known, s);
        source_unref(s);
    }
    return 0;
}
