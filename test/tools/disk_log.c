/*
 * For LD_PRELOAD: writes down what the unchanged program does to the files below DISK_ROOT, in its order, into DISK_LOG, so
 * that test/scenario/disk.mjs can make of it what a disk may hold after the machine lost power at any moment.
 *
 * Each row is a struct row and `length` bytes behind it; numbers in the host's order:
 *
 *     create, rename, unlink   the path; of a rename "from\nto"
 *     write                    the bytes, and where
 *     truncate                 nothing; `at` is the new size
 *     sync                     nothing; of a file's bytes, or a directory's names
 *
 * One at a time, so that a sync covers exactly the rows before it. Shared memory of SQLite (-shm) is not kept by a crash.
 */
#undef _FILE_OFFSET_BITS /* else open() is another name of open64(), and both are ours */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK };

struct row {
    uint32_t kind, length;
    uint64_t inode, at;
    int64_t time; /* ns, UTC: when it was done */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;

static void write_whole(const void *data, size_t n)
{
    for (const char *at = data; n;) {
        ssize_t w = syscall(SYS_write, out, at, n);
        if (w <= 0)
            abort();
        at += w;
        n -= (size_t)w;
    }
}

static int is_below(const char *path)
{
    static const char *root;
    if (!root)
        root = getenv("DISK_ROOT") ? getenv("DISK_ROOT") : "";
    size_t n = strlen(root), m = strlen(path);
    return n && strncmp(path, root, n) == 0 && path[n] == '/' && !(m > 4 && strcmp(path + m - 4, "-shm") == 0);
}

static void put(enum kind kind, uint64_t inode, uint64_t at, const struct iovec *data, int n)
{
    struct timespec now;
    struct row row = {.kind = kind, .inode = inode, .at = at};
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    row.time = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    for (int i = 0; i < n; i++)
        row.length += (uint32_t)data[i].iov_len;
    if (out < 0)
        out = (int)syscall(SYS_openat, AT_FDCWD, getenv("DISK_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0)
        abort();
    write_whole(&row, sizeof row);
    for (int i = 0; i < n; i++)
        write_whole(data[i].iov_base, data[i].iov_len);
}

static void put_text(enum kind kind, uint64_t inode, const char *text)
{
    put(kind, inode, 0, &(struct iovec){(void *)text, strlen(text)}, 1);
}

/* The inode of what is open, if it lies below the root; else 0. A file that was removed is nobody's after a crash. */
static uint64_t inode_of(int n)
{
    char link[40], path[4096];
    struct stat st;
    snprintf(link, sizeof link, "/proc/self/fd/%d", n);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_below(path) && fstat(n, &st) == 0 ? st.st_ino : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
/* The lock is held around the call and its row; errno is the call's. */
#define UNDER_LOCK(call_and_row)          \
    do {                                  \
        pthread_mutex_lock(&lock);        \
        call_and_row;                     \
        int error_ = errno;               \
        pthread_mutex_unlock(&lock);      \
        errno = error_;                   \
    } while (0)

/* ---- names ---- */

static int open_any(const char *path, int flags, mode_t mode)
{
    int n;
    if (!is_below(path) || !(flags & (O_CREAT | O_TRUNC)))
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    UNDER_LOCK({
        struct stat st;
        int was_there = stat(path, &st) == 0;
        n = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
        if (n >= 0 && fstat(n, &st) == 0 && !was_there)
            put_text(CREATE, st.st_ino, path);
        else if (n >= 0 && flags & O_TRUNC)
            put(TRUNCATE, st.st_ino, 0, NULL, 0);
    });
    return n;
}

static mode_t mode_of(int flags, va_list ap)
{
    return flags & O_CREAT ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name)                             \
    int name(const char *path, int flags, ...) \
    {                                          \
        va_list ap;                            \
        va_start(ap, flags);                   \
        mode_t mode = mode_of(flags, ap);      \
        va_end(ap);                            \
        return open_any(path, flags, mode);    \
    }
OPEN(open)
OPEN(open64)

int rename(const char *from, const char *to)
{
    int r;
    UNDER_LOCK({
        r = REAL(rename)(from, to);
        if (r == 0 && is_below(from)) {
            char both[8192];
            snprintf(both, sizeof both, "%s\n%s", from, to);
            put_text(RENAME, 0, both);
        }
    });
    return r;
}

int unlink(const char *path)
{
    int r;
    UNDER_LOCK({
        r = REAL(unlink)(path);
        if (r == 0 && is_below(path))
            put_text(UNLINK, 0, path);
    });
    return r;
}

/* ---- bytes ---- */

static uint64_t place(int n)
{
    struct stat st;
    if (fcntl(n, F_GETFL) & O_APPEND && fstat(n, &st) == 0)
        return (uint64_t)st.st_size;
    return (uint64_t)lseek(n, 0, SEEK_CUR);
}

/* The first `length` bytes of it were written. */
static void put_written(uint64_t inode, uint64_t at, const struct iovec *iov, int n, ssize_t length)
{
    for (int i = 0; i < n && length > 0; i++) {
        size_t part = (size_t)length < iov[i].iov_len ? (size_t)length : iov[i].iov_len;
        put(WRITE, inode, at, &(struct iovec){iov[i].iov_base, part}, 1);
        at += part;
        length -= (ssize_t)part;
    }
}

static ssize_t write_any(int n, const struct iovec *iov, int count)
{
    ssize_t r;
    uint64_t inode = inode_of(n);
    if (!inode)
        return REAL(writev)(n, iov, count);
    UNDER_LOCK({
        uint64_t at = place(n);
        r = REAL(writev)(n, iov, count);
        put_written(inode, at, iov, count, r);
    });
    return r;
}

ssize_t write(int n, const void *data, size_t size)
{
    return write_any(n, &(struct iovec){(void *)data, size}, 1);
}

ssize_t writev(int n, const struct iovec *iov, int count)
{
    return write_any(n, iov, count);
}

static ssize_t pwrite_any(int n, const void *data, size_t size, off_t at)
{
    ssize_t r;
    uint64_t inode = inode_of(n);
    if (!inode)
        return syscall(SYS_pwrite64, n, data, size, at);
    UNDER_LOCK({
        r = syscall(SYS_pwrite64, n, data, size, at);
        put_written(inode, (uint64_t)at, &(struct iovec){(void *)data, size}, 1, r);
    });
    return r;
}

ssize_t pwrite(int n, const void *data, size_t size, off_t at)
{
    return pwrite_any(n, data, size, at);
}

ssize_t pwrite64(int n, const void *data, size_t size, off_t at)
{
    return pwrite_any(n, data, size, at);
}

static int truncate_any(int n, off_t size)
{
    int r;
    uint64_t inode = inode_of(n);
    UNDER_LOCK({
        r = (int)syscall(SYS_ftruncate, n, size);
        if (r == 0 && inode)
            put(TRUNCATE, inode, (uint64_t)size, NULL, 0);
    });
    return r;
}

int ftruncate(int n, off_t size)
{
    return truncate_any(n, size);
}

int ftruncate64(int n, off_t size)
{
    return truncate_any(n, size);
}

static int sync_any(int n)
{
    int r = 0; /* what matters is the row; the machine stays up */
    uint64_t inode = inode_of(n);
    UNDER_LOCK({
        if (inode)
            put(SYNC, inode, 0, NULL, 0);
    });
    return r;
}

int fsync(int n)
{
    return sync_any(n);
}

int fdatasync(int n)
{
    return sync_any(n);
}
