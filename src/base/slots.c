#include "base/slots.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"

/* A group is as many slots as a word has bits, and has its pages for itself. Larger pages would be shared: then nothing is trimmed. */
enum { PAGE = 4096, GROUP = 64, GROUP_BYTES = GROUP * SLOT_BYTES, GROUPS = 21 };
static_assert(GROUP_BYTES % PAGE == 0, "a group has its pages for itself");

/*
 * `listed`: it is its arena's current slab, or among its roomy ones, or about to be put there by whoever set this. So a slab
 * stands in one place, and one that has room is found by its owner.
 */
struct slab {
    struct slab *next; /* of its arena */
    struct slab *next_roomy;
    struct arena *home;
    unsigned look; /* the owner's own: the group to look at first */
    _Atomic bool listed;
    _Atomic uint64_t taken[GROUPS]; /* a bit a slot */
    _Alignas(PAGE) char slots[GROUPS * GROUP][SLOT_BYTES];
};
static_assert(sizeof(struct slab) == PAGE + GROUPS * GROUP_BYTES, "its head takes one page");

/* One thread's slabs. It outlives the thread and is adopted by the next one. */
struct arena {
    struct arena *next; /* in the list of all, which only grows */
    struct slab *_Atomic slabs;
    struct slab *current;        /* the owner's own */
    struct slab *_Atomic roomy;  /* a stack: anybody pushes, the owner pops */
    _Atomic bool in_use;
};

static struct arena *_Atomic arenas;
static __thread struct arena *mine;
static pthread_key_t arena_key;
static pthread_once_t arena_once = PTHREAD_ONCE_INIT;

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
        a = map(PAGE);
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

static struct slab *slab_new(struct arena *a)
{
    struct slab *s = map(sizeof *s);
    if (!s)
        return NULL;
    s->home = a;
    atomic_init(&s->listed, true);
    s->next = atomic_load_explicit(&a->slabs, memory_order_relaxed);
    atomic_store_explicit(&a->slabs, s, memory_order_release);
    return s;
}

static struct slot *slot_at(struct slab *s, unsigned index)
{
    return (struct slot *)s->slots[index];
}

/* Only slots_trim() may take a bit before us. */
static struct slot *slab_take(struct slab *s)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        unsigned group = (s->look + i) % GROUPS;
        for (uint64_t room; (room = ~atomic_load(&s->taken[group]));) {
            uint64_t bit = room & -room;
            if (atomic_fetch_or(&s->taken[group], bit) & bit)
                continue;
            s->look = group;
            unsigned index = group * GROUP + (unsigned)__builtin_ctzll(bit);
            slot_at(s, index)->index = index;
            return slot_at(s, index);
        }
    }
    return NULL;
}

static bool slab_has_room(struct slab *s)
{
    for (unsigned group = 0; group < GROUPS; group++)
        if (~atomic_load(&s->taken[group]))
            return true;
    return false;
}

/* Lets the owner find it, now that it has room. */
static void slab_offer(struct slab *s)
{
    if (atomic_load(&s->listed) || atomic_exchange(&s->listed, true))
        return;
    s->next_roomy = atomic_load(&s->home->roomy);
    while (!atomic_compare_exchange_weak(&s->home->roomy, &s->next_roomy, s))
        ;
}

/* Nobody else pops: what follows the first stays what it is. */
static struct slab *pop_roomy(struct arena *a)
{
    struct slab *s = atomic_load(&a->roomy);
    while (s && !atomic_compare_exchange_weak(&a->roomy, &s, s->next_roomy))
        ;
    return s;
}

/* It is full. Who gave something back meanwhile may have seen it listed, and left it to us. */
static void leave_current(struct arena *a)
{
    struct slab *s = a->current;
    a->current = NULL;
    atomic_store(&s->listed, false);
    if (slab_has_room(s))
        slab_offer(s);
}

struct slot *slot_take(void)
{
    struct arena *a = arena_of_thread();
    while (a && (a->current || (a->current = pop_roomy(a)) || (a->current = slab_new(a)))) {
        struct slot *slot = slab_take(a->current);
        if (slot)
            return slot;
        leave_current(a);
    }
    return NULL;
}

void slot_give(struct slot *slot)
{
    unsigned index = slot->index;
    struct slab *s = (struct slab *)((char *)slot - index * SLOT_BYTES - offsetof(struct slab, slots));
    if (s->home == mine)
        s->look = index / GROUP;
    atomic_fetch_and(&s->taken[index / GROUP], ~(UINT64_C(1) << index % GROUP));
    slab_offer(s);
}

/* While all of a group's slots seem to be taken nobody writes to them. */
static bool group_claim(struct slab *s, unsigned group)
{
    uint64_t none = 0;
    return atomic_compare_exchange_strong(&s->taken[group], &none, ~UINT64_C(0));
}

static void slab_trim(struct slab *s)
{
    for (unsigned first = 0, end; first < GROUPS; first = end + 1) {
        for (end = first; end < GROUPS && group_claim(s, end);)
            end++;
        if (end == first)
            continue;
        (void)madvise(slot_at(s, first * GROUP), (end - first) * (size_t)GROUP_BYTES, MADV_DONTNEED);
        while (first < end)
            atomic_store(&s->taken[first++], 0);
        slab_offer(s);
    }
}

void slots_trim(void)
{
    if (sysconf(_SC_PAGESIZE) != PAGE)
        return;
    struct arena *a = atomic_load_explicit(&arenas, memory_order_acquire);
    for (; a; a = a->next)
        for (struct slab *s = atomic_load_explicit(&a->slabs, memory_order_acquire); s; s = s->next)
            slab_trim(s);
}

static bool slab_walk(struct slab *s, bool (*fn)(struct slot *slot, void *arg), void *arg)
{
    for (unsigned group = 0; group < GROUPS; group++)
        for (uint64_t taken = atomic_load_explicit(&s->taken[group], memory_order_acquire); taken; taken &= taken - 1)
            if (!fn(slot_at(s, group * GROUP + (unsigned)__builtin_ctzll(taken)), arg))
                return false;
    return true;
}

void slots_walk(bool (*fn)(struct slot *slot, void *arg), void *arg)
{
    struct arena *a = atomic_load_explicit(&arenas, memory_order_acquire);
    for (; a; a = a->next)
        for (struct slab *s = atomic_load_explicit(&a->slabs, memory_order_acquire); s; s = s->next)
            if (!slab_walk(s, fn, arg))
                return;
}
