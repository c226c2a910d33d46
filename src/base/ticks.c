#include "base/ticks.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/probe.h"
#include "base/unwind.h"

/*
 * A ring of many writers and one reader. A writer takes the next turn, and the slot is its own until it has
 * stored turn + 1 in `ready`; a turn whose slot has not been read is not taken. It stays for the next
 * measurement: a signal may still be on its way when one ends.
 */
struct slot {
    _Atomic uint64_t ready; /* the turn that can be read, plus one */
    struct tick tick;
};

static struct slot *_Atomic ring;
static _Atomic uint64_t written, taken, missed;
static _Atomic bool measuring, in_use;

void ticks_leave(const void *context)
{
    struct slot *slots = atomic_load(&ring);
    if (!atomic_load(&measuring) || !slots)
        return;
    uint64_t turn = atomic_load(&written);
    do {
        if (turn - atomic_load(&taken) >= TICKS_ROOM) {
            atomic_fetch_add(&missed, 1);
            return;
        }
    } while (!atomic_compare_exchange_weak(&written, &turn, turn + 1));
    struct slot *s = &slots[turn % TICKS_ROOM];
    s->tick.tid = gettid();
    s->tick.n = unwind_signal(context, s->tick.frames, TICK_FRAMES);
    atomic_store_explicit(&s->ready, turn + 1, memory_order_release);
}

bool ticks_take(struct tick *tick)
{
    struct slot *slots = atomic_load(&ring);
    uint64_t turn = atomic_load(&taken);
    if (!slots || atomic_load_explicit(&slots[turn % TICKS_ROOM].ready, memory_order_acquire) != turn + 1)
        return false;
    *tick = slots[turn % TICKS_ROOM].tick;
    atomic_store(&taken, turn + 1);
    return true;
}

uint64_t ticks_missed(void)
{
    return atomic_load(&missed);
}

/* The kernel's number for a thread's processor time (CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED, linux/posix-timers.h). */
static clockid_t clock_of(pid_t tid)
{
    return (clockid_t)(~(unsigned)tid << 3 | 4 | 2);
}

/* The call itself: glibc's wrapper keeps memory for each timer. */
static int add(struct ticks *t, pid_t tid)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = PROBE_SIGNAL};
    struct itimerspec spec = {.it_interval = {t->period / SECOND, t->period % SECOND}};
    int id;
    event._sigev_un._tid = tid;
    spec.it_value = spec.it_interval;
    for (unsigned i = 0; i < t->n; i++)
        if (t->timers[i].tid == tid)
            return 0;
    if (t->n == TICK_THREADS)
        return -E2BIG;
    if (fault_here("timer_create") || syscall(SYS_timer_create, clock_of(tid), &event, &id) < 0)
        return errno == ESRCH || errno == EINVAL ? 0 : -errno; /* the thread has ended meanwhile */
    t->timers[t->n].tid = tid;
    t->timers[t->n++].id = id;
    return syscall(SYS_timer_settime, id, 0, &spec, NULL) < 0 ? -errno : 0;
}

int ticks_find(struct ticks *t, struct scope *scratch)
{
    struct dir d;
    int r = dir_open(&d, scratch, "/proc/self/task");
    if (r < 0)
        return r;
    for (struct dirent *e; r == 0 && (e = dir_next(&d));)
        if (e->d_name[0] != '.')
            r = add(t, (pid_t)atoi(e->d_name));
    dir_close(&d);
    return r;
}

static void ticks_thing_end(struct thing *thing)
{
    struct ticks *t = container_of(thing, struct ticks, thing);
    struct tick rest;
    atomic_store(&measuring, false);
    while (t->n)
        syscall(SYS_timer_delete, t->timers[--t->n].id);
    while (ticks_take(&rest))
        ;
    atomic_store(&in_use, false);
}

static int prepare(void)
{
    if (atomic_load(&ring))
        return 0;
    struct slot *slots = mem_raw_alloc(TICKS_ROOM * sizeof *slots);
    atomic_store(&ring, slots);
    return slots ? 0 : -ENOMEM;
}

int ticks_begin(struct ticks *t, struct scope *owner, int64_t period)
{
    *t = (struct ticks){.period = period};
    if (atomic_exchange(&in_use, true))
        return -EBUSY;
    int r = prepare();
    if (r == 0)
        r = thing_begin(&t->thing, owner, BIRTH_HANDLE, "processor timers", 0, ticks_thing_end);
    if (r < 0) {
        atomic_store(&in_use, false);
        return r;
    }
    atomic_store(&missed, 0);
    atomic_store(&measuring, true);
    r = ticks_find(t, owner);
    if (r < 0)
        ticks_end(t);
    return r;
}

void ticks_end(struct ticks *t)
{
    thing_end(&t->thing);
}
