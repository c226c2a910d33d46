#include "base/task.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"

static _Atomic uint64_t limit, refused;

uint64_t task_count(void)
{
    return birth_count(BIRTH_TASK) + birth_count(BIRTH_THREAD);
}

void task_set_limit(uint64_t max_tasks)
{
    atomic_store_explicit(&limit, max_tasks, memory_order_relaxed);
}

uint64_t task_refused(void)
{
    return atomic_load_explicit(&refused, memory_order_relaxed);
}

/* ---- kinds with a remedy ---- */

enum { REMEDIES = 16 }; /* as many kinds, at most, that say TASK_BEGUN_ANEW or TASK_NEW_PROCESS */

static struct {
    const struct task_kind *_Atomic kind; /* set once */
    _Atomic uint64_t begun_anew;
} remedies[REMEDIES];

/* Its place; taken when it has none yet. */
static unsigned remedy_of(const struct task_kind *kind)
{
    for (unsigned i = 0; i < REMEDIES; i++) {
        const struct task_kind *here = NULL;
        if (atomic_compare_exchange_strong(&remedies[i].kind, &here, kind) || here == kind)
            return i;
    }
    assert(!"more kinds with a remedy than REMEDIES");
    return 0;
}

void task_begun_anew(const struct task_kind *kind)
{
    atomic_fetch_add(&remedies[remedy_of(kind)].begun_anew, 1);
}

void task_remedies(void (*fn)(const struct task_kind *kind, uint64_t begun_anew, void *arg), void *arg)
{
    for (unsigned i = 0; i < REMEDIES; i++) {
        const struct task_kind *kind = atomic_load(&remedies[i].kind);
        if (kind)
            fn(kind, atomic_load(&remedies[i].begun_anew), arg);
    }
}

const char *task_remedy_name(enum task_remedy remedy)
{
    static const char *const names[] = {"reported", "begun anew", "new process"};
    return names[remedy];
}

/* ---- life ---- */

int task_begin_as(struct task *t, struct scope *owner, enum birth_kind kind,
                  const struct task_kind *task_kind, const char *name, void (*end)(struct thing *))
{
    uint64_t max = atomic_load_explicit(&limit, memory_order_relaxed);
    if (max && task_count() >= max) {
        atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
        return -EAGAIN;
    }
    int r = thing_begin(&t->thing, owner, kind, name, 0, end);
    if (r < 0)
        return r;
    birth_set_task_kind(t->thing.birth, task_kind);
    if (task_kind->remedy != TASK_REPORTED)
        (void)remedy_of(task_kind);
    return 0;
}

int task_begin(struct task *t, struct scope *owner, const struct task_kind *kind, const char *name)
{
    *t = (struct task){0};
    return task_begin_as(t, owner, BIRTH_TASK, kind, name, NULL);
}

void task_end(struct task *t)
{
    thing_end(&t->thing);
}

void task_beat(struct task *t)
{
    birth_beat(t->thing.birth, BIRTH_RUNNING, clock_mono());
}

void task_wait(struct task *t)
{
    birth_beat(t->thing.birth, BIRTH_WAITING, clock_mono());
}
