/*
 * tally: what the scope tree says exists, counted: things by kind, tasks by their kind, memory by the name of its scope, and which
 * descriptors and threads have an owner. One walk over the birth records (base/birth.h), some 20 ns a record; nothing is
 * copied that is not kept.
 *
 * Names of scopes and kinds are the program's own, so there are few; beyond TALLY_GROUPS they are counted together.
 * Any thread, one a tally at a time. Memory: under the scope given, kept for the next walk.
 */
#pragma once

#include "base/task.h"
#include "leak/watch/kernel.h"

enum { TALLY_GROUPS = 64, TALLY_KINDS = 256, TALLY_THREADS = 1024, TALLY_SUSPECTS = 32 };

struct tally_group {
    char name[BIRTH_NAME];
    uint64_t things, bytes;
};

struct tally_kind {
    const char *name;
    uint64_t count, most /* as the kind says; 0: nothing */, old;
    struct birth_info oldest; /* of those that are older than their kind becomes, while old */
};

/* A task that somebody should look at. */
struct suspect {
    struct birth_info birth;
    bool hangs; /* it runs and gave no sign of life; else it is older than its kind becomes */
    int64_t for_ns; /* since its last sign of life, or its age */
    char state;     /* of a thread that hangs, as in proc(5); for whoever takes the tally to fill in */
};

struct tally {
    struct scope scope;
    bool foreign; /* the program is not ours: only tasks that no scope owns are counted, those that it tracks */
    uint64_t alive[BIRTH_KINDS];
    struct tally_kind kinds[TALLY_KINDS];
    unsigned n_kinds;
    uint64_t hanging, old; /* tasks; TALLY_SUSPECTS of them, those that hang before those that are old: */
    struct suspect suspects[TALLY_SUSPECTS];
    unsigned n_suspects;
    struct tally_group groups[TALLY_GROUPS]; /* the last: all for which there was no room */
    unsigned n_groups;
    struct numbers fds;
    int threads[TALLY_THREADS]; /* the kernel's ids */
    unsigned n_threads;
    struct buf owners; /* scopes: their ids, and which group they are of */
    int64_t now;
};

int tally_begin(struct tally *t, struct scope *owner, bool foreign);
/* 0, or -errno and it is not to be used. now: clock_mono(). */
int tally_take(struct tally *t, int64_t now);
/* Only which descriptors and threads have an owner. */
int tally_take_owned(struct tally *t);
bool tally_owns_thread(const struct tally *t, int tid);
/* The name of the scope of this id, as of the last tally_take(); "": it is not known. Valid until the next. */
const char *tally_scope_name(const struct tally *t, uint32_t scope_id);
uint64_t tally_tasks(const struct tally *t, const char *kind);
