#include "core/repeats.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL /* for a state on the stack, whose size is no part of the library's ABI */
#include <xxhash.h>

#include "base/clock.h"
#include "core/source.h"

static const uint32_t NOBODY = UINT32_MAX;

/* A line that was let through. */
struct seen {
    XXH128_hash_t hash;
    uint64_t place; /* where it ends in its source */
    int64_t time;
    uint32_t older, newer;
    uint32_t chain; /* in its slot; NOBODY: the last */
};

/* There are at least as many slots as lines, and fewer than twice as many. */
static_assert(sizeof(struct seen) + 2 * sizeof(uint32_t) <= DEDUPLICATE_LINE_COST, "config/limits.h has what a line costs");

/* ---- life ---- */

static void repeats_thing_end(struct thing *t)
{
    struct repeats *r = container_of(t, struct repeats, thing);
    pool_release(r->pool, (uint64_t)r->limit * DEDUPLICATE_LINE_COST);
    scope_end(&r->scope);
}

static uint32_t slots_for(uint32_t limit)
{
    uint32_t n = 1;
    while (n < limit)
        n *= 2;
    return n;
}

int repeats_begin(struct repeats *r, struct scope *owner, struct pool *pool, int64_t window, uint32_t limit,
                  _Atomic uint64_t *forgotten)
{
    const uint32_t slots = slots_for(limit);
    *r = (struct repeats){.pool = pool, .window = window, .limit = limit, .mask = slots - 1, .oldest = NOBODY,
                          .newest = NOBODY, .forgotten = forgotten};
    if (getrandom(&r->seed, sizeof r->seed, GRND_NONBLOCK) < 0)
        r->seed = (uint64_t)clock_real();
    int e = scope_begin(&r->scope, owner, "repeats");
    if (e < 0)
        return e;
    r->seen = mem_new(&r->scope, limit * sizeof *r->seen, "lines seen");
    r->slots = r->seen ? mem_new(&r->scope, slots * sizeof *r->slots, "lines seen by hash") : NULL;
    e = r->slots ? thing_begin(&r->thing, owner, BIRTH_HANDLE, "repeats", 0, repeats_thing_end) : -errno;
    if (e < 0) {
        scope_end(&r->scope);
        return e;
    }
    memset(r->slots, 0xff, slots * sizeof *r->slots);
    pool_claim(pool, (uint64_t)limit * DEDUPLICATE_LINE_COST);
    return 0;
}

void repeats_end(struct repeats *r)
{
    thing_end(&r->thing);
}

/* ---- the lines that were let through ---- */

static uint32_t *slot_of(struct repeats *r, XXH128_hash_t hash)
{
    return &r->slots[hash.low64 & r->mask];
}

static struct seen *find(struct repeats *r, XXH128_hash_t hash)
{
    uint32_t i = *slot_of(r, hash);
    while (i != NOBODY && !XXH128_isEqual(r->seen[i].hash, hash))
        i = r->seen[i].chain;
    return i == NOBODY ? NULL : &r->seen[i];
}

static void unlink_slot(struct repeats *r, uint32_t i)
{
    uint32_t *at = slot_of(r, r->seen[i].hash);
    while (*at != i)
        at = &r->seen[*at].chain;
    *at = r->seen[i].chain;
}

static void unlink_age(struct repeats *r, uint32_t i)
{
    struct seen *s = &r->seen[i];
    *(s->older == NOBODY ? &r->oldest : &r->seen[s->older].newer) = s->newer;
    *(s->newer == NOBODY ? &r->newest : &r->seen[s->newer].older) = s->older;
}

static void link_newest(struct repeats *r, uint32_t i)
{
    struct seen *s = &r->seen[i];
    s->older = r->newest;
    s->newer = NOBODY;
    *(r->newest == NOBODY ? &r->oldest : &r->seen[r->newest].newer) = i;
    r->newest = i;
}

static bool within(int64_t a, int64_t b, int64_t window)
{
    uint64_t apart = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
    return apart < (uint64_t)window;
}

/* Room for one more: the oldest goes if need be. */
static uint32_t take_free(struct repeats *r, int64_t now)
{
    if (r->n < r->limit)
        return r->n++;
    uint32_t i = r->oldest;
    if (within(r->seen[i].time, now, r->window))
        atomic_fetch_add(r->forgotten, 1);
    unlink_age(r, i);
    unlink_slot(r, i);
    return i;
}

static void add(struct repeats *r, XXH128_hash_t hash, uint64_t place, int64_t time)
{
    uint32_t i = take_free(r, time), *slot = slot_of(r, hash);
    r->seen[i] = (struct seen){.hash = hash, .place = place, .time = time, .chain = *slot};
    *slot = i;
    link_newest(r, i);
}

/* Whether this line is one too many; else it is the one that later ones are compared with. */
static bool is_repeated(struct repeats *r, XXH128_hash_t hash, uint64_t place, int64_t time)
{
    struct seen *s = find(r, hash);
    if (!s) {
        add(r, hash, place, time);
        return false;
    }
    if (s->place < place && within(s->time, time, r->window))
        return true;
    s->place = place;
    s->time = time;
    unlink_age(r, (uint32_t)(s - r->seen));
    link_newest(r, (uint32_t)(s - r->seen));
    return false;
}

/* ---- a lease ---- */

static XXH128_hash_t hash_origin(const struct repeats *r, const struct batch *b, const struct stream *s)
{
    XXH3_state_t h = {0};
    XXH3_128bits_reset_withSeed(&h, r->seed);
    XXH3_128bits_update(&h, b->source->key, strlen(b->source->key) + 1);
    for (uint32_t i = 0; i < s->n; i++) {
        XXH3_128bits_update(&h, s->labels[i].name, strlen(s->labels[i].name) + 1);
        XXH3_128bits_update(&h, s->labels[i].value, strlen(s->labels[i].value) + 1);
    }
    return XXH3_128bits_digest(&h);
}

/* The same however the line lies in pieces. */
static XXH128_hash_t hash_line(const struct repeats *r, const struct batch *b, uint32_t from, uint32_t to)
{
    const struct mark *m = &b->marks[from];
    if (to == from + 1)
        return XXH3_128bits_withSeed(b->data + m->off, m->len, r->seed);
    XXH3_state_t h = {0};
    XXH3_128bits_reset_withSeed(&h, r->seed);
    for (; m < b->marks + to; m++)
        XXH3_128bits_update(&h, b->data + m->off, m->len);
    return XXH3_128bits_digest(&h);
}

static uint64_t place_of(const struct batch *b, uint32_t last)
{
    return b->from + (b->ordinal ? last + 1 : b->marks[last].end);
}

/* false: no memory to say so. */
static bool leave_out(struct repeats *r, struct lease *l, uint32_t from, uint32_t to)
{
    if (!l->repeated)
        l->repeated = mem_new(&r->scope, (l->batch->n + 63) / 64 * sizeof *l->repeated, "repeated lines");
    if (!l->repeated)
        return false;
    l->left_out.records++;
    for (uint32_t i = from; i < to; i++) {
        l->left_out.bytes += l->batch->marks[i].len;
        l->repeated[i / 64] |= UINT64_C(1) << i % 64;
    }
    return true;
}

void repeats_look(struct repeats *r, struct lease *l)
{
    const struct batch *b = l->batch;
    XXH128_hash_t origins[BATCH_STREAMS];
    for (unsigned i = 0; i < b->n_streams; i++)
        if (l->wanted >> i & 1)
            origins[i] = hash_origin(r, b, b->streams[i]);
    for (uint32_t i = l->first, next; i < b->n; i = next) {
        const struct mark *m = &b->marks[i];
        next = batch_entry_end(b, i);
        if (!(l->wanted >> m->stream & 1))
            continue;
        XXH128_hash_t hash = hash_line(r, b, i, next);
        hash.low64 ^= origins[m->stream].low64;
        hash.high64 ^= origins[m->stream].high64;
        if (is_repeated(r, hash, place_of(b, next - 1), m->time) && !leave_out(r, l, i, next))
            return;
    }
}

void repeats_forget(struct lease *l)
{
    mem_free(l->repeated);
    l->repeated = NULL;
    l->left_out = (struct amount){0};
}
