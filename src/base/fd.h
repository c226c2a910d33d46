/*
 * fd: descriptors under a scope.
 *
 * fd.c is the only file that may call what gives birth to a descriptor. Each is opened close-on-exec
 * and non-blocking where that means something. The place in the tree is taken before the call.
 *
 * The number is -1 whenever the thing is not alive. Errors: 0 or -errno; the calls that read and
 * write return bytes or -errno, restart on EINTR, and are where tests inject EIO and ENOSPC.
 */
#pragma once

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/scope.h"

struct fd {
    struct thing thing;
    int n;
};

int fd_open(struct fd *f, struct scope *owner, const char *path, int flags, mode_t mode);
int fd_socket(struct fd *f, struct scope *owner, int domain, int type, int protocol);
int fd_accept(struct fd *f, struct scope *owner, int listener, struct sockaddr *from, socklen_t *len);
int fd_epoll(struct fd *f, struct scope *owner);
int fd_event(struct fd *f, struct scope *owner, const char *name);
int fd_signal(struct fd *f, struct scope *owner, const sigset_t *set);
int fd_inotify(struct fd *f, struct scope *owner);
/* Watches a directory or file: the watch's number, which goes with the descriptor, or -errno. */
int fd_inotify_add(int n, const char *path, uint32_t mask);
int fd_pipe(struct fd *reader, struct fd *writer, struct scope *owner, const char *name);
/* A file without a name, in memory; for who wants it by path: /proc/self/fd/N. */
int fd_memory(struct fd *f, struct scope *owner, const char *name);
/* Gives the number away (to a library that will close it) and forgets it. */
int fd_release(struct fd *f);
void fd_close(struct fd *f); /* nothing when not alive */

/*
 * Whether the process is so near its limit of descriptors that whoever can do with fewer (readers and writers of many
 * files) must close one before it opens another: the last quarter, at most 64, is for what cannot. Any thread.
 */
bool fd_scarce(void);

/*
 * For a library that opens descriptors and keeps their numbers to itself (libcurl: a pair of sockets for each multi
 * handle). Up to two that the calling thread opens with socketpair() or eventfd() between fd_expect_begin() and
 * fd_expect_end() get their place in the tree, with their numbers. The library closes them: ending them only forgets.
 */
struct fd_expected {
    struct fd fds[2];
    unsigned n; /* found */
};
int fd_expect_begin(struct fd_expected *e, struct scope *owner, const char *name);
void fd_expect_end(struct fd_expected *e);

/*
 * A number that a library opened and tells (libsystemd: sd_journal_get_fd()) gets its place in the tree. The library closes
 * it: ending only forgets.
 */
int fd_of_library(struct fd *f, struct scope *owner, int n, const char *name);

ssize_t fd_read(int n, void *data, size_t size);
ssize_t fd_pread(int n, void *data, size_t size, uint64_t offset);
ssize_t fd_preadv(int n, const struct iovec *iov, int count, uint64_t offset);
ssize_t fd_write(int n, const void *data, size_t size);
ssize_t fd_writev(int n, const struct iovec *iov, int count);
int fd_write_all(int n, const void *data, size_t size); /* 0 or -errno; for blocking descriptors */
int fd_sync(int n);                                    /* fdatasync */
/*
 * A directory's names: what was made in it or renamed is found there after a power cut; the sync of a file does not promise
 * that of its name. 0 too where the filesystem knows no such thing.
 */
int fd_sync_names(int n);
int fd_truncate(int n, uint64_t size);
/* The path of what is open, as the kernel knows it now, all links resolved; " (deleted)" behind it if it is. */
int fd_path(int n, char *path, size_t size);
int file_stat(const char *path, struct stat *st);  /* follows links */
int file_rename(const char *from, const char *to);
int file_unlink(const char *path);
int file_sync_name(struct scope *owner, const char *path); /* of the directory that it lies in; 0 if that may not be read */
/* With its parents; existing is success. The names of those made are synced. */
int file_mkdirs(struct scope *owner, const char *path, mode_t mode);

/* A directory being listed; the entry is valid until the next call. NULL at the end: errno 0 or why. */
struct dir {
    struct thing thing;
    DIR *stream;
};
int dir_open(struct dir *d, struct scope *owner, const char *path);
struct dirent *dir_next(struct dir *d);
void dir_close(struct dir *d);
