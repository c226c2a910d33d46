#include "base/birth.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/slots.h"
#include "base/stack.h"

/*
 * The fields of a living record are written and read as relaxed words between two steps of `seq`:
 * odd while the owner writes, even when the words agree, bit 1 set while the record is alive.
 * Stores of words release and loads acquire, which is free on x86 and lets ThreadSanitizer follow.
 * The rest of `seq` is the record's id, so that it is another one for each life of a slot, also when slots_trim() made
 * zeros of it between two of them.
 */
enum { WORDS = sizeof(struct birth_info) / sizeof(uint64_t) };
static_assert(sizeof(struct birth_info) % sizeof(uint64_t) == 0, "copied in words");

struct birth {
    struct slot slot;
    _Atomic uint32_t seq;
    union {
        struct birth_info info; /* for the layout only: read and write by words */
        _Atomic uint64_t words[WORDS];
    };
};
static_assert(sizeof(struct birth) == SLOT_BYTES && offsetof(struct birth, slot) == 0, "a record fills its slot");

static struct birth *birth_in(struct slot *slot)
{
    return (struct birth *)slot;
}

static _Atomic uint32_t next_id = 1;
static _Atomic int64_t counts[BIRTH_KINDS];

enum { SEQ_WRITING = 1, SEQ_ALIVE = 2, SEQ_STEP = 4 };

static void slot_write(struct birth *b, const struct birth_info *info)
{
    uint32_t seq = info->id * SEQ_STEP;
    uint64_t words[WORDS];
    memcpy(words, info, sizeof words);
    size_t n = offsetof(struct birth_info, stack) / sizeof(uint64_t) + info->frames;

    atomic_store_explicit(&b->seq, seq | SEQ_WRITING, memory_order_relaxed);
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&b->words[i], words[i], memory_order_release);
    atomic_store_explicit(&b->seq, seq | SEQ_ALIVE, memory_order_release);
}

static bool slot_read(struct birth *b, struct birth_info *info)
{
    for (int tries = 0; tries < 8; tries++) {
        uint32_t seq = atomic_load_explicit(&b->seq, memory_order_acquire);
        if (!(seq & SEQ_ALIVE))
            return false;
        uint64_t words[WORDS];
        for (size_t i = 0; i < WORDS; i++)
            words[i] = atomic_load_explicit(&b->words[i], memory_order_acquire);
        if (atomic_load_explicit(&b->seq, memory_order_acquire) == seq) {
            memcpy(info, words, sizeof *info);
            return true;
        }
    }
    return false;
}

struct birth *birth_new(enum birth_kind kind, uint32_t owner, const char *name, unsigned skip)
{
    struct birth *b = birth_in(slot_take());
    if (!b)
        return NULL;
    struct birth_info info = {
        .id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed),
        .owner = owner,
        .kind = (uint8_t)kind,
        .fd = -1,
        .born = clock_mono(),
    };
    if (kind != BIRTH_SCOPE) /* they have a budget there, none yet */
        info.beat = info.born;
    size_t len = strnlen(name, BIRTH_NAME - 1);
    memcpy(info.name, name, len);
    info.frames = (uint16_t)stack_walk(info.stack, BIRTH_FRAMES, skip + 2);
    slot_write(b, &info);
    atomic_fetch_add_explicit(&counts[kind], 1, memory_order_relaxed);
    return b;
}

/* One word of a living record, by the name of its field. Only the owner writes. */
#define WORD_OF(field) (offsetof(struct birth_info, field) / sizeof(uint64_t))

static uint64_t word_get(const struct birth *b, size_t word)
{
    return atomic_load_explicit(&((struct birth *)b)->words[word], memory_order_relaxed);
}

static void word_set(struct birth *b, size_t word, uint64_t value)
{
    atomic_store_explicit(&b->words[word], value, memory_order_release);
}

/* Changes fields that share a word with others: the rest is kept. */
static void half_set(struct birth *b, size_t offset, const void *value, size_t size)
{
    uint64_t w = word_get(b, offset / sizeof w);
    memcpy((char *)&w + offset % sizeof w, value, size);
    word_set(b, offset / sizeof w, w);
}

/* Never freed, and touched only as far as numbers were used: SLOT_BYTES each. */
static struct birth last_of_fd[BIRTH_FDS_KEPT];

static void remember_fd(const struct birth *b)
{
    struct birth_info info;
    uint64_t words[WORDS];
    for (size_t i = 0; i < WORDS; i++)
        words[i] = word_get(b, i);
    memcpy(&info, words, sizeof info);
    if (info.fd < 0 || info.fd >= BIRTH_FDS_KEPT)
        return;
    struct birth *slot = &last_of_fd[info.fd];
    /* Two threads may give the same number back: it was closed and opened again between. The first to write is enough. */
    uint32_t seq = atomic_load_explicit(&slot->seq, memory_order_relaxed);
    if (!(seq & SEQ_WRITING) && atomic_compare_exchange_strong(&slot->seq, &seq, seq | SEQ_WRITING))
        slot_write(slot, &info);
}

bool birth_last_of_fd(int fd, struct birth_info *info)
{
    return fd >= 0 && fd < BIRTH_FDS_KEPT && slot_read(&last_of_fd[fd], info);
}

void birth_free(struct birth *b)
{
    if (!b)
        return;
    uint64_t w = word_get(b, offsetof(struct birth_info, kind) / sizeof w);
    uint8_t kind;
    memcpy(&kind, (char *)&w + offsetof(struct birth_info, kind) % sizeof w, 1);
    atomic_fetch_sub_explicit(&counts[kind], 1, memory_order_relaxed);
    if (kind == BIRTH_FD)
        remember_fd(b);

    uint32_t seq = atomic_load_explicit(&b->seq, memory_order_relaxed);
    assert(seq & SEQ_ALIVE);
    atomic_store_explicit(&b->seq, seq & ~(uint32_t)SEQ_ALIVE, memory_order_release);
    slot_give(&b->slot);
}

uint32_t birth_id(const struct birth *b)
{
    uint64_t w = word_get(b, WORD_OF(id));
    uint32_t id;
    memcpy(&id, (char *)&w + offsetof(struct birth_info, id) % sizeof w, sizeof id);
    return id;
}

void birth_set_owner(struct birth *b, uint32_t owner)
{
    half_set(b, offsetof(struct birth_info, owner), &owner, sizeof owner);
}

void birth_set_fd(struct birth *b, int fd)
{
    int32_t n = fd;
    half_set(b, offsetof(struct birth_info, fd), &n, sizeof n);
}

void birth_set_bytes(struct birth *b, uint64_t bytes)
{
    word_set(b, WORD_OF(bytes), bytes);
}

void birth_set_max_bytes(struct birth *b, uint64_t max_bytes)
{
    word_set(b, WORD_OF(max_bytes), max_bytes);
}

void birth_set_task_kind(struct birth *b, const struct task_kind *kind)
{
    word_set(b, WORD_OF(task_kind), (uintptr_t)kind);
}

/* A reader, which copies the words in their order, is not to see one that runs since the beat of long ago: written in the other one. */
static_assert(offsetof(struct birth_info, state) / sizeof(uint64_t) < offsetof(struct birth_info, beat) / sizeof(uint64_t), "read before");

void birth_beat(struct birth *b, enum birth_state state, int64_t now)
{
    uint8_t s = (uint8_t)state;
    word_set(b, WORD_OF(beat), (uint64_t)now);
    half_set(b, offsetof(struct birth_info, state), &s, sizeof s);
}

struct walk {
    bool (*fn)(const struct birth_info *info, void *arg);
    void *arg;
};

static bool walk_slot(struct slot *slot, void *arg)
{
    const struct walk *w = arg;
    struct birth_info info;
    return !slot_read(birth_in(slot), &info) || w->fn(&info, w->arg);
}

void birth_walk(bool (*fn)(const struct birth_info *info, void *arg), void *arg)
{
    slots_walk(walk_slot, &(struct walk){fn, arg});
}

uint64_t birth_count(enum birth_kind kind)
{
    int64_t sum = 0;
    for (int k = 1; k < BIRTH_KINDS; k++)
        if (kind == BIRTH_NONE || k == (int)kind)
            sum += atomic_load_explicit(&counts[k], memory_order_relaxed);
    return sum > 0 ? (uint64_t)sum : 0;
}

const char *birth_kind_name(enum birth_kind kind)
{
    static const char *const names[BIRTH_KINDS] = {
        "none", "scope", "memory", "fd",    "watch",  "timer",
        "task", "thread", "lease", "batch", "handle", "process",
    };
    return (unsigned)kind < BIRTH_KINDS ? names[kind] : "unknown";
}
