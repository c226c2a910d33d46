#include "core/intents.h"

#include "core/sink.h"
#include "core/source.h"
#include "store/store_intents.h"

void intents_begin(struct intents *i)
{
    *i = (struct intents){.last = &i->first};
}

static struct intents *intents_of(const struct lease *l)
{
    return &l->sink->book.intents;
}

/* ---- the list: the lock is held ---- */

static void settle(struct intents *i, struct lease **at, enum intent_state state)
{
    struct lease *l = *at;
    *at = l->next_intent;
    if (!*at)
        i->last = at;
    l->next_intent = NULL;
    atomic_store(&l->intent, state);
}

static void settle_all(struct intents *i, int which, _Atomic uint64_t *count)
{
    bool any = false;
    for (struct lease **at = &i->first; *at;) {
        if (which != INTENT_NONE && atomic_load(&(*at)->intent) != which) {
            at = &(*at)->next_intent;
            continue;
        }
        settle(i, at, INTENT_SETTLED);
        atomic_fetch_add(count, 1);
        any = true;
    }
    if (any)
        nudge_set(i->wake);
}

static void miss_all(struct intents *i)
{
    settle_all(i, INTENT_NONE, &i->missed);
}

/* ---- the sink ---- */

static bool needs_one(const struct lease *l)
{
    return atomic_load(&l->intent) == INTENT_NONE && !l->batch->origin && l->batch->recipe.settings && l->taken.records &&
           l->sink->book.keeper;
}

void intent_ask(struct lease *l, struct settings *with, struct nudge *wake)
{
    struct intents *i = intents_of(l);
    if (!needs_one(l))
        return;
    l->sent_with = settings_ref(with);
    pthread_mutex_lock(&l->sink->book.lock);
    if (atomic_load(&i->failing)) {
        atomic_store(&l->intent, INTENT_SETTLED);
        atomic_fetch_add(&i->missed, 1);
    } else {
        atomic_store(&l->intent, INTENT_WAITS);
        l->next_intent = NULL;
        *i->last = l;
        i->last = &l->next_intent;
        i->wake = wake;
        atomic_store(&i->wanted, true);
        nudge_set(l->sink->book.keeper);
    }
    pthread_mutex_unlock(&l->sink->book.lock);
}

bool intent_waits(const struct lease *l)
{
    int state = atomic_load(&l->intent);
    return state == INTENT_WAITS || state == INTENT_PUT;
}

void intents_give_up(struct book *b)
{
    pthread_mutex_lock(&b->lock);
    miss_all(&b->intents);
    pthread_mutex_unlock(&b->lock);
}

/* What was not sent may be sent with other settings; what was keeps them. */
void intent_forget(struct lease *l)
{
    struct intents *i = intents_of(l);
    if (!intent_waits(l))
        return;
    pthread_mutex_lock(&l->sink->book.lock);
    for (struct lease **at = &i->first; *at; at = &(*at)->next_intent)
        if (*at == l) {
            settle(i, at, INTENT_NONE);
            settings_unref(l->sent_with);
            l->sent_with = NULL;
            break;
        }
    pthread_mutex_unlock(&l->sink->book.lock);
}

/* ---- the keeper ---- */

static int put(struct lease *l, struct store *store)
{
    const struct batch *b = l->batch;
    const struct recipe *r = &b->recipe;
    struct account *a = source_account(b->source, l->sink);
    int e = store_put_settings(store, &(struct store_settings){r->settings->id, r->settings->text});
    if (e == 0)
        e = store_put_settings(store, &(struct store_settings){l->sent_with->id, l->sent_with->text});
    if (e == 0)
        e = store_put_intent(store, &(struct store_intent){
            .source_key = b->source->key, .sink = l->sink->name, .from = b->from, .to = b->to, .anchor = r->anchor,
            .tie = r->tie, .ties = r->ties, .skipping = r->skipping, .settings = r->settings->id,
            .sent_with = l->sent_with->id});
    if (e == 0 && a->intended < b->to)
        a->intended = b->to;
    return e;
}

int intents_put(struct book *b, struct store *store)
{
    struct intents *i = &b->intents;
    int r = 0;
    atomic_store(&i->wanted, false);
    for (struct lease *l = i->first; l && r == 0; l = l->next_intent) {
        r = put(l, store);
        atomic_store(&l->intent, INTENT_PUT);
    }
    return r;
}

void intents_done(struct book *b, bool committed)
{
    struct intents *i = &b->intents;
    pthread_mutex_lock(&b->lock);
    bool failing = !committed && (i->first || atomic_load(&i->failing));
    if (committed)
        settle_all(i, INTENT_PUT, &i->stored);
    else
        miss_all(i);
    atomic_store(&i->failing, failing);
    pthread_mutex_unlock(&b->lock);
}
