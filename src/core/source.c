#include "core/source.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"
#include "core/sink.h"

static struct {
    pthread_mutex_t lock;
    struct scope scope; /* its own: sources come and go on any thread, under the lock */
    struct thing all;   /* with the bytes of each */
    struct sink *const *sinks;
    unsigned n_sinks;
    struct source *head;
    struct source **slots; /* chains by hash of key; a power of two of them */
    uint64_t n, n_slots;
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

int source_kind_of(const char *key)
{
    for (int kind = SOURCE_FILE; kind <= SOURCE_API; kind++) {
        const char *name = source_kind_name((enum source_kind)kind);
        size_t n = strlen(name);
        if (strncmp(key, name, n) == 0 && (key[n] == ':' || key[n] == 0))
            return kind;
    }
    return -1;
}

int sources_begin(struct scope *owner, struct sink *const *sinks, unsigned n_sinks)
{
    assert(!thing_alive(&registry.scope.thing));
    registry.sinks = sinks;
    registry.n_sinks = n_sinks;
    int r = scope_begin(&registry.scope, owner, "sources");
    if (r == 0 && (r = thing_begin(&registry.all, &registry.scope, BIRTH_MEMORY, "sources", 0, NULL)) < 0)
        scope_end(&registry.scope);
    return r;
}

static struct source *one_that_waits(void)
{
    for (struct source *s = registry.head; s; s = s->next)
        EACH_ACCOUNT(a, s)
            if (a->waits) {
                a->waits = false;
                return s;
            }
    return NULL;
}

void sources_end(void)
{
    for (struct source *s; (s = one_that_waits());)
        source_unref(s);
    assert(!registry.head);
    mem_raw_free(registry.slots);
    registry.slots = NULL;
    registry.n_slots = 0;
    scope_end(&registry.scope);
    registry.n_sinks = 0;
}

/* ---- the table: the registry's lock is held ---- */

enum { SLOTS_FIRST = 64 };

static struct source **slot_of(const char *key)
{
    return &registry.slots[XXH3_64bits(key, strlen(key)) & (registry.n_slots - 1)];
}

static struct source *find(const char *key)
{
    struct source *s = registry.slots ? *slot_of(key) : NULL;
    while (s && strcmp(s->key, key) != 0)
        s = s->chain;
    return s;
}

static void put(struct source *s)
{
    struct source **slot = slot_of(s->key);
    s->chain = *slot;
    *slot = s;
}

/* Chains grow when there is no memory for more slots. -ENOMEM: there are none at all. */
static int make_room(void)
{
    if (registry.n < registry.n_slots)
        return 0;
    uint64_t n = registry.n_slots ? 2 * registry.n_slots : SLOTS_FIRST;
    struct source **slots = mem_raw_alloc(n * sizeof *slots);
    if (!slots)
        return registry.slots ? 0 : -ENOMEM;
    mem_raw_free(registry.slots);
    registry.slots = slots;
    registry.n_slots = n;
    for (struct source *s = registry.head; s; s = s->next)
        put(s);
    return 0;
}

/* What it is one block of: with the accounts of its birth, its key and its name. */
static size_t size_of(const struct source *s)
{
    return (size_t)(s->name + strlen(s->name) + 1 - (const char *)s);
}

static int enlist(struct source *s)
{
    int r = thing_alive(&registry.all) ? make_room() : -ENOMEM;
    if (r == 0)
        r = thing_resize(&registry.all, registry.all.bytes + size_of(s));
    if (r < 0)
        return r;
    s->next = registry.head;
    if (s->next)
        s->next->prev = s;
    registry.head = s;
    registry.n++;
    put(s);
    return 0;
}

static void strike(struct source *s)
{
    struct source **at = slot_of(s->key);
    while (*at != s)
        at = &(*at)->chain;
    *at = s->chain;
    if (s->prev)
        s->prev->next = s->next;
    else
        registry.head = s->next;
    if (s->next)
        s->next->prev = s->prev;
    registry.n--;
    thing_resize(&registry.all, registry.all.bytes - size_of(s));
}

/* ---- life ---- */

/* Those of sinks that came later have memory of their own. */
static void account_free(const struct source *s, struct account *a)
{
    if (a->left)
        *a->left = a->counts;
    if (a->passed)
        atomic_fetch_sub(&a->book->sink->passed, 1);
    mem_raw_free(a->cursor);
    if (a < s->first || (char *)a >= s->key)
        mem_raw_free(a);
}

static void free_struck(struct source *s)
{
    for (struct account *a = s->accounts, *next; a; a = next) {
        next = a->next;
        account_free(s, a);
    }
    pthread_mutex_destroy(&s->lock);
    mem_raw_free(s->error);
    mem_raw_free(s->identity);
    mem_raw_free(s);
}

static struct source *make(enum source_kind kind, const char *key, const char *name)
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
    struct account **end = &s->accounts;
    for (unsigned i = 0; i < registry.n_sinks; i++) {
        s->first[i] = (struct account){.book = &registry.sinks[i]->book, .source = s};
        *end = &s->first[i];
        end = &s->first[i].next;
    }
    if (enlist(s) < 0) {
        mem_raw_free(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

/* One more, unless the last one is just gone: it waits for the registry's lock to strike the source. */
static bool revive(struct source *s)
{
    uint32_t refs = atomic_load(&s->refs);
    while (refs && !atomic_compare_exchange_weak(&s->refs, &refs, refs + 1))
        ;
    return refs != 0;
}

struct source *source_obtain(enum source_kind kind, const char *key, const char *name)
{
    pthread_mutex_lock(&registry.lock);
    struct source *s = find(key);
    if (!s || !revive(s))
        s = make(kind, key, name);
    pthread_mutex_unlock(&registry.lock);
    if (!s)
        errno = ENOMEM;
    return s;
}

struct source *source_find(const char *key)
{
    pthread_mutex_lock(&registry.lock);
    struct source *s = find(key);
    if (s && !revive(s))
        s = NULL;
    pthread_mutex_unlock(&registry.lock);
    return s;
}

bool source_resume_once(struct source *s)
{
    pthread_mutex_lock(&registry.lock);
    bool first = !s->resumed;
    s->resumed = true;
    pthread_mutex_unlock(&registry.lock);
    return first;
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
    strike(s);
    add_totals(&registry.gone[s->kind], s);
    free_struck(s);
    pthread_mutex_unlock(&registry.lock);
}

struct account *source_account(const struct source *s, const struct sink *sink)
{
    EACH_ACCOUNT(a, s)
        if (a->book == &sink->book)
            return a;
    return NULL;
}

struct account *source_furthest(struct source *s, const struct sink *sink)
{
    struct account *furthest = NULL;
    uint64_t most = 0;
    EACH_ACCOUNT(a, s) {
        uint64_t reach = account_reach(a);
        if (a->book != &sink->book && (!furthest || reach > most)) {
            furthest = a;
            most = reach;
        }
    }
    return furthest;
}

uint64_t source_reach(struct source *s, uint64_t offset)
{
    uint64_t lowest = UINT64_MAX;
    EACH_ACCOUNT(a, s) {
        uint64_t reach = account_reach(a);
        if (reach >= offset && reach < lowest)
            lowest = reach;
    }
    return lowest;
}

uint64_t source_place(struct source *s)
{
    uint64_t lowest = UINT64_MAX;
    EACH_ACCOUNT(a, s) {
        uint64_t reach = account_reach(a);
        if (reach < lowest && !(a->passed && sink_is_full(a->book->sink)))
            lowest = reach;
    }
    return lowest;
}

/* ---- sinks that come and go ---- */

static struct account **account_place_of(struct source *s, const struct sink *sink)
{
    struct account **at = &s->accounts;
    while (*at && (*at)->book != &sink->book)
        at = &(*at)->next;
    return at;
}

static bool add_account(struct source *s, struct sink *sink)
{
    struct account *a = mem_raw_alloc(sizeof *a), *other = source_furthest(s, sink);
    if (!a)
        return false;
    *a = (struct account){.book = &sink->book, .source = s};
    *account_place_of(s, sink) = a;
    if (other)
        account_follow(a, other);
    return true;
}

int sources_add_sink(struct sink *sink, unsigned n_sinks)
{
    int r = 0;
    pthread_mutex_lock(&registry.lock);
    for (struct source *s = registry.head; s && r == 0; s = s->next)
        r = add_account(s, sink) ? 0 : -ENOMEM;
    if (r == 0)
        registry.n_sinks = n_sinks;
    pthread_mutex_unlock(&registry.lock);
    if (r < 0)
        sources_remove_sink(sink, registry.n_sinks);
    return r;
}

/* In two steps: what holds its source goes without the lock. */
void sources_remove_sink(struct sink *sink, unsigned n_sinks)
{
    struct account *removed = NULL;
    pthread_mutex_lock(&registry.lock);
    registry.n_sinks = n_sinks;
    for (struct source *s = registry.head; s; s = s->next) {
        struct account **at = account_place_of(s, sink), *a = *at;
        if (!a)
            continue;
        *at = a->next;
        a->next = removed;
        removed = a;
    }
    pthread_mutex_unlock(&registry.lock);
    for (struct account *a = removed, *next; a; a = next) {
        struct source *s = a->source;
        bool waits = a->waits;
        next = a->next;
        account_free(s, a);
        if (waits)
            source_unref(s);
    }
}

struct position source_lowest(struct source *s)
{
    struct position lowest = {0};
    EACH_ACCOUNT(a, s) {
        pthread_mutex_lock(&a->book->lock);
        if (a == s->accounts || a->position.offset < lowest.offset)
            lowest = a->position;
        pthread_mutex_unlock(&a->book->lock);
    }
    return lowest;
}

uint64_t source_highest(struct source *s)
{
    uint64_t highest = 0;
    EACH_ACCOUNT(a, s) {
        pthread_mutex_lock(&a->book->lock);
        if (a->position.offset > highest)
            highest = a->position.offset;
        pthread_mutex_unlock(&a->book->lock);
    }
    return highest;
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
    EACH_ACCOUNT(a, s) {
        pthread_mutex_lock(&a->book->lock);
        if (!old)
            atomic_store(&a->book->urgent, true);
        account_mark_dirty(a);
        pthread_mutex_unlock(&a->book->lock);
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
