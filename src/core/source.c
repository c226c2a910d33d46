#include "core/source.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/sink.h"

static struct {
    pthread_mutex_t lock;
    struct scope scope; /* its own: sources come and go on any thread, under the lock */
    struct sink *const *sinks;
    unsigned n_sinks;
    struct source *head;
    uint64_t n;
    struct source_totals gone[SOURCE_API + 1];
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *source_kind_name(enum source_kind kind)
{
    static const char *const names[] = {"file", "journal", "container", "api"};
    return names[kind];
}

const char *source_state_name(enum source_state state)
{
    static const char *const names[] = {"idle", "reading", "waiting", "failed", "gone"};
    return names[state];
}

int sources_begin(struct scope *owner, struct sink *const *sinks, unsigned n_sinks)
{
    assert(!thing_alive(&registry.scope.thing));
    registry.sinks = sinks;
    registry.n_sinks = n_sinks;
    return scope_begin(&registry.scope, owner, "sources");
}

void sources_end(void)
{
    assert(!registry.head);
    scope_end(&registry.scope);
    registry.n_sinks = 0;
}

static void source_thing_end(struct thing *t)
{
    struct source *s = container_of(t, struct source, thing);
    for (unsigned i = 0; i < s->n_accounts; i++)
        mem_raw_free(s->accounts[i].cursor);
    pthread_mutex_destroy(&s->lock);
    mem_raw_free(s->error);
    mem_raw_free(s->identity);
    mem_raw_free(s);
}

struct source *source_new(enum source_kind kind, const char *key, const char *name)
{
    size_t accounts = registry.n_sinks * sizeof(struct account);
    size_t key_len = strlen(key) + 1, name_len = strlen(name) + 1;
    struct source *s = mem_raw_alloc(sizeof *s + accounts + key_len + name_len);
    if (!s)
        return NULL;
    s->kind = kind;
    s->key = memcpy((char *)s + sizeof *s + accounts, key, key_len);
    s->name = memcpy(s->key + key_len, name, name_len);
    s->matched = "";
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    s->n_accounts = (uint16_t)registry.n_sinks;
    for (unsigned i = 0; i < registry.n_sinks; i++)
        s->accounts[i] = (struct account){.book = &registry.sinks[i]->book, .source = s};

    pthread_mutex_lock(&registry.lock);
    int r = !thing_alive(&registry.scope.thing) ? -ENOMEM
            : thing_begin(&s->thing, &registry.scope, BIRTH_HANDLE, name,
                        sizeof *s + accounts + key_len + name_len, source_thing_end);
    if (r == 0) {
        s->next = registry.head;
        if (s->next)
            s->next->prev = s;
        registry.head = s;
        registry.n++;
    }
    pthread_mutex_unlock(&registry.lock);
    if (r < 0) {
        pthread_mutex_destroy(&s->lock);
        mem_raw_free(s);
        errno = -r;
        return NULL;
    }
    return s;
}

struct source *source_ref(struct source *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

static void add_totals(struct source_totals *t, const struct source *s)
{
    t->read_records += s->read_records;
    t->read_bytes += s->read_bytes;
    t->cut_bytes += s->cut_bytes;
    t->lost_by_rotator += s->lost_by_rotator;
    t->rotations += s->rotations;
    t->truncations += s->truncations;
}

void sources_totals(enum source_kind kind, struct source_totals *totals)
{
    pthread_mutex_lock(&registry.lock);
    *totals = registry.gone[kind];
    for (struct source *s = registry.head; s; s = s->next)
        if (s->kind == kind)
            add_totals(totals, s);
    pthread_mutex_unlock(&registry.lock);
}

void source_unref(struct source *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    pthread_mutex_lock(&registry.lock);
    if (s->prev)
        s->prev->next = s->next;
    else
        registry.head = s->next;
    if (s->next)
        s->next->prev = s->prev;
    registry.n--;
    add_totals(&registry.gone[s->kind], s);
    thing_end(&s->thing);
    pthread_mutex_unlock(&registry.lock);
}

void source_resume(struct source *s, unsigned sink, const struct position *position)
{
    struct account *a = &s->accounts[sink];
    pthread_mutex_lock(&a->book->lock);
    a->position.offset = position->offset;
    a->position.tail_hash = position->tail_hash;
    if (position->cursor && !a->cursor)
        a->cursor = mem_raw_alloc(POSITION_CURSOR);
    if (position->cursor && a->cursor)
        snprintf(a->cursor, POSITION_CURSOR, "%s", position->cursor);
    a->position.cursor = position->cursor ? a->cursor : NULL;
    pthread_mutex_unlock(&a->book->lock);
}

struct position source_lowest(struct source *s, unsigned *sink)
{
    struct position lowest = {0};
    for (unsigned i = 0; i < s->n_accounts; i++) {
        struct account *a = &s->accounts[i];
        pthread_mutex_lock(&a->book->lock);
        if (i == 0 || a->position.offset < lowest.offset) {
            lowest = a->position;
            if (sink)
                *sink = i;
        }
        pthread_mutex_unlock(&a->book->lock);
    }
    return lowest;
}

void source_set_error(struct source *s, const char *format, ...)
{
    enum { ERROR_MAX = 256 };
    char *error = NULL;
    if (format && (error = mem_raw_alloc(ERROR_MAX))) {
        va_list ap;
        va_start(ap, format);
        vsnprintf(error, ERROR_MAX, format, ap);
        va_end(ap);
    }
    pthread_mutex_lock(&s->lock);
    char *old = s->error;
    s->error = error;
    pthread_mutex_unlock(&s->lock);
    mem_raw_free(old);
}

void source_set_identity(struct source *s, const char *identity)
{
    size_t n = strlen(identity) + 1;
    char *copy = mem_raw_alloc(n);
    if (!copy)
        return;
    memcpy(copy, identity, n);
    pthread_mutex_lock(&s->lock);
    char *old = s->identity;
    s->identity = copy;
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_accounts; i++) {
        pthread_mutex_lock(&s->accounts[i].book->lock);
        if (!old)
            atomic_store(&s->accounts[i].book->urgent, true);
        account_mark_dirty(&s->accounts[i]);
        pthread_mutex_unlock(&s->accounts[i].book->lock);
    }
    mem_raw_free(old);
}

void sources_walk(void (*fn)(struct source *s, void *arg), void *arg)
{
    pthread_mutex_lock(&registry.lock);
    for (struct source *s = registry.head; s; s = s->next)
        fn(s, arg);
    pthread_mutex_unlock(&registry.lock);
}

uint64_t sources_count(void)
{
    pthread_mutex_lock(&registry.lock);
    uint64_t n = registry.n;
    pthread_mutex_unlock(&registry.lock);
    return n;
}
