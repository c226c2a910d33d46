#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"

enum { ROOM = 16 * 1024 };

extern char **environ;

/* 0: it had been waited for by somebody else, who knows what became of it. */
static int wait_for_it(pid_t pid)
{
    int status;
    pid_t r;
    do
        r = waitpid(pid, &status, 0);
    while (r < 0 && errno == EINTR);
    return r < 0 ? 0 : status;
}

/* Its number may be another's by now, if somebody else waited for it. */
static bool is_ours(pid_t pid)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void child_thing_end(struct thing *t)
{
    struct child *c = container_of(t, struct child, thing);
    fd_close(&c->in);
    fd_close(&c->out);
    if (c->pid && is_ours(c->pid)) {
        kill(c->pid, SIGKILL);
        wait_for_it(c->pid);
    }
    c->pid = 0;
}

static int spawn(struct child *c, const char *const argv[], int in, int out)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, standard;

    if (fault_here("spawn"))
        return -errno;
    int r = posix_spawn_file_actions_init(&files);
    if (r)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r) {
        posix_spawn_file_actions_destroy(&files);
        return -r;
    }
    sigemptyset(&none);
    sigfillset(&standard);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &standard);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    r = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1); /* a program that we are a part of may have such */
    if (r == 0)
        r = posix_spawn(&c->pid, argv[0], &files, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (r)
        c->pid = 0;
    return -r;
}

/* The child's ends of the pipes wait, as programs expect. */
static int blocking(int n)
{
    return fcntl(n, F_SETFL, fcntl(n, F_GETFL) & ~O_NONBLOCK) < 0 ? -errno : 0;
}

int child_begin(struct child *c, struct scope *owner, const char *const argv[])
{
    struct fd in = {.n = -1}, out = {.n = -1};
    *c = (struct child){.in.n = -1, .out.n = -1};
    int r = thing_begin(&c->thing, owner, BIRTH_PROCESS, argv[1] ? argv[1] : argv[0], 0, child_thing_end);
    if (r < 0)
        return r;
    r = fd_pipe(&in, &c->in, owner, "to child");
    if (r == 0)
        r = fd_pipe(&c->out, &out, owner, "from child");
    if (r == 0)
        r = blocking(in.n);
    if (r == 0)
        r = blocking(out.n);
    if (r == 0)
        r = spawn(c, argv, in.n, out.n);
    if (r == 0)
        birth_set_fd(c->thing.birth, c->pid);
    fd_close(&in);
    fd_close(&out);
    if (r < 0)
        child_end(c);
    return r;
}

void child_end(struct child *c)
{
    thing_end(&c->thing);
}

/* 1: its output has ended. */
static int take_output(struct child *c, struct buf *answer)
{
    int r = buf_reserve(answer, ROOM);
    if (r < 0)
        return r;
    ssize_t n = fd_read(c->out.n, answer->data + answer->len, ROOM);
    if (n == -EAGAIN)
        return 0;
    if (n <= 0)
        return n < 0 ? (int)n : 1;
    answer->len += (size_t)n;
    answer->data[answer->len] = 0;
    return 0;
}

static int give_input(struct child *c, const char **ask, size_t *size)
{
    ssize_t n = *size ? fd_write(c->in.n, *ask, *size) : 0;
    if (n == -EAGAIN)
        return 0;
    if (n < 0)
        return (int)n;
    *ask += n;
    *size -= (size_t)n;
    if (*size == 0)
        fd_close(&c->in);
    return 0;
}

static int reap(struct child *c)
{
    int status = wait_for_it(c->pid);
    c->pid = 0;
    return status == 0 ? 0 : -EIO;
}

int child_exchange(struct child *c, const void *ask, size_t size, struct buf *answer, int64_t patience, int cancel)
{
    int64_t end = clock_mono() + patience;
    const char *rest = ask;
    for (;;) {
        /* A negative number is passed over. */
        struct pollfd fds[] = {{c->out.n, POLLIN, 0}, {c->in.n, POLLOUT, 0}, {cancel, POLLIN, 0}};
        int64_t left = end - clock_mono();
        if (left <= 0)
            return -ETIMEDOUT;
        if (poll(fds, 3, (int)(left / MILLISECOND) + 1) < 0 && errno != EINTR)
            return -errno;
        if (fds[2].revents)
            return -ECANCELED;
        int r = fds[1].revents ? give_input(c, &rest, &size) : 0;
        if (r == 0 && fds[0].revents)
            r = take_output(c, answer);
        if (r > 0)
            return reap(c);
        if (r < 0)
            return r == -EPIPE ? -EIO : r;
    }
}

void child_bind(unsigned seconds)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(seconds);
}
