/*
 * strays: what exists in the kernel and belongs to no scope, or the other way round: a descriptor that nobody closed, one
 * that was closed behind its owner's back, a thread that nobody started here. Exact: one is enough to be said.
 *
 * Descriptors come and go while one looks. So what differs is a candidate first, looked at again each second, and a stray
 * when it was still the same thing (the same inode) in STRAY_LOOKS looks. What was open before strays_begin() is inherited and
 * never a stray. A library that opens files and keeps their numbers to itself (libsystemd's journal) is known by what they
 * are called: strays_except().
 *
 * Each says where it was born, if whoever had the number last was somebody of ours (birth_last_of_fd()).
 * Thread: the watch's.
 */
#pragma once

#include <limits.h>

#include "leak/watch/tally.h"

enum { STRAYS_MAX = 256, STRAY_LOOKS = 3, STRAY_EXCEPTIONS = 4, STRAYS_INHERITED = 64 };

enum stray_kind { STRAY_FD, STRAY_CLOSED /* owned, not open */, STRAY_THREAD };

struct stray {
    enum stray_kind kind;
    int number; /* a thread: its id */
    uint64_t device, inode;
    int64_t first; /* clock_mono(), when it was first seen */
    unsigned looks;
    bool excepted, seen;
    enum fd_type type;
    char what[128]; /* the path, "socket:[123]", the thread's name */
    bool has_birth;
    struct birth_info birth;
};

struct strays {
    struct scope scope;
    struct numbers inherited;
    int threads[STRAYS_INHERITED]; /* inherited ones */
    unsigned n_threads;
    const char *exceptions[STRAY_EXCEPTIONS];
    unsigned n_exceptions;
    struct stray *list; /* STRAYS_MAX; pages that are not needed are never touched */
    unsigned n;
    uint64_t not_listed; /* for which there was no room */
};

/* Takes what is open and not owned now as inherited. */
int strays_begin(struct strays *s, struct scope *owner, struct tally *tally);
/* Descriptors of files with this in their name, deleted ones too, are a library's own. Must outlive the strays. */
void strays_except(struct strays *s, const char *part);
/* Looks at everything. `open` and `tally` are of just now. 0 or -errno. */
int strays_look(struct strays *s, const struct numbers *open, const struct tally *tally, int64_t now);
/* Looks at the candidates again; true: there still are some. */
bool strays_look_again(struct strays *s, struct tally *tally);
static inline bool stray_is_sure(const struct stray *s)
{
    return s->looks >= STRAY_LOOKS && !s->excepted;
}
