#include "leak/explain/profile_heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/fd.h"
#include "codec/heap.h"

enum { DUMP_BYTES = 16 << 20, READ_BYTES = 64 * 1024 };

/* Not there in a program that is linked with another allocator. */
extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size) __attribute__((weak));

#define HEAP_VALUES                                                                                            \
    .values = {{"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"}}, \
    .n_values = 4, .period = {"space", "bytes"}

const struct profile_sort profile_in_use = {.name = "heap", .first_value = 3, HEAP_VALUES};
const struct profile_sort profile_allocated = {.name = "allocs", .first_value = 1, HEAP_VALUES};

bool profile_heap_is_there(void)
{
    bool on = false;
    size_t size = sizeof on;
    return mallctl && mallctl("opt.prof", &on, &size, NULL, 0) == 0 && on;
}

/* jemalloc writes to a path. */
static int dump(struct scope *scope, struct buf *text)
{
    struct fd file;
    char path[64];
    const char *name = path;
    int r = fd_memory(&file, scope, "heap profile");
    if (r < 0)
        return r;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file.n);
    r = -mallctl("prof.dump", NULL, NULL, &name, sizeof name);
    for (ssize_t n = 1; r == 0 && n > 0;) {
        r = buf_reserve(text, READ_BYTES);
        n = r == 0 ? fd_pread(file.n, text->data + text->len, READ_BYTES, text->len) : 0;
        if (n < 0)
            r = (int)n;
        text->len += n > 0 ? (size_t)n : 0;
    }
    fd_close(&file);
    return r;
}

/* Where the allocator itself lies: its own frames are the first of each stack. */
static bool is_allocator(uintptr_t address)
{
    Dl_info here, allocator;
    return dladdr((void *)address, &here) && dladdr((void *)(uintptr_t)mallctl, &allocator) &&
           here.dli_fbase == allocator.dli_fbase;
}

static void add_stack(struct profile *p, struct heap_stack *s, uint64_t rate)
{
    double live = heap_scale(s->objects, s->bytes, rate), ever = heap_scale(s->ever_objects, s->ever_bytes, rate);
    const int64_t values[PROFILE_VALUES] = {
        llround((double)s->ever_objects * ever),
        llround((double)s->ever_bytes * ever),
        llround((double)s->objects * live),
        llround((double)s->bytes * live),
    };
    unsigned own = 0;
    while (own < s->n && is_allocator(s->frames[own]))
        own++;
    for (unsigned i = own; i < s->n; i++)
        s->frames[i]--; /* into the call */
    profile_add(p, s->frames + own, s->n - own, NULL, values, NULL, 0);
}

static int read_dump(struct profile *p, struct buf *text)
{
    struct heap_reader reader;
    struct heap_stack stack;
    int r = heap_begin(&reader, text->data, text->len);
    p->period = (int64_t)reader.rate;
    while (r == 0 && (r = heap_next(&reader, &stack)) == 1) {
        add_stack(p, &stack, reader.rate);
        r = 0;
    }
    return r;
}

int profile_heap(struct profile *p, struct scope *owner, const struct profile_sort *sort)
{
    struct buf text = {0};
    if (!profile_heap_is_there())
        return -ENOTSUP;
    int r = profile_begin(p, owner, sort);
    if (r < 0)
        return r;
    r = buf_begin(&text, &p->scope, "heap profile", DUMP_BYTES);
    if (r == 0)
        r = dump(&p->scope, &text);
    if (r == 0)
        r = read_dump(p, &text);
    buf_end(&text);
    if (r < 0)
        profile_end(p);
    return r;
}
