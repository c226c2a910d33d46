/*
 * For LD_PRELOAD: plants leaks under the unchanged program. Environment LEAK names a file with one word, read at most every
 * 10 ms, empty or missing for none:
 *
 *     close N    each N-th close() of a regular file does nothing
 *     thread     one thread is started that nobody knows
 *     free N     each N-th free() of 32 bytes or more does nothing
 *     hang       the next fdatasync() never returns
 *     disk       the same, and the kernel holds the thread, as when a disk does not answer
 *
 * What is done once is done once in the process.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CLOSE, THREAD, FREE, HANG, DISK, WORDS };

static _Atomic int64_t looked;
static _Atomic long wanted[WORDS], counted[WORDS];
static _Atomic int once[WORDS];

static int64_t now_ms(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* System calls alone: it is asked from within free(). */
static void look(void)
{
    static const char *const words[WORDS] = {"close", "thread", "free", "hang", "disk"};
    const char *path = getenv("LEAK");
    int64_t ms = now_ms(), last = looked;
    char text[64] = "";
    if (!path || ms - last < 10 || !__atomic_compare_exchange_n((int64_t *)&looked, &last, ms, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!syscall(SYS_read, fd, text, sizeof text - 1);
        syscall(SYS_close, fd);
    }
    for (int i = 0; i < WORDS; i++) {
        size_t n = strlen(words[i]);
        long every = strncmp(text, words[i], n) == 0 ? 1 : 0;
        if (every && text[n] == ' ')
            every = strtol(text + n, NULL, 10);
        wanted[i] = every;
    }
}

static int due(int word)
{
    look();
    return wanted[word] && ++counted[word] % wanted[word] == 0;
}

static int due_once(int word)
{
    look();
    return wanted[word] && !__atomic_exchange_n((int *)&once[word], 1, __ATOMIC_SEQ_CST);
}

static void *sleep_for_ever(void *arg)
{
    pthread_setname_np(pthread_self(), "nobodys");
    for (;;)
        pause();
    return arg;
}

static int end_with_parent(void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
    return 0;
}

/* What vfork() does: this thread is in state D until the child ends, which is with the process. */
static void be_held(void)
{
    static char stack[16 << 10] __attribute__((aligned(16)));
    clone(end_with_parent, stack + sizeof stack, CLONE_VM | CLONE_VFORK, NULL);
}

static int regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int close(int fd)
{
    pthread_t thread;
    if (regular(fd)) {
        if (due_once(THREAD))
            pthread_create(&thread, NULL, sleep_for_ever, NULL);
        if (due(CLOSE))
            return 0;
    }
    return (int)syscall(SYS_close, fd);
}

void free(void *p)
{
    static void (*real)(void *);
    if (!p)
        return;
    if (!real)
        real = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    if (malloc_usable_size(p) >= 32 && due(FREE))
        return;
    real(p);
}

int fdatasync(int fd)
{
    if (due_once(HANG))
        sleep_for_ever(NULL);
    if (due_once(DISK))
        be_held();
    return (int)syscall(SYS_fdatasync, fd);
}
