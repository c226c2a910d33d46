/* What is there, and the accounts brought in line with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/letters/letters_internal.h"

/* What an account should say is dead. */
struct expected {
    struct account *account;
    struct amount dead;
};

struct reading {
    struct letters *letters;
    const struct past *past; /* NULL: while the agent runs */
    struct buf found;        /* of struct expected */
    struct expected *sorted;
    size_t n;
    int result;
};

/* The source that the letters came from, with what the store knew of it. A reference. */
static struct source *obtain(struct reading *r, const struct store_letter_sum *sum)
{
    int kind = source_kind_of(sum->source_key);
    struct source *s = kind < 0 ? NULL : source_obtain((enum source_kind)kind, sum->source_key, sum->source_name);
    struct past_source *p = s && r->past ? past_find(r->past, sum->source_key) : NULL;
    if (p)
        past_resume(r->past, p, s);
    if (s && r->past && atomic_load(&s->refs) == 1)
        atomic_store(&s->state, SOURCE_GONE);
    return s;
}

static bool add_sum(const struct store_letter_sum *sum, void *arg)
{
    struct reading *r = arg;
    struct letters *l = r->letters;
    unsigned sink = letters_sink(l, sum->sink);
    letters_count(l, sink, letter_code_of(sum->code), (int64_t)sum->letters, sum->bytes, sum->size);
    if (sink == OTHERS)
        return true;
    struct source *s = obtain(r, sum);
    struct account *a = s ? source_account(s, l->at[sink].sink) : NULL;
    if (!a) {
        source_unref(s);
        return true;
    }
    const struct expected e = {a, {sum->letters, sum->bytes}};
    r->result = buf_add(&r->found, &e, sizeof e);
    /* Kept: until the accounts are right nothing else may hold it. */
    return r->result == 0;
}

static int by_account(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct expected *)a)->account, y = (uintptr_t)((const struct expected *)b)->account;
    return x < y ? -1 : x > y;
}

static struct amount in_store(const struct reading *r, const struct account *a)
{
    struct amount sum = {0};
    const struct expected key = {.account = (struct account *)a};
    const struct expected *e = r->n ? bsearch(&key, r->sorted, r->n, sizeof key, by_account) : NULL;
    /* One for each code: the search may meet any of them. */
    for (const struct expected *i = e; i && i >= r->sorted && i->account == a; i--) {
        sum.records += i->dead.records;
        sum.bytes += i->dead.bytes;
    }
    for (const struct expected *i = e ? e + 1 : NULL; i && i < r->sorted + r->n && i->account == a; i++) {
        sum.records += i->dead.records;
        sum.bytes += i->dead.bytes;
    }
    return sum;
}

static void add_refused(struct amount *sum, const struct refused *list, const struct account *a)
{
    for (; list; list = list->next) {
        const struct batch *b = list->batch;
        if (source_account(b->source, list->at->sink) != a)
            continue;
        for (uint32_t i = 0; i < list->n; i++) {
            sum->records++;
            for (uint32_t m = list->entries[i].mark; m < list->entries[i].next; m++)
                sum->bytes += b->marks[m].len;
        }
    }
}

/* What is on its way to the store, or to the sink. The book's lock is held. */
static void add_moving(struct amount *sum, const struct letters_at *at, const struct account *a)
{
    if (!at)
        return;
    const struct letter_round *r = at->round;
    add_refused(sum, at->pending, a);
    for (unsigned i = 0; r && i < r->n; i++) {
        const struct letter_group *g = &r->groups[r->refs[i].group];
        if (g->account == a && g->state == GROUP_AWAY) {
            sum->records++;
            sum->bytes += r->refs[i].bytes;
        }
    }
}

/*
 * Under the registry's lock. A source whose last reference is gone waits for that lock: it is left alone. Ours is never the
 * last: whatever is changed is dirty, and so held.
 */
static void correct(struct source *s, void *arg)
{
    struct reading *r = arg;
    uint32_t refs = atomic_load(&s->refs);
    do {
        if (refs == 0)
            return;
    } while (!atomic_compare_exchange_weak(&s->refs, &refs, refs + 1));
    EACH_ACCOUNT(a, s) {
        pthread_mutex_lock(&a->book->lock);
        struct amount dead = in_store(r, a);
        add_moving(&dead, a->book->sink->letters, a);
        if (dead.records != a->counts.dead.records || dead.bytes != a->counts.dead.bytes)
            account_found_dead(a, dead);
        pthread_mutex_unlock(&a->book->lock);
    }
    atomic_fetch_sub(&s->refs, 1);
}

static void let_go(struct reading *r)
{
    const struct expected *e = (const void *)r->found.data;
    for (size_t i = 0; i < r->found.len / sizeof *e; i++)
        source_unref(e[i].account->source);
}

static int bring_in_line(struct letters *l, const struct past *past)
{
    struct reading r = {.letters = l, .past = past};
    int e = buf_begin(&r.found, &l->scope, "sums of letters", 64 << 20);
    if (e == 0)
        e = store_each_letter_sum(l->store, add_sum, &r);
    if (e == 0)
        e = r.result;
    if (e == 0) {
        r.sorted = (void *)r.found.data;
        r.n = r.found.len / sizeof *r.sorted;
        if (r.n)
            qsort(r.sorted, r.n, sizeof *r.sorted, by_account);
        sources_walk(correct, &r);
    }
    let_go(&r);
    buf_end(&r.found);
    return e;
}

int letters_load(struct letters *l, const struct past *past)
{
    int e = bring_in_line(l, past);
    if (e == -ENOMEM)
        return e;
    if (e < 0)
        log_error("letters", "cannot read the dead letters: %s", store_error(l->store));
    else if (l->numbers.all.letters)
        log_info("letters", "%llu dead letters are kept: see `logcap dlq list`",
                 (unsigned long long)l->numbers.all.letters);
    return 0;
}

int letters_count_anew(struct letters *l, const struct past *past)
{
    pthread_mutex_lock(&l->lock);
    memset(l->numbers.there, 0, sizeof l->numbers.there);
    l->numbers.all = (struct letter_tally){0};
    pthread_mutex_unlock(&l->lock);
    int e = bring_in_line(l, past);
    if (e < 0)
        log_error("letters", "cannot read the dead letters: %s", store_error(l->store));
    return e;
}

void letters_lost(struct letters *l)
{
    pthread_mutex_lock(&l->lock);
    unsigned long long before = l->numbers.all.letters;
    pthread_mutex_unlock(&l->lock);
    (void)letters_count_anew(l, NULL);
    pthread_mutex_lock(&l->lock);
    unsigned long long now = l->numbers.all.letters;
    pthread_mutex_unlock(&l->lock);
    if (now < before)
        log_error("letters", "%llu dead letters are gone with the database that was set aside, and counted as purged",
                  before - now);
}
