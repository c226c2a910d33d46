/*
 * task: something that runs until it ends: a thread, or an activity on a loop (the reader of an open
 * file, a send, a retry). What the predecessor called a goroutine. A closed idle file is no task.
 *
 * A task has a name, a kind, a start, the stack that started it, a scope, and a last sign of life.
 * The registry is the census itself: tasks are birth records, so listing them waits for nobody.
 *
 * A task says task_beat() whenever it gets somewhere and task_wait() before it waits for events; one
 * that is running and has not beaten for its kind's `heartbeat` hangs. One that is older than its
 * kind's `max_age` is a suspect; 0 means that this kind lives as long as its owner.
 *
 * Thread: a task belongs to the thread of its scope. Begin and end take some 150 ns with the stack.
 */
#pragma once

#include "base/scope.h"

struct task_kind {
    const char *name;  /* "file_reader", a label in metrics */
    int64_t heartbeat; /* ns; 0: none expected */
    int64_t max_age;   /* ns; 0: as old as its owner */
};

struct task {
    struct thing thing;
};

/* 0, -EDQUOT (the scope's budget), -EAGAIN (max_tasks reached: the birth is refused), -ENOMEM. */
int task_begin(struct task *t, struct scope *owner, const struct task_kind *kind, const char *name);
void task_end(struct task *t); /* nothing when not alive */
void task_beat(struct task *t);
void task_wait(struct task *t);

/* Tasks and threads together, and the limit beyond which births are refused (0: none). */
uint64_t task_count(void);
void task_set_limit(uint64_t max_tasks);
uint64_t task_refused(void); /* births refused by the limit so far */

/* Of a record of the census: a task or a thread; and what its kind is called, of other things what they are. */
static inline bool task_is(const struct birth_info *b)
{
    return b->kind == BIRTH_TASK || b->kind == BIRTH_THREAD;
}
static inline const char *task_kind_name(const struct birth_info *b)
{
    return b->task_kind ? b->task_kind->name : birth_kind_name(b->kind);
}

/* For thread.c. */
int task_begin_as(struct task *t, struct scope *owner, enum birth_kind kind,
                  const struct task_kind *task_kind, const char *name, void (*end)(struct thing *));
