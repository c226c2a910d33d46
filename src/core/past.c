#include "core/past.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "core/ledger_rows.h"
#include "core/sink.h"
#include "store/store_intents.h"

/* A text that intents name. */
struct text {
    struct text *next;
    int64_t id;
    const char *text;
};

struct loading {
    struct past *past;
    struct text *texts;
    struct past_source *of;   /* the source of the last intent */
    struct past_span *last;   /* and its last span */
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

static bool add_text(const struct store_settings *row, void *arg)
{
    struct loading *l = arg;
    struct text *t = scope_alloc(l->scope, sizeof *t);
    if (t)
        *t = (struct text){l->texts, row->id, scope_strdup(l->scope, row->text)};
    l->failed = !t || !t->text;
    if (t)
        l->texts = t;
    return !l->failed;
}

/* Few: one for each source with something in flight, and for each sink. */
static const char *find_text(const struct loading *l, int64_t id)
{
    const struct text *t = l->texts;
    while (t && t->id != id)
        t = t->next;
    return t ? t->text : NULL;
}

/* A new one behind the last of its source, or that of another sink for the same bytes. NULL: neither, or no memory. */
static struct past_span *span_for(struct loading *l, struct past_source *s, const struct store_intent *row)
{
    if (l->of != s)
        l->last = NULL;
    l->of = s;
    if (l->last && row->from < l->last->to)
        return row->from == l->last->from && row->to == l->last->to && row->anchor == l->last->recipe.anchor ? l->last : NULL;
    struct past_span *span = scope_alloc(l->scope, sizeof *span + l->n_sinks * sizeof *span->sent_with);
    if (!span) {
        l->failed = true;
        return NULL;
    }
    *span = (struct past_span){
        .from = row->from, .to = row->to, .settings = find_text(l, row->settings), .sinks = l->past->sink_names,
        .recipe = {.anchor = row->anchor, .tie = row->tie, .ties = row->ties, .skipping = row->skipping},
        .n_sinks = l->n_sinks};
    *(l->last ? &l->last->next : &s->spans) = span;
    l->last = span;
    l->past->has_spans = true;
    return span;
}

static bool add_intent(const struct store_intent *row, void *arg)
{
    struct loading *l = arg;
    struct past_source *s = past_find(l->past, row->source_key);
    struct past_at *at = s ? find_at(l, row->source_key, row->sink) : NULL;
    const char *with = find_text(l, row->sent_with);
    /* What is secured goes with the next commit. */
    if (!at || !with || !find_text(l, row->settings) || row->to <= row->from || row->to <= at->position.offset)
        return true;
    struct past_span *span = span_for(l, s, row);
    if (span) {
        span->sent_with[at - s->at] = with;
        at->intended = row->to > at->intended ? row->to : at->intended;
    }
    return !l->failed;
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
    for (unsigned i = 0; i < n_sinks; i++)
        if (!(p->sink_names[i] = scope_strdup(owner, sinks[i]->name)))
            return NULL;
    if (!store)
        return p; /* a dry run: nothing is known */
    int r = store_each_source(store, add_source, &l);
    if (r == 0)
        r = index_sources(&l);
    if (r == 0)
        r = store_each_position(store, NULL, add_position, &l);
    if (r == 0)
        r = store_each_ledger(store, add_ledger, &l);
    if (r == 0)
        r = store_each_settings(store, add_text, &l);
    if (r == 0)
        r = store_each_intent(store, add_intent, &l);
    if (l.failed)
        return NULL;
    if (r < 0)
        log_error("store", "cannot read the positions: %s", store_error(store));
    p->store_was_lost = r < 0 || (store_set_aside(store) > 0 && p->n == 0);
    return p;
}

static struct past_at *at_sink(const struct past *past, struct past_source *p, const struct sink *sink)
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

void past_resume(const struct past *past, struct past_source *p, struct source *s)
{
    if (!source_resume_once(s))
        return;
    EACH_ACCOUNT(a, s) {
        struct past_at *at = at_sink(past, p, a->book->sink);
        const struct past_at *place = at && at->known ? at : furthest(past, p);
        if (place)
            account_place(a, &place->position);
        if (!at)
            continue;
        account_resume(a, &at->counts);
        a->left = &at->counts;
        a->intended = at->intended;
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

static struct past_source *with_spans(const struct past *p, const struct source *s)
{
    struct past_source *known = p && p->has_spans ? past_find(p, s->key) : NULL;
    return known && known->spans ? known : NULL;
}

const struct past_span *past_span_at(const struct past *p, const struct source *s, uint64_t offset)
{
    struct past_source *known = with_spans(p, s);
    while (known && known->spans && known->spans->from < offset)
        known->spans = known->spans->next;
    return known ? known->spans : NULL;
}

void past_span_read(const struct past *p, const struct source *s, const struct past_span *span)
{
    struct past_source *known = with_spans(p, s);
    if (known && known->spans == span)
        known->spans = span->next;
}

const char *past_span_sent_with(const struct past_span *span, const char *sink)
{
    for (unsigned i = 0; i < span->n_sinks; i++)
        if (strcmp(span->sinks[i], sink) == 0)
            return span->sent_with[i];
    return NULL;
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
    for (struct past_source *known = p->all; known; known = known->next) {
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
