#include "out/cardinality.h"

#include <string.h>
#include <xxhash.h>

#include "base/mem.h"

enum { SLOTS_LEAST = 256, BITS_LEAST = 4096, BITS_MOST = 65536 };

struct cardinality_stream {
    uint64_t hash;  /* 0: free */
    int64_t seen;
};

struct cardinality_name {
    char name[CARDINALITY_NAME]; /* cut */
    bool demoted;
    uint64_t bitmaps[]; /* this window's, and that of the window before */
};

/* ---- label names ---- */

static struct cardinality_name *find_name(const struct cardinality *c, const char *name)
{
    for (unsigned i = 0; i < c->n_names; i++)
        if (strncmp(c->names[i]->name, name, CARDINALITY_NAME - 1) == 0)
            return c->names[i];
    return NULL;
}

static uint32_t words(const struct cardinality *c)
{
    return c->bits / 64;
}

static struct cardinality_name *get_name(struct cardinality *c, const char *name)
{
    struct cardinality_name *found = find_name(c, name);
    if (found || c->n_names == CARDINALITY_NAMES)
        return found;
    found = scope_alloc(&c->scope, sizeof *found + 2 * words(c) * sizeof *found->bitmaps);
    if (!found)
        return NULL;
    strncpy(found->name, name, CARDINALITY_NAME - 1);
    return c->names[c->n_names++] = found;
}

static uint32_t count_values(const struct cardinality *c, const struct cardinality_name *name)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < words(c); i++)
        n += (uint32_t)__builtin_popcountll(name->bitmaps[i] | name->bitmaps[words(c) + i]);
    return n;
}

static void add_value(struct cardinality *c, struct cardinality_name *name, const char *value)
{
    uint64_t bit = XXH3_64bits(value, strlen(value)) % c->bits;
    name->bitmaps[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void turn_windows(struct cardinality *c, int64_t now)
{
    if (now - c->turned < CARDINALITY_WINDOW)
        return;
    size_t size = words(c) * sizeof(uint64_t);
    for (unsigned i = 0; i < c->n_names; i++) {
        uint64_t *bitmaps = c->names[i]->bitmaps;
        memcpy(bitmaps + words(c), bitmaps, size);
        memset(bitmaps, 0, size);
    }
    c->turned = now;
}

bool cardinality_is_demoted(const struct cardinality *c, const char *name)
{
    if (!c->limit)
        return false;
    const struct cardinality_name *found = find_name(c, name);
    return found ? found->demoted : c->n_names == CARDINALITY_NAMES;
}

const char *cardinality_demoted(const struct cardinality *c, unsigned n)
{
    for (unsigned i = 0; i < c->n_names; i++)
        if (c->names[i]->demoted && n-- == 0)
            return c->names[i]->name;
    return NULL;
}

/* ---- streams ---- */

uint64_t cardinality_hash(const struct loki_pair *labels, unsigned n)
{
    uint64_t hash = 1;
    for (unsigned i = 0; i < n; i++) {
        hash = XXH3_64bits_withSeed(labels[i].name, strlen(labels[i].name) + 1, hash);
        hash = XXH3_64bits_withSeed(labels[i].value, strlen(labels[i].value) + 1, hash);
    }
    return hash ? hash : 1;
}

static struct cardinality_stream *find_stream(const struct cardinality *c, uint64_t hash)
{
    struct cardinality_stream *s = c->streams + (hash & (c->slots - 1));
    while (s->hash && s->hash != hash)
        if (++s == c->streams + c->slots)
            s = c->streams;
    return s;
}

/* Into a table of another size, or the same, without what is over. false: no memory; all is as it was. */
static bool rebuild(struct cardinality *c, uint32_t slots, int64_t now)
{
    struct cardinality_stream *old = c->streams, *fresh = mem_new(&c->scope, slots * sizeof *fresh, "streams seen");
    uint32_t n_old = c->slots;
    if (!fresh)
        return false;
    c->streams = fresh;
    c->slots = slots;
    c->n = 0;
    for (uint32_t i = 0; i < n_old; i++)
        if (old[i].hash && now - old[i].seen < CARDINALITY_WINDOW) {
            *find_stream(c, old[i].hash) = old[i];
            c->n++;
        }
    mem_free(old);
    return true;
}

void cardinality_touch(struct cardinality *c, uint64_t hash, int64_t now)
{
    struct cardinality_stream *s = c->streams ? find_stream(c, hash) : NULL;
    if (s && s->hash)
        s->seen = now;
}

/* Room for one more: 1, 0: there are as many as may be, -1: no memory. */
static int make_room(struct cardinality *c, int64_t now)
{
    if (!c->streams && !rebuild(c, SLOTS_LEAST, now))
        return -1;
    if (c->n >= c->limit) {
        if (!rebuild(c, c->slots, now))
            return -1;
        return c->n < c->limit;
    }
    if (c->n >= c->slots / 2 && !rebuild(c, 2 * c->slots, now))
        return -1;
    return 1;
}

/* ---- both ---- */

static const char *demote(struct cardinality *c, const struct loki_pair *labels, unsigned n, uint32_t *values)
{
    struct cardinality_name *largest = NULL;
    *values = 1; /* a label with one value makes no streams */
    for (unsigned i = 0; i < n; i++) {
        struct cardinality_name *name = find_name(c, labels[i].name);
        uint32_t count = name && !name->demoted ? count_values(c, name) : 0;
        if (count > *values) {
            *values = count;
            largest = name;
        }
    }
    if (!largest)
        return NULL;
    largest->demoted = true;
    c->n_demoted++;
    memset(c->streams, 0, c->slots * sizeof *c->streams);
    c->n = 0;
    return largest->name;
}

const char *cardinality_add(struct cardinality *c, const struct loki_pair *labels, unsigned n, int64_t now,
                            uint32_t *values)
{
    if (!c->limit)
        return NULL;
    turn_windows(c, now);
    for (unsigned i = 0; i < n; i++) {
        struct cardinality_name *name = get_name(c, labels[i].name);
        if (name)
            add_value(c, name, labels[i].value);
    }
    uint64_t hash = cardinality_hash(labels, n);
    struct cardinality_stream *s = c->streams ? find_stream(c, hash) : NULL;
    if (s && s->hash) {
        s->seen = now;
        return NULL;
    }
    int room = make_room(c, now);
    if (room == 0)
        return demote(c, labels, n, values);
    if (room > 0) {
        *find_stream(c, hash) = (struct cardinality_stream){hash, now};
        c->n++;
    }
    return NULL;
}

/* ---- life ---- */

int cardinality_begin(struct cardinality *c, struct scope *owner, uint32_t limit, int64_t now)
{
    *c = (struct cardinality){.limit = limit, .turned = now, .bits = BITS_LEAST};
    while (c->bits / 8 < limit && c->bits < BITS_MOST)
        c->bits *= 2;
    return scope_begin(&c->scope, owner, "cardinality");
}
