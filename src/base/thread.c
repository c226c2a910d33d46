#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/probe.h"

static const struct task_kind thread_kind = {.name = "thread", .heartbeat = 10 * SECOND, .remedy = TASK_NEW_PROCESS};

enum { STACK_BYTES = 512 * 1024, COMM_MAX = 15 };

static void *thread_main(void *arg)
{
    struct thread *t = arg;
    birth_set_fd(t->task.thing.birth, gettid());
    t->run(t);
    return NULL;
}

static void thread_thing_end(struct thing *thing)
{
    struct thread *t = container_of(thing, struct thread, task.thing);
    if (t->stop)
        t->stop(t);
    pthread_join(t->id, NULL);
    scope_end(&t->scope);
}

static int start(struct thread *t, const char *name)
{
    pthread_attr_t attr;
    sigset_t all, before;
    char comm[COMM_MAX + 1] = {0};

    if (fault_here("pthread_create"))
        return -errno;
    int r = pthread_attr_init(&attr);
    if (r)
        return -r;
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    sigdelset(&all, PROBE_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r = pthread_create(&t->id, &attr, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r)
        return -r;
    memcpy(comm, name, strnlen(name, COMM_MAX));
    pthread_setname_np(t->id, comm);
    return 0;
}

int thread_begin(struct thread *t, struct scope *owner, const char *name,
                 void (*run)(struct thread *), void (*stop)(struct thread *), void *arg)
{
    *t = (struct thread){.run = run, .stop = stop, .arg = arg};
    /* The scope stands below the owner but is ended by the thread's own end, after the join. */
    int r = scope_begin(&t->scope, owner, name);
    if (r < 0)
        return r;
    r = task_begin_as(&t->task, owner, BIRTH_THREAD, &thread_kind, name, thread_thing_end);
    if (r == 0) {
        r = start(t, name);
        if (r < 0)
            thing_unborn(&t->task.thing);
    }
    if (r < 0)
        scope_end(&t->scope);
    return r;
}

void thread_end(struct thread *t)
{
    thing_end(&t->task.thing);
}
