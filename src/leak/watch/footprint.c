#include "leak/watch/footprint.h"

#include <string.h>
#include <xxhash.h>

static uint64_t hash_of(const struct birth_info *b)
{
    return XXH3_64bits_withSeed(b->stack, b->frames * sizeof *b->stack, b->kind);
}

/* Its place, or the empty one where it would be: at most half of them are taken. */
static size_t place_of(const struct footprint *f, uint64_t hash)
{
    size_t i = hash % (2 * FOOTPRINT_SITES);
    while (f->sites[i].count && f->sites[i].hash != hash)
        i = (i + 1) % (2 * FOOTPRINT_SITES);
    return i;
}

static bool add(const struct birth_info *b, void *arg)
{
    struct footprint *f = arg;
    uint64_t hash = hash_of(b);
    struct footprint_site *s = &f->sites[place_of(f, hash)];
    if (!s->count && f->n == FOOTPRINT_SITES) {
        f->full = true;
        return true;
    }
    f->n += !s->count;
    s->hash = hash;
    s->count++;
    s->bytes += b->bytes;
    return true;
}

void footprint_take(struct footprint *f, int64_t now)
{
    memset(f, 0, sizeof *f);
    f->taken = now;
    birth_walk(add, f);
}

bool footprint_had(const struct footprint *f, const struct birth_info *b, uint64_t *count, uint64_t *bytes)
{
    const struct footprint_site *s = &f->sites[place_of(f, hash_of(b))];
    *count = s->count;
    *bytes = s->bytes;
    return f->taken && (s->count || !f->full);
}
