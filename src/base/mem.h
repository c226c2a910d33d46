/*
 * mem: memory under a scope.
 *
 * What lives as long as its scope comes from scope_alloc(). What must be given back before that, or
 * grows, is a block of its own: mem_new() and mem_free(), or a struct buf. Each block is a thing with
 * a birth record, so keep them few and large: never one per log record.
 *
 * The raw functions are for scope.c and for libraries' allocator hooks, which count what they take
 * themselves. mem.c is the only file that may call malloc and its kin.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/scope.h"

/* Zeroed. NULL: errno is ENOMEM or EDQUOT. */
void *mem_new(struct scope *owner, size_t size, const char *name);
void mem_free(void *p); /* NULL is allowed */
/* The block may move; what is added is not zeroed. NULL leaves it as it was. */
void *mem_resize(void *p, size_t size);

/* Zeroed (but for the dirty one), or NULL and ENOMEM. */
void *mem_raw_alloc(size_t size);
void *mem_raw_alloc_dirty(size_t size);
void *mem_raw_resize(void *p, size_t size);
void mem_raw_free(void *p);

/*
 * Gives the kernel what the allocator keeps for the next ones who ask, which by itself it does only while somebody allocates,
 * and what birth records took that ended.
 */
void mem_trim(void);

/*
 * buf: bytes that grow up to a limit. The owner pays for capacity. `data` is NUL-terminated
 * behind `len` (not counted), so that it can be printed.
 */
struct buf {
    struct thing thing;
    char *data;
    size_t len, cap, limit;
    bool failed; /* an append did not fit: sticky until buf_clear(), so that it is checked once */
};

int buf_begin(struct buf *b, struct scope *owner, const char *name, size_t limit);
void buf_end(struct buf *b);
void buf_clear(struct buf *b);                  /* keeps the capacity */
void buf_shrink(struct buf *b, size_t capacity); /* gives back capacity beyond this; all of it (0) surely */
int buf_reserve(struct buf *b, size_t more);    /* room for `more` bytes: 0, -ENOMEM, -EDQUOT, -EFBIG */
int buf_add(struct buf *b, const void *data, size_t n);
int buf_puts(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
