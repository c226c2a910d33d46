#include "leak/watch/kernel.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

enum { WORD = 64, NUMBERS_MAX = 1 << 24 /* more than any kernel allows by default (fs.nr_open) */ };

/* jemalloc's, where it is the allocator (the tests run without). */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len) __attribute__((weak));

const char *fd_type_name(enum fd_type type)
{
    static const char *const names[FD_TYPES] = {
        "file", "deleted_file", "directory", "device", "pipe", "tcp_listening", "tcp_established", "tcp_close_wait", "tcp_other",
        "udp", "unix", "socket_other", "epoll", "eventfd", "inotify", "signalfd", "timerfd", "other",
    };
    return names[type];
}

/* ---- numbers ---- */

int numbers_begin(struct numbers *n, struct scope *owner, const char *name)
{
    return buf_begin(&n->bits, owner, name, NUMBERS_MAX / 8);
}

void numbers_clear(struct numbers *n)
{
    buf_clear(&n->bits);
}

int numbers_add(struct numbers *n, unsigned number)
{
    static const uint64_t none[8];
    size_t words = number / WORD + 1;
    while (n->bits.len < words * sizeof(uint64_t)) {
        int r = buf_add(&n->bits, none, sizeof none);
        if (r < 0)
            return r;
    }
    ((uint64_t *)(void *)n->bits.data)[number / WORD] |= 1ull << number % WORD;
    return 0;
}

void numbers_remove(struct numbers *n, unsigned number)
{
    if (numbers_has(n, number))
        ((uint64_t *)(void *)n->bits.data)[number / WORD] &= ~(1ull << number % WORD);
}

bool numbers_has(const struct numbers *n, unsigned number)
{
    if (number >= numbers_end(n))
        return false;
    return ((const uint64_t *)(const void *)n->bits.data)[number / WORD] >> number % WORD & 1;
}

unsigned numbers_end(const struct numbers *n)
{
    return (unsigned)n->bits.len * 8;
}

/* ---- small files ---- */

/* The text of a file of the kernel's, as much as fits; its length or -errno. */
static ssize_t slurp(struct scope *scratch, const char *path, char *text, size_t size)
{
    struct fd f;
    int r = fd_open(&f, scratch, path, O_RDONLY, 0);
    text[0] = 0;
    if (r < 0)
        return r;
    ssize_t n = fd_read(f.n, text, size - 1);
    fd_close(&f);
    if (n >= 0)
        text[n] = 0;
    return n;
}

/* The number behind "Name:" in a file of such lines; -1: it is not there. */
static int64_t field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

/* ---- descriptors ---- */

/* The socket's type, or -errno: -ENOTSOCK, -EBADF. One call for most of them, so it is asked first. */
static int type_of_socket(int n)
{
    int domain = 0, type = 0;
    unsigned char state = 0; /* tcpi_state is the first byte */
    socklen_t size = sizeof state;
    if (getsockopt(n, IPPROTO_TCP, TCP_INFO, &state, &size) == 0)
        return state == TCP_LISTEN        ? FD_TCP_LISTENING
               : state == TCP_ESTABLISHED ? FD_TCP_ESTABLISHED
               : state == TCP_CLOSE_WAIT  ? FD_TCP_CLOSE_WAIT
                                          : FD_TCP_OTHER;
    if (errno == ENOTSOCK || errno == EBADF)
        return -errno;
    size = sizeof domain;
    if (getsockopt(n, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return FD_SOCKET_OTHER;
    if (domain == AF_UNIX)
        return FD_UNIX;
    size = sizeof type;
    if ((domain == AF_INET || domain == AF_INET6) && getsockopt(n, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
        type == SOCK_DGRAM)
        return FD_UDP;
    return FD_SOCKET_OTHER;
}

/* What has no file behind it says by its name what it is: "anon_inode:[eventpoll]". */
static int type_of_anonymous(int n)
{
    static const struct {
        const char *name;
        enum fd_type type;
    } kinds[] = {{"[eventpoll]", FD_EPOLL}, {"[eventfd]", FD_EVENT}, {"inotify", FD_INOTIFY},
                 {"[signalfd]", FD_SIGNAL}, {"[timerfd]", FD_TIMER}};
    char path[64];
    if (fd_path(n, path, sizeof path) == 0)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (strstr(path, kinds[i].name))
                return (int)kinds[i].type;
    return FD_OTHER;
}

int kernel_fd_stat(int n, struct stat *st)
{
    /* glibc's fstat() asks by an empty path, which costs half as much again. On 64 bits its struct is the kernel's. */
    static_assert(sizeof(long) == 8, "struct stat is the kernel's");
    return syscall(SYS_fstat, n, st) < 0 ? -errno : 0;
}

int kernel_fd_type(int n)
{
    struct stat st;
    int type = type_of_socket(n);
    if (type != -ENOTSOCK)
        return type;
    int r = kernel_fd_stat(n, &st);
    if (r < 0)
        return r;
    switch (st.st_mode & S_IFMT) {
    case S_IFREG: return st.st_nlink ? FD_FILE : FD_DELETED;
    case S_IFDIR: return FD_DIRECTORY;
    case S_IFCHR:
    case S_IFBLK: return FD_DEVICE;
    case S_IFIFO: return FD_PIPE;
    default: return type_of_anonymous(n);
    }
}

int64_t kernel_fd_count(void)
{
    struct stat st;
    return file_stat("/proc/self/fd", &st) == 0 && st.st_size > 0 ? st.st_size : -1;
}

int kernel_fds(struct kernel_fds *fds, struct numbers *open, struct scope *scratch)
{
    char status[1024];
    ssize_t length = slurp(scratch, "/proc/self/status", status, sizeof status);
    int64_t table = field(status, "FDSize:"), count = kernel_fd_count();
    *fds = (struct kernel_fds){0};
    numbers_clear(open);
    if (length < 0)
        return (int)length;
    for (int n = 0; n < table && (count < 0 || fds->n < (uint64_t)count); n++) {
        int type = kernel_fd_type(n);
        if (type < 0)
            continue;
        fds->n++;
        fds->by_type[type]++;
        int r = numbers_add(open, (unsigned)n);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- threads and children ---- */

int kernel_threads(struct scope *scratch, void (*fn)(int tid, void *arg), void *arg)
{
    struct dir d;
    int r = dir_open(&d, scratch, "/proc/self/task");
    if (r < 0)
        return r;
    for (struct dirent *e; (e = dir_next(&d));)
        if (isdigit((unsigned char)e->d_name[0]))
            fn(atoi(e->d_name), arg);
    dir_close(&d);
    return 0;
}

void kernel_thread_name(struct scope *scratch, int tid, char name[16])
{
    char path[64], text[32];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
    slurp(scratch, path, text, sizeof text);
    text[strcspn(text, "\n")] = 0;
    snprintf(name, 16, "%.15s", text);
}

struct children {
    struct scope *scratch;
    int64_t n;
};

static void add_children(int tid, void *arg)
{
    struct children *c = arg;
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", tid);
    if (slurp(c->scratch, path, text, sizeof text) > 0)
        for (const char *p = text; *p; p++)
            c->n += *p == ' ';
}

int64_t kernel_children(struct scope *scratch)
{
    struct children c = {.scratch = scratch};
    return kernel_threads(scratch, add_children, &c) < 0 ? -1 : c.n;
}

/* ---- memory ---- */

static int64_t allocator_number(const char *name)
{
    size_t n = 0, size = sizeof n;
    return mallctl(name, &n, &size, NULL, 0) == 0 ? (int64_t)n : -1;
}

static void read_heap(struct kernel_memory *m)
{
    if (mallctl) {
        uint64_t epoch = 1;
        size_t size = sizeof epoch;
        mallctl("epoch", &epoch, &size, &epoch, size); /* its numbers are as of now */
        m->heap = allocator_number("stats.allocated");
        m->heap_mapped = allocator_number("stats.mapped");
        return;
    }
    struct mallinfo2 info = mallinfo2();
    m->heap = (int64_t)(info.uordblks + info.hblkhd);
    m->heap_mapped = (int64_t)(info.arena + info.hblkhd);
}

void kernel_memory(struct kernel_memory *m, struct scope *scratch, bool precise)
{
    char text[2048];
    long long pages, resident;
    int64_t page = sysconf(_SC_PAGESIZE);

    *m = (struct kernel_memory){.resident = -1, .mapped_all = -1, .proportional = -1};
    read_heap(m);
    if (slurp(scratch, "/proc/self/statm", text, sizeof text) > 0 && sscanf(text, "%lld %lld", &pages, &resident) == 2) {
        m->mapped_all = pages * page;
        m->resident = resident * page;
    }
    if (precise && slurp(scratch, "/proc/self/smaps_rollup", text, sizeof text) > 0) {
        int64_t kib = field(text, "\nPss:");
        m->proportional = kib < 0 ? -1 : kib * 1024;
    }
}

/* ---- limits ---- */

static void lower(uint64_t *limit, const char *text)
{
    uint64_t n = isdigit((unsigned char)text[0]) ? strtoull(text, NULL, 10) : 0; /* "max": none */
    if (n && (!*limit || n < *limit))
        *limit = n;
}

void kernel_limits(struct kernel_limits *l, struct scope *scratch)
{
    static const char root[] = "/sys/fs/cgroup";
    struct rlimit files;
    char text[1024], path[1200], number[32];

    *l = (struct kernel_limits){0};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
        l->fds = files.rlim_cur;
    if (slurp(scratch, "/proc/self/cgroup", text, sizeof text) < 0)
        return;
    char *group = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!group)
        return;
    group = strchr(group, '/');
    if (!group)
        return;
    group[strcspn(group, "\n")] = 0;
    for (char *end; *group && (end = strrchr(group, '/')); *end = 0) {
        snprintf(path, sizeof path, "%s%s/memory.max", root, group);
        if (slurp(scratch, path, number, sizeof number) > 0)
            lower(&l->memory, number);
        snprintf(path, sizeof path, "%s%s/pids.max", root, group);
        if (slurp(scratch, path, number, sizeof number) > 0)
            lower(&l->tasks, number);
    }
}
