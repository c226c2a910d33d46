#include "core/ledger.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/source.h"

const char *drop_reason_name(enum drop_reason reason)
{
    static const char *const names[DROP_REASONS] = {
        "invalid", "too_long", "shutdown", "spool_full", "spool_damaged", "purged", "duplicate",
    };
    return (unsigned)reason < DROP_REASONS ? names[reason] : "unknown";
}

int book_begin(struct book *b, struct sink *sink)
{
    *b = (struct book){.sink = sink};
    intents_begin(&b->intents);
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&b->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return 0;
}

void book_forget(struct book *b)
{
    while (b->dirty) {
        struct account *a = b->dirty;
        b->dirty = a->next_dirty;
        a->dirty = false;
        source_unref(a->source);
    }
}

void book_end(struct book *b)
{
    book_forget(b); /* without a keeper (a dry run) there may be some */
    pthread_mutex_destroy(&b->lock);
}

void book_add_rows(struct book *b, struct book_rows *rows)
{
    pthread_mutex_lock(&b->lock);
    rows->book = b;
    rows->next = b->rows;
    b->rows = rows;
    pthread_mutex_unlock(&b->lock);
}

void book_remove_rows(struct book *b, struct book_rows *rows)
{
    pthread_mutex_lock(&b->lock);
    struct book_rows **at = &b->rows;
    while (*at != rows)
        at = &(*at)->next;
    *at = rows->next;
    pthread_mutex_unlock(&b->lock);
}

void account_mark_dirty(struct account *a)
{
    struct book *b = a->book;
    if (!a->dirty) {
        a->dirty = a->known = true;
        source_ref(a->source);
        a->next_dirty = b->dirty;
        b->dirty = a;
    }
    if (b->keeper)
        nudge_set(b->keeper);
}

static void add(struct amount *to, struct amount what)
{
    to->records += what.records;
    to->bytes += what.bytes;
}

static void subtract(struct amount *from, struct amount what)
{
    assert(from->records >= what.records && from->bytes >= what.bytes);
    from->records -= what.records;
    from->bytes -= what.bytes;
}

/* The position follows what was secured, unless a reset put it further on. */
static void advance(struct account *a, uint64_t to, uint64_t tail_hash, const char *cursor)
{
    if (to < a->position.offset)
        return;
    a->position.offset = to;
    a->position.tail_hash = tail_hash;
    if (cursor[0] && !a->cursor)
        a->cursor = mem_raw_alloc(POSITION_CURSOR);
    if (cursor[0] && a->cursor)
        snprintf(a->cursor, POSITION_CURSOR, "%s", cursor);
    a->position.cursor = a->cursor;
}

/* Each change is made twice: in the account and in what the book counts since this start. */
#define BOTH(op, account, field, what)                    \
    do {                                                  \
        op(&(account)->counts.field, what);               \
        op(&(account)->book->totals.field, what);         \
    } while (0)

uint64_t account_taken(struct account *a, struct amount taken, struct amount skipped)
{
    pthread_mutex_lock(&a->book->lock);
    BOTH(add, a, taken, taken);
    BOTH(add, a, in_flight, taken);
    BOTH(add, a, skipped, skipped);
    a->leases++;
    if (!a->known)
        account_mark_dirty(a);
    uint64_t number = ++a->given;
    pthread_mutex_unlock(&a->book->lock);
    return number;
}

bool account_skipped(struct account *a, const struct batch *b, struct amount skipped)
{
    pthread_mutex_lock(&a->book->lock);
    bool idle = a->leases == 0;
    if (idle) {
        BOTH(add, a, skipped, skipped);
        a->reach = b->to;
        advance(a, b->to, b->tail_hash, b->cursor);
        account_mark_dirty(a);
    }
    pthread_mutex_unlock(&a->book->lock);
    return idle;
}

bool counts_wait(const struct counts *c)
{
    return c->spooled.records || c->spooled.bytes || c->dead.records || c->dead.bytes;
}

/*
 * The lock is held, which a source's last reference must not be let go of under: whoever calls us has another one.
 */
static void hold_what_waits(struct account *a)
{
    bool waits = counts_wait(&a->counts);
    if (waits && !a->waits)
        source_ref(a->source);
    else if (!waits && a->waits)
        atomic_fetch_sub(&a->source->refs, 1);
    a->waits = waits;
}

static void leave_origin(struct account *a, int counter, struct amount what)
{
    if (counter == ORIGIN_SPOOL)
        BOTH(subtract, a, spooled, what);
    else
        BOTH(subtract, a, dead, what);
}

/* Where its records wait; an adopted lease is the spool's since it was given. */
static struct origin *origin_of(const struct account *a, const struct secured *s)
{
    return s->origin || !s->number || s->number > a->adopted ? s->origin : a->book->spool;
}

static void end_lease(struct account *a, uint64_t number)
{
    a->leases--;
    if (a->ended < number)
        a->ended = number;
}

void account_secured(struct account *a, const struct secured *s, const struct outcome *outcome)
{
    static const struct outcome all_delivered;
    const struct outcome *o = outcome ? outcome : &all_delivered;
    struct amount delivered = s->taken;
    pthread_mutex_lock(&a->book->lock);
    struct origin *origin = origin_of(a, s);
    if (origin) {
        leave_origin(a, origin->counter, s->taken);
        if (origin->counter == ORIGIN_SPOOL)
            subtract(&a->lent, s->taken);
    } else {
        BOTH(subtract, a, in_flight, s->taken);
        end_lease(a, s->number);
        advance(a, s->to, s->tail_hash, s->cursor);
    }
    for (int i = 0; i < DROP_REASONS; i++) {
        BOTH(add, a, dropped[i], o->dropped[i]);
        subtract(&delivered, o->dropped[i]);
    }
    BOTH(add, a, dropped[DROP_DUPLICATE], s->left_out);
    subtract(&delivered, s->left_out);
    BOTH(add, a, dead, o->dead);
    subtract(&delivered, o->dead);
    BOTH(add, a, spooled, o->spooled);
    subtract(&delivered, o->spooled);
    BOTH(add, a, delivered, delivered);
    hold_what_waits(a);
    if (origin)
        origin->secured(origin, s, o);
    account_mark_dirty(a);
    pthread_mutex_unlock(&a->book->lock);
}

/* Later leases must not move the position over what will be read again; once all are over there are none. */
static void give_back(struct account *a, const struct secured *s)
{
    BOTH(subtract, a, in_flight, s->taken);
    if (source_rereadable(a->source)) {
        BOTH(subtract, a, taken, s->taken);
        a->leases--;
    } else {
        BOTH(add, a, dropped[DROP_SHUTDOWN], s->taken);
        end_lease(a, s->number);
    }
    if (a->leases == 0) {
        a->ended = a->given;
        a->returned = 0;
    }
    account_mark_dirty(a);
}

void account_returned(struct account *a, const struct secured *s)
{
    pthread_mutex_lock(&a->book->lock);
    struct origin *origin = origin_of(a, s);
    if (origin) {
        if (origin->counter == ORIGIN_SPOOL)
            subtract(&a->lent, s->taken);
        origin->returned(origin, s);
    } else if (s->number == 0 || s->number > a->adopting) {
        give_back(a, s);
    } else if (a->returned == 0 || s->number < a->returned) {
        a->returned = s->number; /* the spool has a copy in its hands, and ends it */
    }
    pthread_mutex_unlock(&a->book->lock);
}

static struct amount least(struct amount a, struct amount b)
{
    return (struct amount){a.records < b.records ? a.records : b.records, a.bytes < b.bytes ? a.bytes : b.bytes};
}

static struct amount not_lent(const struct account *a)
{
    struct amount rest = a->counts.spooled;
    subtract(&rest, a->lent);
    return rest;
}

void account_discarded(struct account *a, int counter, struct amount what, enum drop_reason reason)
{
    pthread_mutex_lock(&a->book->lock);
    what = least(what, counter == ORIGIN_SPOOL ? not_lent(a) : a->counts.dead);
    leave_origin(a, counter, what);
    BOTH(add, a, dropped[reason], what);
    hold_what_waits(a);
    account_mark_dirty(a);
    pthread_mutex_unlock(&a->book->lock);
}

void account_lost(struct account *a, struct amount what, enum drop_reason reason)
{
    pthread_mutex_lock(&a->book->lock);
    BOTH(add, a, taken, what);
    BOTH(add, a, dropped[reason], what);
    account_mark_dirty(a);
    pthread_mutex_unlock(&a->book->lock);
}

/* ---- the spool ---- */

void account_adopt(struct account *a, uint64_t number)
{
    a->adopting = number;
}

void account_unadopt(struct account *a, uint64_t number)
{
    if (a->adopting >= number)
        a->adopting = number - 1;
}

enum account_spooled account_spooled(struct account *a, const struct secured *s)
{
    if (s->number <= a->ended)
        return SPOOLED_OVER;
    if (s->number != a->ended + 1)
        return SPOOLED_NOT_YET;
    BOTH(subtract, a, in_flight, s->taken);
    BOTH(add, a, spooled, s->taken);
    end_lease(a, s->number);
    advance(a, s->to, s->tail_hash, s->cursor);
    bool lent = s->number <= a->adopting && (a->returned == 0 || s->number < a->returned);
    if (lent) {
        a->adopted = s->number;
        add(&a->lent, s->taken);
    }
    hold_what_waits(a);
    account_mark_dirty(a);
    return lent ? SPOOLED_LENT : SPOOLED_WAITS;
}

static uint64_t missing(uint64_t have, uint64_t need)
{
    return need > have ? need - have : 0;
}

void account_lend(struct account *a, struct amount what)
{
    pthread_mutex_lock(&a->book->lock);
    struct amount have = not_lent(a);
    struct amount found = {missing(have.records, what.records), missing(have.bytes, what.bytes)};
    BOTH(add, a, taken, found);
    BOTH(add, a, spooled, found);
    add(&a->lent, what);
    hold_what_waits(a);
    account_mark_dirty(a);
    pthread_mutex_unlock(&a->book->lock);
}

struct amount account_spool_lost(struct account *a)
{
    struct amount lost = not_lent(a);
    if (lost.records || lost.bytes)
        account_discarded(a, ORIGIN_SPOOL, lost, DROP_SPOOL_DAMAGED);
    return lost;
}

void account_place(struct account *a, const struct position *position)
{
    pthread_mutex_lock(&a->book->lock);
    a->position.offset = a->reach = position->offset;
    a->position.tail_hash = position->tail_hash;
    if (position->cursor && !a->cursor)
        a->cursor = mem_raw_alloc(POSITION_CURSOR);
    if (position->cursor && a->cursor)
        snprintf(a->cursor, POSITION_CURSOR, "%s", position->cursor);
    a->position.cursor = position->cursor ? a->cursor : NULL;
    pthread_mutex_unlock(&a->book->lock);
}

void account_follow(struct account *a, const struct account *other)
{
    pthread_mutex_lock(&other->book->lock);
    struct position position = other->position;
    uint64_t reach = other->reach;
    char cursor[POSITION_CURSOR];
    snprintf(cursor, sizeof cursor, "%s", position.cursor ? position.cursor : "");
    pthread_mutex_unlock(&other->book->lock);
    position.cursor = cursor[0] ? cursor : NULL;
    account_place(a, &position);
    a->reach = reach;
}

uint64_t account_reach(struct account *a)
{
    pthread_mutex_lock(&a->book->lock);
    uint64_t reach = a->reach;
    pthread_mutex_unlock(&a->book->lock);
    return reach;
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void account_found_dead(struct account *a, struct amount dead)
{
    pthread_mutex_lock(&a->book->lock);
    const struct amount had = a->counts.dead;
    const struct amount less = {above(had.records, dead.records), above(had.bytes, dead.bytes)};
    const struct amount more = {above(dead.records, had.records), above(dead.bytes, had.bytes)};
    BOTH(subtract, a, dead, less);
    BOTH(add, a, dropped[DROP_PURGED], less);
    BOTH(add, a, taken, more);
    BOTH(add, a, dead, more);
    hold_what_waits(a);
    account_mark_dirty(a);
    pthread_mutex_unlock(&a->book->lock);
}

void account_resume(struct account *a, const struct counts *counts)
{
    struct counts *totals = &a->book->totals;
    pthread_mutex_lock(&a->book->lock);
    a->counts = *counts;
    add(&totals->taken, counts->spooled);
    add(&totals->spooled, counts->spooled);
    add(&totals->taken, counts->dead);
    add(&totals->dead, counts->dead);
    hold_what_waits(a);
    pthread_mutex_unlock(&a->book->lock);
}

void book_totals(struct book *b, struct counts *counts)
{
    pthread_mutex_lock(&b->lock);
    *counts = b->totals;
    pthread_mutex_unlock(&b->lock);
}

void account_read(struct account *a, struct position *position, char cursor[POSITION_CURSOR],
                  struct counts *counts)
{
    pthread_mutex_lock(&a->book->lock);
    *position = a->position;
    *counts = a->counts;
    snprintf(cursor, POSITION_CURSOR, "%s", a->cursor ? a->cursor : "");
    pthread_mutex_unlock(&a->book->lock);
    position->cursor = cursor[0] ? cursor : NULL;
}

bool counts_check(const struct counts *c, char *why, size_t size)
{
    struct amount sum = {0};
    add(&sum, c->delivered);
    add(&sum, c->spooled);
    add(&sum, c->dead);
    add(&sum, c->in_flight);
    for (int i = 0; i < DROP_REASONS; i++)
        add(&sum, c->dropped[i]);
    if (sum.records == c->taken.records && sum.bytes == c->taken.bytes)
        return true;
    snprintf(why, size, "taken %llu records and %llu bytes, accounted for %llu and %llu",
             (unsigned long long)c->taken.records, (unsigned long long)c->taken.bytes,
             (unsigned long long)sum.records, (unsigned long long)sum.bytes);
    return false;
}
