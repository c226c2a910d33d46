#include "core/batch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "core/source.h"

int pool_begin(struct pool *p, struct scope *owner, uint64_t limit)
{
    *p = (struct pool){.limit = limit, .leases = SINKS_MAX};
    pthread_mutex_init(&p->lock, NULL);
    return scope_begin(&p->scope, owner, "pool");
}

void pool_end(struct pool *p)
{
    assert(!p->waiters);
    scope_end(&p->scope);
    pthread_mutex_destroy(&p->lock);
}

bool pool_reserve(struct pool *p, uint64_t bytes)
{
    if (atomic_fetch_add(&p->used, bytes) + bytes <= p->limit)
        return true;
    atomic_fetch_sub(&p->used, bytes);
    return false;
}

void pool_claim(struct pool *p, uint64_t bytes)
{
    atomic_fetch_add(&p->used, bytes);
}

void pool_release(struct pool *p, uint64_t bytes)
{
    atomic_fetch_sub(&p->used, bytes);
    pthread_mutex_lock(&p->lock);
    struct pool_waiter *w = p->waiters;
    p->waiters = NULL;
    while (w) {
        struct pool_waiter *next = w->next;
        w->waiting = false;
        nudge_set(w->wake);
        w = next;
    }
    pthread_mutex_unlock(&p->lock);
}

void pool_wait(struct pool *p, struct pool_waiter *w)
{
    pthread_mutex_lock(&p->lock);
    if (!w->waiting) {
        w->waiting = true;
        w->next = p->waiters;
        p->waiters = w;
    }
    pthread_mutex_unlock(&p->lock);
    /* What was given back between the refusal and this call woke nobody. */
    if (atomic_load(&p->used) <= p->limit / 2)
        pool_release(p, 0);
}

void pool_wait_cancel(struct pool *p, struct pool_waiter *w)
{
    pthread_mutex_lock(&p->lock);
    for (struct pool_waiter **at = &p->waiters; w->waiting && *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            w->waiting = false;
            break;
        }
    pthread_mutex_unlock(&p->lock);
}

static void batch_thing_end(struct thing *t)
{
    struct batch *b = container_of(t, struct batch, thing);
    mem_raw_free(b->data);
    mem_raw_free(b->marks);
    mem_raw_free(b);
}

static size_t head_size(const struct pool *p)
{
    return sizeof(struct batch) + p->leases * sizeof(struct lease);
}

uint64_t batch_cost(const struct pool *p, uint32_t size, uint32_t marks)
{
    return head_size(p) + size + (uint64_t)marks * sizeof(struct mark);
}

/* The batch gets its place in the tree; the pool's scope is shared by threads, under its lock. */
static int enlist(struct pool *p, struct batch *b)
{
    pthread_mutex_lock(&p->lock);
    int r = thing_begin(&b->thing, &p->scope, BIRTH_BATCH, b->source->name, b->cost,
                        batch_thing_end);
    pthread_mutex_unlock(&p->lock);
    return r;
}

struct batch *batch_new(struct pool *p, struct source *source, uint32_t size, uint32_t marks)
{
    uint64_t cost = batch_cost(p, size, marks);
    if (!pool_reserve(p, cost)) {
        errno = EDQUOT;
        return NULL;
    }
    struct batch *b = mem_raw_alloc(head_size(p));
    if (b) {
        b->pool = p;
        b->source = source;
        b->cost = cost;
        b->size = size;
        b->cap = marks;
        b->n_leases = p->leases;
        atomic_init(&b->holds, 1);
        b->data = mem_raw_alloc_dirty(size);
        b->marks = mem_raw_alloc_dirty(marks * sizeof *b->marks);
        if (b->data && b->marks && enlist(p, b) == 0) {
            source_ref(source);
            return b;
        }
        mem_raw_free(b->data);
        mem_raw_free(b->marks);
        mem_raw_free(b);
    }
    pool_release(p, cost);
    errno = ENOMEM;
    return NULL;
}

int batch_stream(struct batch *b, struct stream *s)
{
    for (int i = 0; i < b->n_streams; i++)
        if (b->streams[i] == s)
            return i;
    if (b->n_streams == BATCH_STREAMS)
        return -ENOSPC;
    b->streams[b->n_streams] = stream_ref(s);
    return b->n_streams++;
}

void batch_drop(struct batch *b)
{
    batch_release(b);
}

struct amount batch_count(const struct batch *b, uint32_t first, uint64_t wanted)
{
    struct amount sum = {0};
    for (uint32_t i = first; i < b->n; i++)
        if (wanted >> b->marks[i].stream & 1) {
            sum.bytes += b->marks[i].len;
            sum.records += !b->marks[i].more || i + 1 == b->n;
        }
    return sum;
}

/*
 * A batch keeps the blocks it was read into unless they are mostly empty: a chunk for each source that says a line
 * now and then would fill the memory limit with nothing.
 */
void batch_seal(struct batch *b)
{
    uint64_t cost = batch_cost(b->pool, b->used, b->n);
    if (cost > b->cost / 2)
        return;
    void *data = mem_raw_resize(b->data, b->used ? b->used : 1);
    if (data)
        b->data = data;
    void *marks = data ? mem_raw_resize(b->marks, (b->n ? b->n : 1) * sizeof *b->marks) : NULL;
    if (!marks)
        return;
    b->marks = marks;
    b->size = b->used;
    b->cap = b->n;
    uint64_t freed = b->cost - cost;
    b->cost = cost;
    pthread_mutex_lock(&b->pool->lock);
    thing_resize(&b->thing, cost);
    pthread_mutex_unlock(&b->pool->lock);
    pool_release(b->pool, freed);
}

void batch_hold(struct batch *b)
{
    atomic_fetch_add(&b->holds, 1);
}

void batch_release(struct batch *b)
{
    if (atomic_fetch_sub(&b->holds, 1) != 1)
        return;
    struct pool *p = b->pool;
    struct source *source = b->source;
    uint64_t cost = b->cost;
    for (int i = 0; i < b->n_streams; i++)
        stream_unref(b->streams[i]);
    for (unsigned i = 0; i < b->n_leases; i++)
        settings_unref(b->leases[i].sent_with);
    settings_unref(b->recipe.settings);
    pthread_mutex_lock(&p->lock);
    thing_end(&b->thing);
    pthread_mutex_unlock(&p->lock);
    pool_release(p, cost);
    source_unref(source);
}
