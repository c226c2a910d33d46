/*
 * thread: a kernel thread under a scope.
 *
 * thread_begin() makes the thread's own scope below `owner`, then starts run(thread). Whatever the
 * thread creates, it creates below `thread->scope`. thread_end() (or the end of the owner) calls
 * `stop`, joins, and ends that scope: the owner waits for nothing but what `stop` makes return.
 *
 * Threads: begin and end belong to the owner's thread; `stop` is called there and must be safe
 * against the running thread (loop_stop() is). Signals are blocked in all threads but main, all but
 * that of base/probe.h.
 */
#pragma once

#include <pthread.h>

#include "base/task.h"

struct thread {
    struct task task;
    struct scope scope; /* the thread's own while it runs */
    pthread_t id;
    void (*run)(struct thread *thread);
    void (*stop)(struct thread *thread);
    void *arg;
};

int thread_begin(struct thread *t, struct scope *owner, const char *name,
                 void (*run)(struct thread *), void (*stop)(struct thread *), void *arg);
void thread_end(struct thread *t); /* nothing when not alive */
