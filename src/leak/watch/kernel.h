/*
 * kernel: what the kernel says of this process: its descriptors by type, threads, memory, children, and the limits of these.
 *
 * Numbers are looked at one by one (fstat): a directory listing of 15,000 descriptors costs 46 ms, this some 3 ms. Where the
 * kernel gives their count as the size of /proc/self/fd (6.2 and later) looking ends with the last one, else at the size
 * of its table (FDSize).
 *
 * Any thread; what is opened meanwhile stands under the scope given. What cannot be read is -1 (limits: 0, none).
 * Sources: proc(5), tcp(7), Documentation/admin-guide/cgroup-v2.rst.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "base/mem.h"

enum fd_type {
    FD_FILE,
    FD_DELETED, /* a file that has no name any more */
    FD_DIRECTORY,
    FD_DEVICE, /* /dev/null, terminals */
    FD_PIPE,
    FD_TCP_LISTENING,
    FD_TCP_ESTABLISHED,
    FD_TCP_CLOSE_WAIT, /* the other side has closed, we have not */
    FD_TCP_OTHER,
    FD_UDP,
    FD_UNIX,
    FD_SOCKET_OTHER,
    FD_EPOLL,
    FD_EVENT,
    FD_INOTIFY,
    FD_SIGNAL,
    FD_TIMER,
    FD_OTHER,
    FD_TYPES
};
const char *fd_type_name(enum fd_type type);

/* A set of small numbers, one bit each. */
struct numbers {
    struct buf bits;
};
int numbers_begin(struct numbers *n, struct scope *owner, const char *name);
void numbers_clear(struct numbers *n);
int numbers_add(struct numbers *n, unsigned number); /* 0 or -errno */
void numbers_remove(struct numbers *n, unsigned number);
bool numbers_has(const struct numbers *n, unsigned number);
unsigned numbers_end(const struct numbers *n); /* none is as large or larger */

struct kernel_fds {
    uint64_t n, by_type[FD_TYPES];
};
/* 0 or -errno. `open` is cleared first. */
int kernel_fds(struct kernel_fds *fds, struct numbers *open, struct scope *scratch);
/* Their number alone, in some 5 us; -1 where the kernel does not give it cheaply. */
int64_t kernel_fd_count(void);
/* -errno: it is not open. */
int kernel_fd_type(int n);
/* What stands behind a descriptor that is somebody else's, who may close it meanwhile. 0 or -errno. */
int kernel_fd_stat(int n, struct stat *st);

/* Calls fn for each thread. 0 or -errno. */
int kernel_threads(struct scope *scratch, void (*fn)(int tid, void *arg), void *arg);
/* The name it has; "" when it is gone. */
void kernel_thread_name(struct scope *scratch, int tid, char name[16]);
int64_t kernel_children(struct scope *scratch);

/* Bytes. */
struct kernel_memory {
    int64_t resident, mapped_all /* address space */;
    int64_t proportional; /* PSS, shared pages divided; only with `precise`, which costs up to some ms */
    int64_t heap, heap_mapped; /* in use by the allocator; what it holds of the kernel's */
};
void kernel_memory(struct kernel_memory *m, struct scope *scratch, bool precise);

/* 0: none. */
struct kernel_limits {
    uint64_t fds, memory, tasks; /* RLIMIT_NOFILE; the least of the cgroups above us */
};
void kernel_limits(struct kernel_limits *l, struct scope *scratch);
