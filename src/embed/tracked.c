#include "embed/tracked.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/utf8.h"

static struct tracked_kind kinds[LEAK_KINDS];
static _Atomic unsigned n_kinds;
static pthread_mutex_t kinds_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct task_kind *find_kind(const char *name)
{
    unsigned n = atomic_load_explicit(&n_kinds, memory_order_acquire);
    for (unsigned i = 0; i < n; i++)
        if (strncmp(kinds[i].said, name, sizeof kinds->said - 1) == 0)
            return &kinds[i].kind;
    return NULL;
}

/* 0, -EEXIST or -ENOSPC. */
static int add_kind(const char *name, const struct leak_kind_options *o)
{
    pthread_mutex_lock(&kinds_lock);
    unsigned n = atomic_load(&n_kinds);
    int r = find_kind(name) ? -EEXIST : n < LEAK_KINDS ? 0 : -ENOSPC;
    if (r == 0) {
        struct tracked_kind *k = &kinds[n];
        size_t shown, fits = utf8_fit(name, strlen(name), sizeof k->name - 1, &shown);
        snprintf(k->said, sizeof k->said, "%s", name);
        k->name[utf8_repair(name, fits, k->name)] = 0;
        k->kind = (struct task_kind){.name = k->name, .heartbeat = o->heartbeat_ms * MILLISECOND,
                                     .max_age = o->max_age_ms * MILLISECOND, .most = o->most};
        k->on_hang = o->on_hang;
        k->arg = o->arg;
        atomic_store_explicit(&n_kinds, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&kinds_lock);
    return r;
}

int leak_kind(const char *kind, const struct leak_kind_options *options)
{
    static const struct leak_kind_options standard;
    return add_kind(kind, options ? options : &standard);
}

static const struct task_kind *kind_of(const char *name)
{
    const struct task_kind *k = find_kind(name);
    if (!k)
        (void)leak_kind(name, NULL); /* somebody else may just have done so */
    return k ? k : find_kind(name);
}

static _Atomic uint64_t tracked;

static struct birth *birth_of(struct leak_tracked *t)
{
    return (struct birth *)t;
}

struct leak_tracked *leak_begin(const char *kind, const char *name)
{
    const struct task_kind *k = kind_of(kind);
    struct birth *b = k ? birth_new(BIRTH_TASK, 0, name ? name : "", 0) : NULL;
    if (b) {
        birth_set_task_kind(b, k);
        atomic_fetch_add_explicit(&tracked, 1, memory_order_relaxed);
    }
    return (struct leak_tracked *)b;
}

void leak_end(struct leak_tracked *t)
{
    if (!t)
        return;
    atomic_fetch_sub_explicit(&tracked, 1, memory_order_relaxed);
    birth_free(birth_of(t));
}

void leak_beat(struct leak_tracked *t)
{
    if (t)
        birth_beat(birth_of(t), BIRTH_RUNNING, clock_mono());
}

void leak_wait(struct leak_tracked *t)
{
    if (t)
        birth_beat(birth_of(t), BIRTH_WAITING, clock_mono());
}

uint64_t leak_id(const struct leak_tracked *t)
{
    return t ? birth_id((const struct birth *)t) : 0;
}

uint64_t leak_count(void)
{
    return atomic_load(&tracked);
}
