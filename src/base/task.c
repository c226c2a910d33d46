#include "base/task.h"

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
