/*
 * birth: one record for each thing that is alive and must be given back.
 *
 * The record says what it is, whose, since when, and the stack that created it. All records together
 * are the live list of what exists; walking them is a census.
 *
 * Memory: a record lies in a slot (slots.h), which any reader may look at at any time, and costs SLOT_BYTES. What records
 * that ended leave behind goes back to the kernel with mem_trim().
 *
 * Threads: births and deaths are wait-free and happen on any thread. Readers never wait for owners
 * and owners never for readers: a slot is guarded by a sequence counter, a reader that meets a slot
 * in change skips it or tries again. So a census works while any thread hangs.
 *
 * Time: born and beat are clock_mono() nanoseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum birth_kind {
    BIRTH_NONE,
    BIRTH_SCOPE,  /* an owner; its things name it by id */
    BIRTH_MEMORY, /* a block outside an arena */
    BIRTH_FD,
    BIRTH_WATCH, /* a descriptor's registration with a loop */
    BIRTH_TIMER,
    BIRTH_TASK,   /* an activity on a loop */
    BIRTH_THREAD, /* a task with a kernel thread of its own */
    BIRTH_LEASE,  /* a sink's hold on a batch */
    BIRTH_BATCH,
    BIRTH_HANDLE, /* what a library gave us: a regex, a curl handle, a database */
    BIRTH_PROCESS,
    BIRTH_KINDS
};

enum { BIRTH_NAME = 40, BIRTH_FRAMES = 12 };

/* What a task is doing, as it says itself. */
enum birth_state { BIRTH_RUNNING, BIRTH_WAITING };

struct task_kind;

/* A copy of one record. Which of the fields mean something depends on the kind. */
struct birth_info {
    uint32_t id;    /* unique while the process lives, never 0 */
    uint32_t owner; /* id of the scope; 0 for the root */
    uint8_t kind;
    uint8_t state;  /* tasks: enum birth_state */
    uint16_t frames;
    int32_t fd; /* descriptors: the number; threads: the kernel's thread id; processes: theirs; else -1 */
    int64_t born;
    union {
        int64_t beat;       /* tasks: the last sign of life */
        uint64_t max_bytes; /* scopes: the budget for all that is below; 0: none */
    };
    uint64_t bytes;
    const struct task_kind *task_kind;
    char name[BIRTH_NAME];
    uintptr_t stack[BIRTH_FRAMES]; /* return addresses, innermost first */
};

struct birth; /* the live record; opaque, see birth.c */

/*
 * Records a birth. The stack is the caller's caller's, `skip` frames further up.
 * Returns NULL when there is no memory for it: the birth must then be refused.
 */
struct birth *birth_new(enum birth_kind kind, uint32_t owner, const char *name, unsigned skip);
void birth_free(struct birth *b); /* any thread; NULL is allowed */

uint32_t birth_id(const struct birth *b);
void birth_set_owner(struct birth *b, uint32_t owner);
void birth_set_fd(struct birth *b, int fd);
void birth_set_bytes(struct birth *b, uint64_t bytes);
void birth_set_max_bytes(struct birth *b, uint64_t max_bytes);
void birth_set_task_kind(struct birth *b, const struct task_kind *kind);
void birth_beat(struct birth *b, enum birth_state state, int64_t now);

/* Calls fn for a consistent copy of each living record, in no order; ends early when fn says false. */
void birth_walk(bool (*fn)(const struct birth_info *info, void *arg), void *arg);

/*
 * The record of whoever last gave back the descriptor with this number, for one that is open though nobody owns it: where was
 * it born? Numbers from BIRTH_FDS_KEPT on are not remembered. false: nobody did.
 */
enum { BIRTH_FDS_KEPT = 4096 };
bool birth_last_of_fd(int fd, struct birth_info *info);

/* Living records of one kind, or of all with BIRTH_NONE. Cheap: a counter. */
uint64_t birth_count(enum birth_kind kind);

const char *birth_kind_name(enum birth_kind kind);
