#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/ticks.h"
#include "base/unwind.h"

/*
 * A place where a thread leaves its stack. The signal names the place and its generation, so that one that arrives late
 * finds that it is not meant any more. Places are static: a late signal may look at any of them at any time.
 */
enum phase { FREE, WANTED, WRITING, DONE, GIVEN_UP, PHASES = 8 };

struct place {
    _Atomic uint32_t state; /* generation * PHASES + phase */
    sem_t done;             /* posted at least once for each DONE */
    unsigned n;
    uintptr_t frames[PROBE_FRAMES];
};

static struct place places[PROBE_AT_ONCE];
static _Atomic bool prepared;

static void leave_stack(struct place *p, uint32_t wanted, const void *context)
{
    uint32_t writing = wanted - WANTED + WRITING;
    if (!atomic_compare_exchange_strong(&p->state, &wanted, writing))
        return;
    p->n = unwind_signal(context, p->frames, PROBE_FRAMES);
    uint32_t now = writing;
    if (atomic_compare_exchange_strong(&p->state, &now, writing - WRITING + DONE))
        sem_post(&p->done);
    else
        atomic_store(&p->state, writing - WRITING + PHASES + FREE);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    int error = errno;
    uintptr_t value = (uintptr_t)info->si_value.sival_ptr;
    if (info->si_code == SI_TIMER)
        ticks_leave(context);
    else if (info->si_code == SI_QUEUE && info->si_pid == getpid())
        leave_stack(&places[value % PROBE_AT_ONCE], (uint32_t)(value / PROBE_AT_ONCE), context);
    errno = error;
}

void probe_prepare(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (atomic_exchange(&prepared, true))
        return;
    unwind_prepare();
    for (unsigned i = 0; i < PROBE_AT_ONCE; i++)
        sem_init(&places[i].done, 0, 0);
    sigfillset(&action.sa_mask);
    sigaction(PROBE_SIGNAL, &action, NULL);
}

/* NULL: all are in use. */
static struct place *place_take(uint32_t *wanted)
{
    for (unsigned i = 0; i < PROBE_AT_ONCE; i++) {
        uint32_t state = atomic_load(&places[i].state);
        *wanted = state + WANTED;
        if (state % PHASES == FREE && atomic_compare_exchange_strong(&places[i].state, &state, *wanted))
            return &places[i];
    }
    return NULL;
}

static void ask(struct place *p, uint32_t wanted, pid_t tid)
{
    siginfo_t info = {.si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)((uintptr_t)wanted * PROBE_AT_ONCE + (uintptr_t)(p - places));
    syscall(SYS_rt_tgsigqueueinfo, info.si_pid, tid, PROBE_SIGNAL, &info);
}

static bool is_done(struct place *p, int64_t until)
{
    struct timespec end = {until / SECOND, until % SECOND};
    for (;;) {
        if (atomic_load(&p->state) % PHASES == DONE)
            return true;
        if (sem_clockwait(&p->done, CLOCK_MONOTONIC, &end) < 0 && errno == ETIMEDOUT)
            return atomic_load(&p->state) % PHASES == DONE;
    }
}

/* A signal may be lost when one of a timer was already on its way to the thread: it is sent again meanwhile. */
static void receive(struct place *p, uint32_t wanted, struct probe *t, int64_t end)
{
    bool done;
    for (int64_t next;; ask(p, wanted, t->tid)) {
        next = clock_mono() + 10 * MILLISECOND;
        done = is_done(p, next < end ? next : end);
        if (done || clock_mono() >= end)
            break;
    }
    uint32_t state = wanted;
    if (!done && atomic_compare_exchange_strong(&p->state, &state, wanted - WANTED + PHASES + FREE))
        return;
    /* It has begun to write; that ends, unless somebody holds that thread with a debugger. */
    if (!done && !is_done(p, clock_mono() + SECOND)) {
        state = wanted - WANTED + WRITING;
        if (atomic_compare_exchange_strong(&p->state, &state, wanted - WANTED + GIVEN_UP))
            return;
    }
    t->reached = p->n > 0;
    t->n = p->n;
    memcpy(t->frames, p->frames, p->n * sizeof *p->frames);
    atomic_store(&p->state, wanted - WANTED + PHASES + FREE);
}

static void read_text(pid_t tid, const char *name, char *text, size_t size, struct scope *scratch)
{
    char path[64];
    struct fd f;
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)tid, name);
    text[0] = 0;
    if (fd_open(&f, scratch, path, O_RDONLY, 0) < 0)
        return;
    ssize_t n = fd_read(f.n, text, size - 1);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    fd_close(&f);
}

/* "123 (name) S ..."; the name may hold anything. */
static void describe(struct probe *t, struct scope *scratch)
{
    char text[256];
    read_text(t->tid, "stat", text, sizeof text, scratch);
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open || strlen(close) < 3)
        return;
    *close = 0;
    snprintf(t->name, sizeof t->name, "%s", open + 1);
    t->state = close[2];
}

static unsigned list(struct probe *probes, unsigned max, struct scope *scratch, int *error)
{
    struct dir d;
    unsigned n = 0;
    *error = dir_open(&d, scratch, "/proc/self/task");
    if (*error < 0)
        return 0;
    for (struct dirent *e; n < max && (e = dir_next(&d));)
        if (e->d_name[0] != '.')
            probes[n++] = (struct probe){.tid = (pid_t)atoi(e->d_name), .state = '?'};
    dir_close(&d);
    return n;
}

int probe_threads(struct probe *probes, unsigned max, int64_t patience, struct scope *scratch)
{
    struct place *at[PROBE_AT_ONCE];
    uint32_t wanted[PROBE_AT_ONCE];
    int error;
    unsigned n = list(probes, max, scratch, &error);

    for (unsigned i = 0; i < n; i++)
        describe(&probes[i], scratch);
    for (unsigned first = 0, last; first < n && atomic_load(&prepared); first = last) {
        int64_t end = clock_mono() + patience;
        for (last = first; last < n && last - first < PROBE_AT_ONCE; last++) {
            at[last - first] = place_take(&wanted[last - first]);
            if (at[last - first])
                ask(at[last - first], wanted[last - first], probes[last].tid);
        }
        for (unsigned i = first; i < last; i++)
            if (at[i - first])
                receive(at[i - first], wanted[i - first], &probes[i], end);
    }
    for (unsigned i = 0; i < n; i++)
        if (!probes[i].reached)
            read_text(probes[i].tid, "wchan", probes[i].where, sizeof probes[i].where, scratch);
    return error < 0 ? error : (int)n;
}

char probe_state(pid_t tid, struct scope *scratch)
{
    struct probe t = {.tid = tid, .state = '?'};
    describe(&t, scratch);
    return t.state;
}
