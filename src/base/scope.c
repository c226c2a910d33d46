#include "base/scope.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct scope scope_root;

enum { ARENA_CHUNK = 1024, ARENA_ALIGN = 16 };

struct scope_chunk {
    struct scope_chunk *next;
    size_t used, size;
    _Alignas(ARENA_ALIGN) char data[];
};

static int charge(struct budget *from, uint64_t things, uint64_t bytes)
{
    for (struct budget *b = from; b; b = b->outer) {
        uint64_t n = atomic_fetch_add_explicit(&b->things, things, memory_order_relaxed) + things;
        uint64_t m = atomic_fetch_add_explicit(&b->bytes, bytes, memory_order_relaxed) + bytes;
        if ((things && b->max_things && n > b->max_things) ||
            (bytes && b->max_bytes && m > b->max_bytes)) {
            for (struct budget *u = from; u != b->outer; u = u->outer) {
                atomic_fetch_sub_explicit(&u->things, things, memory_order_relaxed);
                atomic_fetch_sub_explicit(&u->bytes, bytes, memory_order_relaxed);
            }
            return -EDQUOT;
        }
    }
    return 0;
}

static void discharge(struct budget *b, uint64_t things, uint64_t bytes)
{
    for (; b; b = b->outer) {
        atomic_fetch_sub_explicit(&b->things, things, memory_order_relaxed);
        atomic_fetch_sub_explicit(&b->bytes, bytes, memory_order_relaxed);
    }
}

static void link_newest(struct thing *t, struct scope *s)
{
    t->scope = s;
    t->newer = NULL;
    t->older = s->newest;
    if (s->newest)
        s->newest->newer = t;
    s->newest = t;
}

static void unlink_thing(struct thing *t)
{
    struct scope *s = t->scope;
    if (t->newer)
        t->newer->older = t->older;
    else
        s->newest = t->older;
    if (t->older)
        t->older->newer = t->newer;
    t->newer = t->older = NULL;
    t->scope = NULL;
}

int thing_begin(struct thing *t, struct scope *owner, enum birth_kind kind, const char *name,
                uint64_t bytes, void (*end)(struct thing *))
{
    assert(!t->scope);
    int r = charge(owner->budget, 1, bytes);
    if (r < 0)
        return r;
    t->birth = birth_new(kind, owner->id, name, 1);
    if (!t->birth) {
        discharge(owner->budget, 1, bytes);
        return -ENOMEM;
    }
    t->bytes = bytes;
    t->end = end;
    if (bytes)
        birth_set_bytes(t->birth, bytes);
    link_newest(t, owner);
    return 0;
}

void thing_unborn(struct thing *t)
{
    if (!t->scope)
        return;
    discharge(t->scope->budget, 1, t->bytes);
    unlink_thing(t);
    birth_free(t->birth);
    t->birth = NULL;
}

void thing_end(struct thing *t)
{
    if (!t->scope)
        return;
    /* The record outlives `end`, which may free the thing: what hangs in its end stays visible. */
    struct birth *birth = t->birth;
    discharge(t->scope->budget, 1, t->bytes);
    unlink_thing(t);
    if (t->end)
        t->end(t);
    birth_free(birth);
}

int thing_resize(struct thing *t, uint64_t bytes)
{
    if (bytes > t->bytes) {
        int r = charge(t->scope->budget, 0, bytes - t->bytes);
        if (r < 0)
            return r;
    } else {
        discharge(t->scope->budget, 0, t->bytes - bytes);
    }
    t->bytes = bytes;
    birth_set_bytes(t->birth, bytes);
    return 0;
}

static void end_below(struct scope *s)
{
    while (s->newest)
        thing_end(s->newest);
    while (s->arena) {
        struct scope_chunk *c = s->arena;
        s->arena = c->next;
        mem_raw_free(c);
    }
}

static void scope_thing_end(struct thing *t)
{
    end_below(container_of(t, struct scope, thing));
}

static void scope_object_end(struct thing *t)
{
    struct scope *s = container_of(t, struct scope, thing);
    end_below(s);
    mem_raw_free(s);
}

static int begin(struct scope *s, struct scope *parent, const char *name, uint64_t bytes,
                 void (*end)(struct thing *))
{
    int r = thing_begin(&s->thing, parent, BIRTH_SCOPE, name, bytes, end);
    if (r < 0)
        return r;
    s->id = birth_id(s->thing.birth);
    s->budget = parent->budget;
    return 0;
}

int scope_begin(struct scope *s, struct scope *parent, const char *name)
{
    memset(s, 0, sizeof *s);
    return begin(s, parent, name, 0, scope_thing_end);
}

void *scope_new(struct scope *parent, size_t size, const char *name)
{
    assert(size >= sizeof(struct scope));
    struct scope *s = mem_raw_alloc(size);
    if (!s)
        return NULL;
    int r = begin(s, parent, name, size, scope_object_end);
    if (r < 0) {
        mem_raw_free(s);
        errno = -r;
        return NULL;
    }
    return s;
}

void scope_end(struct scope *s)
{
    if (s)
        thing_end(&s->thing);
}

void scope_set_budget(struct scope *s, uint64_t max_things, uint64_t max_bytes)
{
    assert(!s->newest);
    s->own_budget.max_things = max_things;
    s->own_budget.max_bytes = max_bytes;
    birth_set_max_bytes(s->thing.birth, max_bytes);
    if (s->budget != &s->own_budget) {
        s->own_budget.outer = s->budget;
        s->budget = &s->own_budget;
    }
}

void *scope_alloc(struct scope *s, size_t size)
{
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    struct scope_chunk *c = s->arena;
    if (!c || c->size - c->used < size) {
        size_t room = size > ARENA_CHUNK ? size : ARENA_CHUNK;
        c = mem_raw_alloc(sizeof *c + room);
        if (!c)
            return NULL;
        c->size = room;
        c->next = s->arena;
        s->arena = c;
        s->arena_bytes += sizeof *c + room;
        if (s->thing.birth) /* the root has none */
            birth_set_bytes(s->thing.birth, s->thing.bytes + s->arena_bytes);
    }
    void *p = c->data + c->used;
    c->used += size;
    return p;
}

char *scope_strdup(struct scope *s, const char *str)
{
    size_t n = strlen(str) + 1;
    char *copy = scope_alloc(s, n);
    return copy ? memcpy(copy, str, n) : NULL;
}

char *scope_printf(struct scope *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    char *out = scope_alloc(s, (size_t)n + 1);
    if (!out)
        return NULL;
    va_start(ap, format);
    vsnprintf(out, (size_t)n + 1, format, ap);
    va_end(ap);
    return out;
}
