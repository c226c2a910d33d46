/*
 * scope: the owner of things that must be given back.
 *
 * A thing (memory, descriptor, watch, timer, task, thread, handle, another scope) embeds a
 * `struct thing` and is born under a scope in one call; there is no instant at which it is nobody's.
 * A scope keeps its things in the order of their birth and ends them newest first: children before
 * parents, watch before descriptor. So there is no clean-up list to forget something in, and
 * whatever is alive is in the tree (see census.h).
 *
 * Two ways to hold a scope:
 *   - embedded: scope_begin(&x->scope, parent, "name"), ended by scope_end();
 *   - as an object: x = scope_new(parent, sizeof *x, "name"), whose first member is the scope;
 *     scope_end(&x->scope) ends what is below it and frees x itself.
 * A zeroed thing is one that was never born: ending it does nothing, so half-built objects can be
 * ended and an object's end can be written without conditions.
 *
 * Threads: a scope and its things belong to one thread at a time. A thread's own scope is begun by
 * its creator before the start and ended by it after the join. Ownership moves between threads
 * through a queue, and between scopes by thing_move().
 *
 * Budgets: a scope may limit how many things, and how many bytes, live anywhere below it. Beyond the
 * budget a birth is refused with -EDQUOT and the site is logged. Counting is atomic.
 *
 * Errors: 0 or -errno.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/birth.h"

struct scope;

struct thing {
    struct thing *newer, *older; /* siblings */
    struct scope *scope;         /* NULL: not alive */
    struct birth *birth;
    uint64_t bytes;
    void (*end)(struct thing *thing); /* gives back what it stands for; may free the thing itself */
};

struct budget {
    uint64_t max_things, max_bytes; /* 0: no limit */
    _Atomic uint64_t things, bytes;
    struct budget *outer;
};

struct scope {
    struct thing thing;
    struct thing *newest;
    struct budget *budget;   /* the nearest one that counts things born here, or NULL */
    struct budget own_budget;
    struct scope_chunk *arena;
    uint64_t arena_bytes; /* what its chunks take; in its birth record beside its own */
    uint32_t id;
};

/* The root of the process. Begun before main's first line, never ended; see census_at_exit(). */
extern struct scope scope_root;

int scope_begin(struct scope *s, struct scope *parent, const char *name);
void scope_end(struct scope *s);

/* An object that is a scope: `size` zeroed bytes that begin with a struct scope. NULL: errno says why. */
void *scope_new(struct scope *parent, size_t size, const char *name);

/* Must be called before anything is born below; 0 means no limit. */
void scope_set_budget(struct scope *s, uint64_t max_things, uint64_t max_bytes);

/* Memory that is freed with the scope, zeroed, aligned for anything. NULL and ENOMEM. */
void *scope_alloc(struct scope *s, size_t size);
char *scope_strdup(struct scope *s, const char *str);
char *scope_printf(struct scope *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * For those who make new kinds of things (fd.c, loop.c, ...): reserves the place in the tree first;
 * when what follows fails, thing_unborn() takes it back without calling `end`.
 */
int thing_begin(struct thing *t, struct scope *owner, enum birth_kind kind, const char *name,
                uint64_t bytes, void (*end)(struct thing *));
void thing_unborn(struct thing *t);

/* Ends one thing before its scope. Nothing for a thing that is not alive. */
void thing_end(struct thing *t);

/* Changes how many bytes the thing stands for; -EDQUOT leaves it as it was. */
int thing_resize(struct thing *t, uint64_t bytes);

static inline int thing_alive(const struct thing *t)
{
    return t->scope != NULL;
}

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
