#include "net/http_library.h"

#include <ares.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "net/libcurl.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned holders;
static _Atomic uint64_t held;

/* Each block remembers its size; the payload stays aligned for anything. */
struct counted {
    _Alignas(max_align_t) size_t size;
    _Alignas(max_align_t) char data[];
};

static void *counted_alloc(size_t size)
{
    struct counted *c = mem_raw_alloc_dirty(sizeof *c + size);
    if (!c)
        return NULL;
    c->size = size;
    atomic_fetch_add(&held, size);
    return c->data;
}

static void counted_free(void *p)
{
    if (!p)
        return;
    struct counted *c = container_of(p, struct counted, data);
    atomic_fetch_sub(&held, c->size);
    mem_raw_free(c);
}

static void *counted_resize(void *p, size_t size)
{
    if (!p)
        return counted_alloc(size);
    struct counted *c = container_of(p, struct counted, data);
    size_t before = c->size;
    struct counted *moved = mem_raw_resize(c, sizeof *c + size);
    if (!moved)
        return NULL;
    moved->size = size;
    atomic_fetch_add(&held, size - before);
    return moved->data;
}

static void *counted_calloc(size_t n, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(n, size, &all))
        return NULL;
    void *p = counted_alloc(all);
    return p ? memset(p, 0, all) : NULL;
}

static char *counted_strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    void *p = counted_alloc(size);
    return p ? memcpy(p, s, size) : NULL;
}

static int init_libraries(void)
{
    int r = libcurl_open();
    if (r < 0)
        return r;
    if (libcurl.global_init_mem(CURL_GLOBAL_ALL, counted_alloc, counted_free, counted_resize,
                             counted_strdup, counted_calloc) != CURLE_OK)
        return -ENOMEM;
    if (ares_library_init_mem(ARES_LIB_INIT_ALL, counted_alloc, counted_free, counted_resize) !=
        ARES_SUCCESS) {
        libcurl.global_cleanup();
        return -ENOMEM;
    }
    return 0;
}

static void library_thing_end(struct thing *t)
{
    pthread_mutex_lock(&lock);
    if (--holders == 0) {
        ares_library_cleanup();
        libcurl.global_cleanup();
    }
    pthread_mutex_unlock(&lock);
}

int http_library_begin(struct http_library *l, struct scope *owner)
{
    *l = (struct http_library){0};
    int r = thing_begin(&l->thing, owner, BIRTH_HANDLE, "libcurl and c-ares", 0, library_thing_end);
    if (r < 0)
        return r;
    pthread_mutex_lock(&lock);
    if (holders == 0)
        r = init_libraries();
    if (r == 0)
        holders++;
    pthread_mutex_unlock(&lock);
    if (r < 0)
        thing_unborn(&l->thing);
    return r;
}

void http_library_end(struct http_library *l)
{
    thing_end(&l->thing);
}

uint64_t http_library_bytes(void)
{
    return atomic_load(&held);
}
