#include "core/keeper.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/ledger_rows.h"
#include "core/source.h"
#include "store/store_intents.h"

enum {
    ROWS_MAX = 256 * 1024 * 1024, /* never met: some million accounts */
    ROWS_KEPT = 64 * 1024,
    IDENTITY_MAX = 64 * 1024,
    TIDY_FIRST = 10,       /* minutes */
    TIDY_EVERY = 12 * 60,
    LAST_TRIES = 3,
};
#define RETRY_MAX (30 * SECOND)
#define REST (2 * SECOND)
#define FORGET_AFTER (30 * 24 * HOUR)

/* An account as it was under the lock; `cursor` bytes of its cursor follow. Holds the dirty list's reference. */
struct row {
    struct account *account;
    uint64_t offset, tail_hash, intended;
    struct counts counts;
    size_t cursor; /* with its NUL, rounded up to keep the next row aligned; 0: none */
};

static struct row *row_at(struct keeper *k, size_t at)
{
    return (struct row *)(void *)(k->rows.data + at);
}

static size_t row_size(const struct row *r)
{
    return sizeof *r + r->cursor;
}

static int add_row(struct keeper *k, struct account *a)
{
    static const char padding[_Alignof(struct row)];
    const char *cursor = a->position.cursor;
    size_t length = cursor ? strlen(cursor) + 1 : 0;
    size_t rounded = (length + sizeof padding - 1) / sizeof padding * sizeof padding;
    struct row row = {.account = a, .offset = a->position.offset, .tail_hash = a->position.tail_hash,
                      .intended = a->intended, .counts = a->counts, .cursor = rounded};
    int r = buf_reserve(&k->rows, sizeof row + rounded);
    if (r < 0)
        return r;
    buf_add(&k->rows, &row, sizeof row);
    buf_add(&k->rows, cursor, length);
    buf_add(&k->rows, padding, rounded - length);
    return 0;
}

/* One moment of a sink: its dirty accounts copied and taken off the list, its own rows written. */
static int take_book(struct keeper *k, struct book *b)
{
    size_t before = k->rows.len;
    int r = 0;
    pthread_mutex_lock(&b->lock);
    for (struct account *a = b->dirty; a && r == 0; a = a->next_dirty)
        r = add_row(k, a);
    if (r < 0) {
        k->rows.len = before;
    } else {
        for (struct account *a = b->dirty; a; a = a->next_dirty)
            a->dirty = false;
        b->dirty = NULL;
        for (struct book_rows *rows = b->rows; rows && r == 0; rows = rows->next)
            r = rows->put(rows, k->store);
        if (r == 0)
            r = intents_put(b, k->store);
    }
    pthread_mutex_unlock(&b->lock);
    return r;
}

static int put_source(struct keeper *k, struct source *s, int64_t now)
{
    if (s->stored == k->sequence)
        return 0;
    buf_clear(&k->identity);
    pthread_mutex_lock(&s->lock);
    bool has = s->identity != NULL;
    int r = has ? buf_puts(&k->identity, s->identity) : 0;
    pthread_mutex_unlock(&s->lock);
    if (r < 0)
        return r;
    s->stored = k->sequence;
    return store_put_source(k->store, &(struct store_source){.key = s->key, .name = s->name,
                                                             .identity = has ? k->identity.data : NULL,
                                                             .seen = now});
}

static int put_row(struct keeper *k, const struct row *row, int64_t now)
{
    struct source *s = row->account->source;
    const char *sink = row->account->book->sink->name;
    struct store_position position = {.source_key = s->key, .sink = sink, .offset = row->offset,
                                      .tail_hash = row->tail_hash,
                                      .cursor = row->cursor ? (const char *)(row + 1) : NULL};
    struct store_ledger ledger = {.source_key = s->key, .sink = sink};
    counts_to_row(&row->counts, ledger.counters);
    int r = put_source(k, s, now);
    if (r == 0)
        r = store_put_position(k->store, &position);
    if (r == 0)
        r = store_put_ledger(k->store, &ledger);
    return r < 0 || !row->intended ? r : store_delete_intents(k->store, s->key, sink, row->offset);
}

/* What the account has no intents for any more need not be looked for in each commit. */
static void let_go(struct keeper *k)
{
    for (size_t at = 0; at < k->rows.len; at += row_size(row_at(k, at))) {
        const struct row *row = row_at(k, at);
        struct account *a = row->account;
        if (row->intended) {
            pthread_mutex_lock(&a->book->lock);
            if (a->intended <= row->offset)
                a->intended = 0;
            pthread_mutex_unlock(&a->book->lock);
        }
        source_unref(a->source);
    }
}

/* Back on the list with its reference, unless it became dirty again meanwhile and has another. */
static void put_back(struct keeper *k)
{
    for (size_t at = 0; at < k->rows.len; at += row_size(row_at(k, at))) {
        struct account *a = row_at(k, at)->account;
        struct source *extra_reference = NULL;
        pthread_mutex_lock(&a->book->lock);
        if (a->dirty) {
            extra_reference = a->source;
        } else {
            a->dirty = true;
            a->next_dirty = a->book->dirty;
            a->book->dirty = a;
        }
        pthread_mutex_unlock(&a->book->lock);
        source_unref(extra_reference);
    }
}

/* One that is added later stands before it. */
static struct book_rows *first_rows(struct book *b)
{
    pthread_mutex_lock(&b->lock);
    struct book_rows *rows = b->rows;
    pthread_mutex_unlock(&b->lock);
    return rows;
}

static int write_rows(struct keeper *k, struct book *b)
{
    int r = 0;
    for (struct book_rows *rows = first_rows(b); rows && r == 0; rows = rows->next)
        if (rows->write)
            r = rows->write(rows, k->store);
    return r;
}

static int write_all(struct keeper *k)
{
    int r = store_begin(k->store);
    if (r < 0)
        return r;
    int64_t now = clock_real();
    for (unsigned i = 0; i < k->n_sinks && r == 0; i++)
        r = take_book(k, &k->sinks[i]->book);
    for (size_t at = 0; at < k->rows.len && r == 0; at += row_size(row_at(k, at)))
        r = put_row(k, row_at(k, at), now);
    for (unsigned i = 0; i < k->n_sinks && r == 0; i++)
        r = write_rows(k, &k->sinks[i]->book);
    for (size_t at = 0; at < k->rows.len; at += row_size(row_at(k, at)))
        audit_account(&k->audit, row_at(k, at)->account, &row_at(k, at)->counts);
    if (r == 0 && k->forget)
        r = store_forget(k->store, now - FORGET_AFTER);
    if (r == 0)
        return store_commit(k->store);
    store_rollback(k->store);
    return r;
}

static void succeeded(struct keeper *k)
{
    k->forget = false;
    k->retry = k->interval;
    atomic_fetch_add(&k->commits, 1);
    atomic_store(&k->last_commit, clock_real());
    for (unsigned i = 0; i < k->n_sinks; i++) {
        for (struct book_rows *rows = first_rows(&k->sinks[i]->book); rows; rows = rows->next)
            if (rows->stored)
                rows->stored(rows);
    }
    if (atomic_exchange(&k->failing, false))
        log_info("store", "positions are kept again");
}

static void failed(struct keeper *k, int r)
{
    atomic_fetch_add(&k->failures, 1);
    if (!atomic_exchange(&k->failing, true)) {
        const char *why = store_error(k->store);
        log_error("store", "positions cannot be kept: %s; lines may be delivered twice after a restart",
                  why[0] ? why : strerror(-r));
    }
    timer_set(&k->commit, k->retry); /* meaningless, and harmless, once the loop has ended */
    k->retry = k->retry * 2 < RETRY_MAX ? k->retry * 2 : RETRY_MAX;
}

static void audit_books(struct keeper *k)
{
    for (unsigned i = 0; i < k->n_sinks; i++)
        audit_book(&k->audit, &k->sinks[i]->book);
}

static void settle_intents(struct keeper *k, bool committed)
{
    for (unsigned i = 0; i < k->n_sinks; i++)
        intents_done(&k->sinks[i]->book, committed);
}

/* Somebody waits for it: nothing else is in this transaction. */
static int write_intents(struct keeper *k)
{
    int r = store_begin(k->store);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < k->n_sinks && r == 0; i++) {
        struct book *b = &k->sinks[i]->book;
        if (!atomic_load(&b->intents.wanted))
            continue;
        pthread_mutex_lock(&b->lock);
        r = intents_put(b, k->store);
        pthread_mutex_unlock(&b->lock);
    }
    if (r == 0)
        return store_commit(k->store);
    store_rollback(k->store);
    return r;
}

static void commit_intents(struct keeper *k)
{
    bool wanted = false;
    for (unsigned i = 0; i < k->n_sinks; i++)
        wanted |= atomic_load(&k->sinks[i]->book.intents.wanted);
    if (wanted)
        settle_intents(k, !atomic_load(&k->failing) && write_intents(k) == 0);
}

static int commit_now(struct keeper *k)
{
    k->sequence++;
    audit_books(k);
    buf_clear(&k->rows);
    int r = write_all(k);
    settle_intents(k, r == 0);
    if (r == 0) {
        let_go(k);
        succeeded(k);
    } else {
        put_back(k);
        failed(k, r);
    }
    buf_clear(&k->rows);
    buf_shrink(&k->rows, ROWS_KEPT);
    return r;
}

/*
 * Under the registry's lock. A source whose last reference is gone waits for that lock to be freed: it is
 * left alone. The reference taken here is never the last: the dirty list, which only we empty, has one.
 */
static void mark_source(struct source *s, void *arg)
{
    uint32_t refs = atomic_load(&s->refs);
    do {
        if (refs == 0 || !s->accounts)
            return;
    } while (!atomic_compare_exchange_weak(&s->refs, &refs, refs + 1));
    EACH_ACCOUNT(a, s) {
        pthread_mutex_lock(&a->book->lock);
        account_mark_dirty(a);
        pthread_mutex_unlock(&a->book->lock);
    }
    atomic_fetch_sub(&s->refs, 1);
}

static void store_everything_again(struct keeper *k)
{
    if (k->generation == store_generation(k->store))
        return;
    k->generation = store_generation(k->store);
    sources_walk(mark_source, NULL);
}

static void write_fallback(struct keeper *k)
{
    uint64_t commits = atomic_load(&k->commits);
    if (commits == k->in_fallback)
        return;
    int r = store_write_fallback(k->store);
    if (r == 0)
        k->in_fallback = commits;
    else if (!k->fallback_failing)
        log_warn("store", "%s", store_error(k->store));
    k->fallback_failing = r < 0;
}

/* ---- the loop ---- */

/*
 * A source seen for the first time does not wait for the group: a file that is renamed beyond the globs before its identity
 * is stored could not be found again after a kill.
 */
static bool is_urgent(struct keeper *k)
{
    bool urgent = false;
    for (unsigned i = 0; i < k->n_sinks; i++)
        urgent |= atomic_exchange(&k->sinks[i]->book.urgent, false);
    return urgent && !atomic_load(&k->failing);
}

static void on_dirty(struct nudge *n)
{
    struct keeper *k = container_of(n, struct keeper, dirty);
    commit_intents(k);
    if (is_urgent(k))
        timer_set(&k->commit, 0);
    else if (!timer_is_set(&k->commit))
        timer_set(&k->commit, k->interval);
}

static void on_commit(struct timer *t)
{
    struct keeper *k = container_of(t, struct keeper, commit);
    if (commit_now(k) == 0)
        store_everything_again(k);
    timer_set(&k->rest, REST);
}

static void on_rest(struct timer *t)
{
    mem_trim();
}

static void on_minute(struct timer *t)
{
    struct keeper *k = container_of(t, struct keeper, minute);
    write_fallback(k);
    audit_books(k);
    k->minutes++;
    if (k->minutes == TIDY_FIRST || k->minutes % TIDY_EVERY == 0) {
        k->forget = true;
        sources_walk(mark_source, NULL);
    }
    timer_set(t, MINUTE);
}

static void keeper_run(struct thread *t)
{
    struct keeper *k = t->arg;
    k->loop.task = &t->task;
    timer_set(&k->minute, MINUTE);
    if (loop_run(&k->loop) < 0)
        log_error("store", "the event loop of the store failed");
    int r = -EIO;
    for (int i = 0; i < LAST_TRIES && r < 0; i++) {
        r = commit_now(k);
        if (r == 0 && k->generation != store_generation(k->store)) {
            store_everything_again(k);
            r = commit_now(k);
        }
    }
    if (r < 0)
        log_error("store", "the last positions could not be kept: %s", store_error(k->store));
    else
        write_fallback(k);
}

static void keeper_stop(struct thread *t)
{
    struct keeper *k = t->arg;
    loop_stop(&k->loop);
}

static void connect_book(struct book *b, struct nudge *n)
{
    pthread_mutex_lock(&b->lock);
    b->keeper = n;
    if (n && b->dirty)
        nudge_set(n);
    pthread_mutex_unlock(&b->lock);
}

static void connect_books(struct keeper *k, struct nudge *n)
{
    for (unsigned i = 0; i < k->n_sinks; i++)
        connect_book(&k->sinks[i]->book, n);
}

void keeper_add(struct keeper *k, struct sink *sink, unsigned n_sinks)
{
    connect_book(&sink->book, &k->dirty);
    k->n_sinks = n_sinks;
}

void keeper_remove(struct keeper *k, struct sink *sink, unsigned n_sinks)
{
    connect_book(&sink->book, NULL);
    k->n_sinks = n_sinks;
}

static int begin(struct keeper *k)
{
    int r = loop_begin(&k->loop, &k->scope, "loop");
    if (r == 0)
        r = nudge_begin(&k->dirty, &k->scope, &k->loop, "dirty", on_dirty);
    if (r == 0)
        r = timer_begin(&k->commit, &k->scope, &k->loop, "commit", on_commit);
    if (r == 0)
        r = timer_begin(&k->rest, &k->scope, &k->loop, "rest", on_rest);
    if (r == 0)
        r = timer_begin(&k->minute, &k->scope, &k->loop, "minute", on_minute);
    if (r == 0)
        r = buf_begin(&k->rows, &k->scope, "rows", ROWS_MAX);
    if (r == 0)
        r = buf_begin(&k->identity, &k->scope, "identity", IDENTITY_MAX);
    for (struct keeper_guest *g = k->guest; g && r == 0; g = g->next)
        r = g->begin(g, &k->scope, &k->loop, k->store);
    if (r == 0)
        r = thread_begin(&k->thread, &k->scope, "store", keeper_run, keeper_stop, k);
    return r;
}

int keeper_begin(struct keeper *k, struct scope *owner, struct store *store, struct sink *const *sinks,
                 unsigned n_sinks, int64_t interval, struct keeper_guest *guest)
{
    memset(k, 0, sizeof *k);
    k->store = store;
    k->sinks = sinks;
    k->n_sinks = n_sinks;
    k->guest = guest;
    k->interval = k->retry = interval;
    k->generation = store_generation(store);
    int r = scope_begin(&k->scope, owner, "keeper");
    if (r < 0)
        return r;
    audit_begin(&k->audit);
    r = begin(k);
    if (r < 0) {
        audit_end(&k->audit);
        scope_end(&k->scope);
        return r;
    }
    connect_books(k, &k->dirty);
    return 0;
}

int keeper_flush(struct keeper *k)
{
    return commit_now(k);
}

void keeper_end(struct keeper *k)
{
    if (!thing_alive(&k->scope.thing))
        return;
    connect_books(k, NULL);
    thread_end(&k->thread);
    for (struct keeper_guest *g = k->guest; g; g = g->next)
        g->end(g);
    audit_end(&k->audit);
    scope_end(&k->scope);
}
