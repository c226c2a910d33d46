#include "leak/explain/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { FIRST_CAP = 64 };

int profile_begin(struct profile *p, struct scope *owner, const struct profile_sort *sort)
{
    *p = (struct profile){.sort = sort, .at = clock_real()};
    return scope_begin(&p->scope, owner, sort->name);
}

void profile_end(struct profile *p)
{
    scope_end(&p->scope);
}

/* Room for `more` elements behind `n`; false: there is none. */
static bool grow(struct scope *scope, void **array, size_t *cap, size_t n, size_t more, size_t size, const char *name)
{
    if (n + more <= *cap)
        return true;
    size_t want = *cap ? 2 * *cap : FIRST_CAP;
    if (want < n + more)
        want = n + more;
    void *moved = *array ? mem_resize(*array, want * size) : mem_new(scope, want * size, name);
    if (!moved)
        return false;
    *array = moved;
    *cap = want;
    return true;
}

static uint64_t hash_of(const uintptr_t *frames, unsigned n, const char *kind)
{
    uint64_t h = (uintptr_t)kind;
    for (unsigned i = 0; i < n; i++)
        h = (h ^ frames[i]) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static bool is_same(const struct profile *p, const struct profile_sample *s, const uintptr_t *frames, unsigned n,
                    const char *kind)
{
    return s->depth == n && s->kind == kind && memcmp(p->frames + s->frames, frames, n * sizeof *frames) == 0;
}

/* Where its place in samples stands, or belongs. There is always a free one. */
static uint32_t *find(const struct profile *p, const uintptr_t *frames, unsigned n, const char *kind)
{
    size_t i = hash_of(frames, n, kind) & (p->index_cap - 1);
    while (p->index[i] && !is_same(p, &p->samples[p->index[i] - 1], frames, n, kind))
        i = (i + 1) & (p->index_cap - 1);
    return &p->index[i];
}

static void fill_index(struct profile *p)
{
    memset(p->index, 0, p->index_cap * sizeof *p->index);
    for (size_t i = 0; i < p->n; i++) {
        const struct profile_sample *s = &p->samples[i];
        *find(p, p->frames + s->frames, s->depth, s->kind) = (uint32_t)i + 1;
    }
}

static bool grow_index(struct profile *p)
{
    size_t cap = p->index_cap ? 2 * p->index_cap : 2 * FIRST_CAP;
    uint32_t *index = mem_new(&p->scope, cap * sizeof *index, "index");
    if (!index)
        return false;
    mem_free(p->index);
    p->index = index;
    p->index_cap = cap;
    fill_index(p);
    return true;
}

static struct profile_sample *sample_of(struct profile *p, const uintptr_t *frames, unsigned n, const char *kind)
{
    if (2 * (p->n + 1) > p->index_cap && !grow_index(p))
        return NULL;
    uint32_t *place = find(p, frames, n, kind);
    if (*place)
        return &p->samples[*place - 1];
    if (p->n == PROFILE_SAMPLES ||
        !grow(&p->scope, (void **)&p->samples, &p->cap, p->n, 1, sizeof *p->samples, "samples") ||
        !grow(&p->scope, (void **)&p->frames, &p->frames_cap, p->n_frames, n, sizeof *frames, "frames"))
        return NULL;
    struct profile_sample *s = &p->samples[p->n++];
    *s = (struct profile_sample){.kind = kind, .frames = (uint32_t)p->n_frames, .depth = n};
    if (n)
        memcpy(p->frames + p->n_frames, frames, n * sizeof *frames);
    p->n_frames += n;
    *place = (uint32_t)p->n;
    return s;
}

void profile_add(struct profile *p, const uintptr_t *frames, unsigned n, const char *kind, const int64_t *values,
                 const char *name, int64_t born)
{
    struct profile_sample *s = sample_of(p, frames, n < PROFILE_DEPTH ? n : PROFILE_DEPTH, kind);
    if (!s) {
        p->left_out++;
        return;
    }
    for (unsigned i = 0; i < p->sort->n_values; i++)
        s->values[i] += values[i];
    if (born && (!s->oldest || born < s->oldest)) {
        s->oldest = born;
        size_t len = name ? strnlen(name, sizeof s->name - 1) : 0;
        memcpy(s->name, name ? name : "", len);
        s->name[len] = 0;
    }
}

void profile_add_birth(struct profile *p, const struct birth_info *b, const char *kind, const int64_t *values)
{
    uintptr_t frames[BIRTH_FRAMES];
    for (unsigned i = 0; i < b->frames; i++)
        frames[i] = b->stack[i] - 1;
    profile_add(p, frames, b->frames, kind, values, b->name, b->born);
}

static bool is_not_zero(const struct profile *p, const struct profile_sample *s)
{
    for (unsigned i = 0; i < p->sort->n_values; i++)
        if (s->values[i])
            return true;
    return false;
}

static void drop_zeros(struct profile *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++)
        if (is_not_zero(p, &p->samples[i]))
            p->samples[kept++] = p->samples[i];
    p->n = kept;
    if (p->index_cap)
        fill_index(p);
}

void profile_subtract(struct profile *p, const struct profile *earlier)
{
    for (size_t i = 0; i < earlier->n; i++) {
        const struct profile_sample *s = &earlier->samples[i];
        int64_t values[PROFILE_VALUES];
        for (unsigned v = 0; v < PROFILE_VALUES; v++)
            values[v] = -s->values[v];
        profile_add(p, earlier->frames + s->frames, s->depth, s->kind, values, NULL, 0);
    }
    p->duration = p->at - earlier->at;
    drop_zeros(p);
}

int64_t profile_total(const struct profile *p, unsigned value)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->n; i++)
        sum += p->samples[i].values[value];
    return sum;
}

static int by_age(const void *a, const void *b, void *arg)
{
    const struct profile_sample *x = a, *y = b;
    int64_t at = x->oldest ? x->oldest : INT64_MAX, of = y->oldest ? y->oldest : INT64_MAX;
    return at < of ? -1 : at > of;
}

static int by_value(const void *a, const void *b, void *arg)
{
    const struct profile_sample *x = a, *y = b;
    unsigned v = ((const struct profile *)arg)->sort->first_value;
    if (x->values[v] != y->values[v])
        return x->values[v] > y->values[v] ? -1 : 1;
    return by_age(a, b, arg);
}

static void sort_with(struct profile *p, int (*compare)(const void *, const void *, void *))
{
    if (!p->n)
        return;
    qsort_r(p->samples, p->n, sizeof *p->samples, compare, p);
    fill_index(p);
}

void profile_sort_by_value(struct profile *p)
{
    sort_with(p, by_value);
}

void profile_sort_by_age(struct profile *p)
{
    sort_with(p, by_age);
}

int profile_lines(const struct profile *p, struct lines *l, struct scope *owner, int cancel)
{
    uintptr_t *all = mem_new(owner, (p->n_frames + 1) * sizeof *all, "addresses");
    if (!all)
        return -errno;
    if (p->n_frames)
        memcpy(all, p->frames, p->n_frames * sizeof *all);
    int r = lines_begin(l, owner, all, p->n_frames, cancel);
    mem_free(all);
    return r;
}
