/*
 * task: something that runs until it ends: a thread, or an activity on a loop (the reader of an open
 * file, a send, a retry). What the predecessor called a goroutine. A closed idle file is no task.
 *
 * A task has a name, a kind, a start, the stack that started it, a scope, and a last sign of life.
 * The registry is the census itself: tasks are birth records, so listing them waits for nobody.
 *
 * A task says task_beat() whenever it gets somewhere and task_wait() before it waits for events; one
 * that is running and has not beaten for its kind's `heartbeat` hangs. One that is older than its
 * kind's `max_age` is a suspect; 0 means that this kind lives as long as its owner. What waits hangs only if whoever owns it
 * finds so, by asking the other side: it says task_begun_anew() then.
 *
 * Thread: a task belongs to the thread of its scope. Begin and end take some 150 ns with the stack.
 */
#pragma once

#include "base/scope.h"

/* What is done about one that misses its heartbeat. It is reported, always. */
enum task_remedy {
    TASK_REPORTED,    /* and that is all: its end is a time limit's, or its owner's */
    TASK_BEGUN_ANEW,  /* its owner ends it, begins it again, and says task_begun_anew() */
    TASK_NEW_PROCESS, /* it cannot be ended alone, as a thread cannot: see leak/watch/hung.h */
};
enum { TASK_HEARTBEATS = 2 }; /* without a sign of life: it hangs */

struct task_kind {
    const char *name;  /* "file_reader", a label in metrics */
    int64_t heartbeat; /* ns; 0: none expected */
    int64_t max_age;   /* ns; 0: as old as its owner */
    uint64_t most;     /* at the same time; 0: that is not known here */
    enum task_remedy remedy;
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

/* ns without a sign of life; 0: it does not hang. now: clock_mono(). */
static inline int64_t task_hangs(const struct birth_info *b, int64_t now)
{
    int64_t most = task_is(b) && b->task_kind ? TASK_HEARTBEATS * b->task_kind->heartbeat : 0;
    return most && b->state == BIRTH_RUNNING && now - b->beat > most ? now - b->beat : 0;
}

/* Any thread: its owner ended one of this kind that had missed its heartbeat, and began it again. */
void task_begun_anew(const struct task_kind *kind);
/* Kinds with a remedy, of which there was a task since the start, and how often one was begun anew. Any thread. */
void task_remedies(void (*fn)(const struct task_kind *kind, uint64_t begun_anew, void *arg), void *arg);
const char *task_remedy_name(enum task_remedy remedy); /* "reported", "begun anew", "new process" */

/* For thread.c. */
int task_begin_as(struct task *t, struct scope *owner, enum birth_kind kind,
                  const struct task_kind *task_kind, const char *name, void (*end)(struct thing *));
