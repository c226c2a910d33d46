#include "base/birth.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/stack.h"

/*
 * The fields of a living record are written and read as relaxed words between two steps of `seq`:
 * odd while the owner writes, even when the words agree, bit 1 set while the record is alive.
 * Stores of words release and loads acquire, which is free on x86 and lets ThreadSanitizer follow.
 */
enum { WORDS = sizeof(struct birth_info) / sizeof(uint64_t) };
static_assert(sizeof(struct birth_info) % sizeof(uint64_t) == 0, "copied in words");

struct birth {
    _Atomic uint32_t seq;
    struct arena *home;
    struct birth *next_free;
    union {
        struct birth_info info; /* for the layout only: read and write by words */
        _Atomic uint64_t words[WORDS];
    };
};

enum { SLAB_BYTES = 64 * 1024 };

struct slab {
    struct slab *_Atomic next;
    _Atomic unsigned used; /* slots that were ever taken: what is beyond is never touched */
    struct birth slots[];
};

enum { SLAB_SLOTS = (SLAB_BYTES - sizeof(struct slab)) / sizeof(struct birth) };

/* One thread's slots. It outlives the thread and is adopted by the next one. */
struct arena {
    struct arena *next; /* in the list of all, which only grows */
    struct slab *_Atomic slabs;
    struct birth *free;                /* the owner's own */
    struct birth *_Atomic given_back;  /* pushed by other threads, taken whole by the owner */
    _Atomic bool in_use;
};

static struct arena *_Atomic arenas;
static __thread struct arena *mine;
static pthread_key_t arena_key;
static pthread_once_t arena_once = PTHREAD_ONCE_INIT;
static _Atomic uint32_t next_id = 1;
static _Atomic int64_t counts[BIRTH_KINDS];

static void arena_orphan(void *arena)
{
    mine = NULL;
    atomic_store_explicit(&((struct arena *)arena)->in_use, false, memory_order_release);
}

static void arena_setup(void)
{
    pthread_key_create(&arena_key, arena_orphan);
}

static void *map(size_t bytes)
{
    if (fault_here("mmap"))
        return NULL;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static struct arena *arena_adopt(void)
{
    struct arena *a = atomic_load_explicit(&arenas, memory_order_acquire);
    for (; a; a = a->next) {
        bool idle = false;
        if (atomic_compare_exchange_strong(&a->in_use, &idle, true))
            return a;
    }
    return NULL;
}

static struct arena *arena_of_thread(void)
{
    if (mine)
        return mine;
    pthread_once(&arena_once, arena_setup);
    struct arena *a = arena_adopt();
    if (!a) {
        a = map(4096);
        if (!a)
            return NULL;
        atomic_init(&a->in_use, true);
        a->next = atomic_load(&arenas);
        while (!atomic_compare_exchange_weak(&arenas, &a->next, a))
            ;
    }
    pthread_setspecific(arena_key, a);
    return mine = a;
}

static bool arena_grow(struct arena *a)
{
    struct slab *s = map(SLAB_BYTES);
    if (!s)
        return false;
    atomic_store_explicit(&s->next, atomic_load(&a->slabs), memory_order_relaxed);
    atomic_store_explicit(&a->slabs, s, memory_order_release);
    return true;
}

static struct birth *slot_new(struct arena *a)
{
    struct slab *s = atomic_load_explicit(&a->slabs, memory_order_relaxed);
    if ((!s || atomic_load_explicit(&s->used, memory_order_relaxed) == SLAB_SLOTS) && !arena_grow(a))
        return NULL;
    s = atomic_load_explicit(&a->slabs, memory_order_relaxed);
    unsigned used = atomic_load_explicit(&s->used, memory_order_relaxed);
    struct birth *b = &s->slots[used];
    b->home = a;
    atomic_store_explicit(&s->used, used + 1, memory_order_release);
    return b;
}

static struct birth *slot_take(void)
{
    struct arena *a = arena_of_thread();
    if (!a)
        return NULL;
    if (!a->free)
        a->free = atomic_exchange_explicit(&a->given_back, NULL, memory_order_acquire);
    if (!a->free)
        return slot_new(a);
    struct birth *b = a->free;
    a->free = b->next_free;
    return b;
}

static void slot_give(struct birth *b)
{
    struct arena *a = b->home;
    if (a == mine) {
        b->next_free = a->free;
        a->free = b;
        return;
    }
    b->next_free = atomic_load_explicit(&a->given_back, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&a->given_back, &b->next_free, b,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

enum { SEQ_WRITING = 1, SEQ_ALIVE = 2, SEQ_STEP = 4 };

static void slot_write(struct birth *b, const struct birth_info *info, bool alive)
{
    uint32_t seq = (atomic_load_explicit(&b->seq, memory_order_relaxed) & ~3u) + SEQ_STEP;
    uint64_t words[WORDS];
    memcpy(words, info, sizeof words);
    size_t n = offsetof(struct birth_info, stack) / sizeof(uint64_t) + info->frames;

    atomic_store_explicit(&b->seq, seq | SEQ_WRITING, memory_order_relaxed);
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&b->words[i], words[i], memory_order_release);
    atomic_store_explicit(&b->seq, seq | (alive ? SEQ_ALIVE : 0), memory_order_release);
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
    struct birth *b = slot_take();
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
    slot_write(b, &info, true);
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

/* Never freed, and touched only as far as numbers were used: 200 bytes each. */
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
        slot_write(slot, &info, true);
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
    atomic_store_explicit(&b->seq, (seq & ~3u) + SEQ_STEP, memory_order_release);
    slot_give(b);
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

void birth_beat(struct birth *b, enum birth_state state, int64_t now)
{
    uint8_t s = (uint8_t)state;
    half_set(b, offsetof(struct birth_info, state), &s, sizeof s);
    word_set(b, WORD_OF(beat), (uint64_t)now);
}

void birth_walk(bool (*fn)(const struct birth_info *info, void *arg), void *arg)
{
    struct arena *a = atomic_load_explicit(&arenas, memory_order_acquire);
    for (; a; a = a->next) {
        struct slab *s = atomic_load_explicit(&a->slabs, memory_order_acquire);
        for (; s; s = atomic_load_explicit(&s->next, memory_order_acquire)) {
            unsigned used = atomic_load_explicit(&s->used, memory_order_acquire);
            for (unsigned i = 0; i < used; i++) {
                struct birth_info info;
                if (slot_read(&s->slots[i], &info) && !fn(&info, arg))
                    return;
            }
        }
    }
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
