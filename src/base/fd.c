#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"

enum { STANDARD_STREAMS = 3, KEPT_MOST = 64 /* descriptors for those who cannot do with fewer */ };

static void fd_thing_end(struct thing *t)
{
    struct fd *f = container_of(t, struct fd, thing);
    close(f->n);
    f->n = -1;
}

/* Takes the place in the tree; the caller then opens and calls settle() with what came of it. */
static int reserve(struct fd *f, struct scope *owner, const char *name)
{
    *f = (struct fd){.n = -1};
    return thing_begin(&f->thing, owner, BIRTH_FD, name, 0, fd_thing_end);
}

static int settle(struct fd *f, int n)
{
    if (n < 0) {
        int err = errno;
        thing_unborn(&f->thing);
        return -err;
    }
    f->n = n;
    birth_set_fd(f->thing.birth, n);
    return 0;
}

int fd_open(struct fd *f, struct scope *owner, const char *path, int flags, mode_t mode)
{
    const char *base = strrchr(path, '/');
    int r = reserve(f, owner, base && base[1] ? base + 1 : path);
    if (r < 0)
        return r;
    return settle(f, fault_here("open") ? -1 : open(path, flags | O_CLOEXEC, mode));
}

int fd_socket(struct fd *f, struct scope *owner, int domain, int type, int protocol)
{
    int r = reserve(f, owner, "socket");
    if (r < 0)
        return r;
    return settle(f, fault_here("socket")
                         ? -1
                         : socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

int fd_accept(struct fd *f, struct scope *owner, int listener, struct sockaddr *from, socklen_t *len)
{
    int r = reserve(f, owner, "accepted");
    if (r < 0)
        return r;
    return settle(f, fault_here("accept")
                         ? -1
                         : accept4(listener, from, len, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

int fd_epoll(struct fd *f, struct scope *owner)
{
    int r = reserve(f, owner, "epoll");
    if (r < 0)
        return r;
    return settle(f, fault_here("epoll") ? -1 : epoll_create1(EPOLL_CLOEXEC));
}

int fd_event(struct fd *f, struct scope *owner, const char *name)
{
    int r = reserve(f, owner, name);
    if (r < 0)
        return r;
    return settle(f, fault_here("eventfd") ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int fd_signal(struct fd *f, struct scope *owner, const sigset_t *set)
{
    int r = reserve(f, owner, "signals");
    if (r < 0)
        return r;
    return settle(f, fault_here("signalfd") ? -1 : signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int fd_inotify(struct fd *f, struct scope *owner)
{
    int r = reserve(f, owner, "inotify");
    if (r < 0)
        return r;
    return settle(f, fault_here("inotify") ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
}

int fd_inotify_add(int n, const char *path, uint32_t mask)
{
    if (fault_here("inotify_add_watch"))
        return -errno;
    int wd = inotify_add_watch(n, path, mask);
    return wd < 0 ? -errno : wd;
}

int fd_pipe(struct fd *reader, struct fd *writer, struct scope *owner, const char *name)
{
    int n[2] = {-1, -1};
    int r = reserve(reader, owner, name);
    if (r < 0)
        return r;
    r = reserve(writer, owner, name);
    if (r < 0) {
        thing_unborn(&reader->thing);
        return r;
    }
    if (fault_here("pipe") || pipe2(n, O_CLOEXEC | O_NONBLOCK) < 0) {
        r = settle(writer, -1);
        thing_unborn(&reader->thing);
        return r;
    }
    settle(reader, n[0]);
    settle(writer, n[1]);
    return 0;
}

int fd_memory(struct fd *f, struct scope *owner, const char *name)
{
    int r = reserve(f, owner, name);
    if (r < 0)
        return r;
    return settle(f, fault_here("memfd") ? -1 : memfd_create(name, MFD_CLOEXEC));
}

int fd_release(struct fd *f)
{
    int n = f->n;
    thing_unborn(&f->thing);
    f->n = -1;
    return n;
}

/* ---- what libraries open ---- */

static _Thread_local struct fd_expected *expected;

static void forget(struct thing *t)
{
    container_of(t, struct fd, thing)->n = -1;
}

int fd_expect_begin(struct fd_expected *e, struct scope *owner, const char *name)
{
    *e = (struct fd_expected){.fds = {{.n = -1}, {.n = -1}}};
    int r = thing_begin(&e->fds[0].thing, owner, BIRTH_FD, name, 0, forget);
    if (r == 0)
        r = thing_begin(&e->fds[1].thing, owner, BIRTH_FD, name, 0, forget);
    if (r < 0)
        thing_end(&e->fds[0].thing);
    else
        expected = e;
    return r;
}

void fd_expect_end(struct fd_expected *e)
{
    expected = NULL;
    for (unsigned i = e->n; i < 2; i++)
        thing_end(&e->fds[i].thing);
}

static void came(int n)
{
    if (expected && expected->n < 2)
        settle(&expected->fds[expected->n++], n);
}

/*
 * The dynamic linker finds a program's own definition before that of libc: what libcurl calls is these. They do what
 * libc's do.
 */
int socketpair(int domain, int type, int protocol, int n[2])
{
    if (fault_here("socketpair") || syscall(SYS_socketpair, domain, type, protocol, n) < 0)
        return -1;
    came(n[0]);
    came(n[1]);
    return 0;
}

int eventfd(unsigned count, int flags)
{
    int n = (int)syscall(SYS_eventfd2, count, flags);
    if (n >= 0)
        came(n);
    return n;
}

int fd_of_library(struct fd *f, struct scope *owner, int n, const char *name)
{
    *f = (struct fd){.n = -1};
    int r = thing_begin(&f->thing, owner, BIRTH_FD, name, 0, forget);
    return r < 0 ? r : settle(f, n);
}

void fd_close(struct fd *f)
{
    thing_end(&f->thing);
}

bool fd_scarce(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t kept = limit.rlim_cur / 4 < KEPT_MOST ? limit.rlim_cur / 4 : KEPT_MOST;
    return STANDARD_STREAMS + birth_count(BIRTH_FD) + kept >= limit.rlim_cur;
}

#define RESTARTED(what, call)                                      \
    do {                                                           \
        if (fault_here(what))                                      \
            return -errno;                                         \
        ssize_t r_;                                                \
        do                                                         \
            r_ = (call);                                           \
        while (r_ < 0 && errno == EINTR);                          \
        return r_ < 0 ? -errno : r_;                               \
    } while (0)

ssize_t fd_read(int n, void *data, size_t size)
{
    RESTARTED("read", read(n, data, size));
}

ssize_t fd_pread(int n, void *data, size_t size, uint64_t offset)
{
    RESTARTED("pread", pread(n, data, size, (off_t)offset));
}

ssize_t fd_preadv(int n, const struct iovec *iov, int count, uint64_t offset)
{
    RESTARTED("preadv", preadv(n, iov, count, (off_t)offset));
}

ssize_t fd_write(int n, const void *data, size_t size)
{
    RESTARTED("write", write(n, data, size));
}

ssize_t fd_writev(int n, const struct iovec *iov, int count)
{
    RESTARTED("writev", writev(n, iov, count));
}

int fd_write_all(int n, const void *data, size_t size)
{
    while (size) {
        ssize_t r = fd_write(n, data, size);
        if (r < 0)
            return (int)r;
        data = (const char *)data + r;
        size -= (size_t)r;
    }
    return 0;
}

int fd_sync(int n)
{
    if (fault_here("fdatasync"))
        return -errno;
    return fdatasync(n) < 0 ? -errno : 0;
}

int fd_sync_names(int n)
{
    if (fault_here("fsync"))
        return -errno;
    return fsync(n) < 0 && errno != EINVAL && errno != EBADF ? -errno : 0;
}

int fd_truncate(int n, uint64_t size)
{
    if (fault_here("ftruncate"))
        return -errno;
    return ftruncate(n, (off_t)size) < 0 ? -errno : 0;
}

int fd_path(int n, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", n);
    ssize_t length = readlink(link, path, size);
    if (length < 0)
        return -errno;
    if ((size_t)length == size)
        return -ENAMETOOLONG;
    path[length] = 0;
    return 0;
}

int file_stat(const char *path, struct stat *st)
{
    if (fault_here("stat"))
        return -errno;
    return stat(path, st) < 0 ? -errno : 0;
}

int file_rename(const char *from, const char *to)
{
    if (fault_here("rename"))
        return -errno;
    return rename(from, to) < 0 ? -errno : 0;
}

int file_unlink(const char *path)
{
    if (fault_here("unlink"))
        return -errno;
    return unlink(path) < 0 ? -errno : 0;
}

int file_sync_name(struct scope *owner, const char *path)
{
    char parent[PATH_MAX];
    struct fd f;
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof parent)
        return -ENAMETOOLONG;
    memcpy(parent, path, len);
    parent[len] = 0;
    int r = fd_open(&f, owner, len ? parent : slash ? "/" : ".", O_RDONLY | O_DIRECTORY, 0);
    if (r < 0)
        return r == -EACCES ? 0 : r;
    r = fd_sync_names(f.n);
    fd_close(&f);
    return r;
}

/* One whose name cannot be synced is taken back, else the next try would find it and believe it safe. */
static int make_dir(struct scope *owner, const char *path, mode_t mode)
{
    if (fault_here("mkdir"))
        return -errno;
    if (mkdir(path, mode) < 0)
        return errno == EEXIST ? 0 : -errno;
    int r = file_sync_name(owner, path);
    if (r < 0)
        (void)rmdir(path);
    return r;
}

int file_mkdirs(struct scope *owner, const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return -ENAMETOOLONG;
    memcpy(part, path, len + 1);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int r = make_dir(owner, part, mode);
        if (r < 0)
            return r;
        *slash = '/';
    }
    return make_dir(owner, path, mode);
}

static void dir_thing_end(struct thing *t)
{
    struct dir *d = container_of(t, struct dir, thing);
    closedir(d->stream);
    d->stream = NULL;
}

int dir_open(struct dir *d, struct scope *owner, const char *path)
{
    *d = (struct dir){0};
    int r = thing_begin(&d->thing, owner, BIRTH_FD, path, 0, dir_thing_end);
    if (r < 0)
        return r;
    d->stream = fault_here("opendir") ? NULL : opendir(path);
    if (!d->stream) {
        r = -errno;
        thing_unborn(&d->thing);
        return r;
    }
    birth_set_fd(d->thing.birth, dirfd(d->stream));
    return 0;
}

struct dirent *dir_next(struct dir *d)
{
    errno = 0;
    if (fault_here("readdir"))
        return NULL;
    return readdir(d->stream);
}

void dir_close(struct dir *d)
{
    thing_end(&d->thing);
}
