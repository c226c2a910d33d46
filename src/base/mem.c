#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/slots.h"

struct block {
    struct thing thing;
    _Alignas(max_align_t) char data[];
};

void *mem_raw_alloc(size_t size)
{
    return fault_here(FAULT_MEMORY) ? NULL : calloc(1, size);
}

void *mem_raw_alloc_dirty(size_t size)
{
    return fault_here(FAULT_MEMORY) ? NULL : malloc(size);
}

void *mem_raw_resize(void *p, size_t size)
{
    return fault_here(FAULT_MEMORY) ? NULL : realloc(p, size);
}

void mem_raw_free(void *p)
{
    free(p);
}

/* jemalloc's (its manual: arena.<i>.purge; 4096 are all arenas). NULL where that is not what we are linked with. */
extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size) __attribute__((weak));

void mem_trim(void)
{
    if (mallctl)
        (void)mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
    slots_trim();
}

static void block_end(struct thing *t)
{
    free(container_of(t, struct block, thing));
}

void *mem_new(struct scope *owner, size_t size, const char *name)
{
    struct block *b = mem_raw_alloc(sizeof *b + size);
    if (!b)
        return NULL;
    int r = thing_begin(&b->thing, owner, BIRTH_MEMORY, name, size, block_end);
    if (r < 0) {
        free(b);
        errno = -r;
        return NULL;
    }
    return b->data;
}

static struct block *block_of(void *p)
{
    return container_of(p, struct block, data);
}

void mem_free(void *p)
{
    if (p)
        thing_end(&block_of(p)->thing);
}

void *mem_resize(void *p, size_t size)
{
    struct block *b = block_of(p);
    uint64_t before = b->thing.bytes;
    int r = thing_resize(&b->thing, size);
    if (r < 0) {
        errno = -r;
        return NULL;
    }
    struct block *moved = mem_raw_resize(b, sizeof *b + size);
    if (!moved) {
        thing_resize(&b->thing, before);
        return NULL;
    }
    struct thing *t = &moved->thing;
    if (t->newer)
        t->newer->older = t;
    else
        t->scope->newest = t;
    if (t->older)
        t->older->newer = t;
    return moved->data;
}

static void buf_thing_end(struct thing *t)
{
    struct buf *b = container_of(t, struct buf, thing);
    free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

int buf_begin(struct buf *b, struct scope *owner, const char *name, size_t limit)
{
    *b = (struct buf){.limit = limit};
    return thing_begin(&b->thing, owner, BIRTH_MEMORY, name, 0, buf_thing_end);
}

void buf_end(struct buf *b)
{
    thing_end(&b->thing);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

static int set_capacity(struct buf *b, size_t cap)
{
    int r = thing_resize(&b->thing, cap);
    if (r < 0)
        return r;
    char *data = mem_raw_resize(b->data, cap + 1);
    if (!data) {
        thing_resize(&b->thing, b->cap);
        return -ENOMEM;
    }
    b->data = data;
    b->cap = cap;
    return 0;
}

void buf_shrink(struct buf *b, size_t capacity)
{
    if (b->cap <= capacity || b->len > capacity)
        return;
    if (capacity) {
        set_capacity(b, capacity);
        return;
    }
    thing_resize(&b->thing, 0);
    free(b->data);
    b->data = NULL;
    b->cap = 0;
}

int buf_reserve(struct buf *b, size_t more)
{
    if (b->cap - b->len >= more && b->data)
        return 0;
    if (more > b->limit || b->len > b->limit - more) {
        b->failed = true;
        return -EFBIG;
    }
    size_t need = b->len + more, cap = b->cap < 256 ? 256 : b->cap * 2;
    if (cap < need)
        cap = need;
    if (cap > b->limit)
        cap = b->limit;
    int r = set_capacity(b, cap);
    if (r < 0)
        b->failed = true;
    return r;
}

int buf_add(struct buf *b, const void *data, size_t n)
{
    int r = buf_reserve(b, n);
    if (r < 0)
        return r;
    if (n)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = 0;
    return 0;
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    int r = buf_reserve(b, (size_t)n + 1);
    if (r < 0)
        return r;
    va_start(ap, format);
    vsnprintf(b->data + b->len, (size_t)n + 1, format, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}
