#include "base/census.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

struct list {
    struct birth_info *items;
    size_t n, cap;
};

static bool collect(const struct birth_info *info, void *arg)
{
    struct list *l = arg;
    if (l->n == l->cap)
        return false;
    l->items[l->n++] = *info;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct birth_info *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* A copy of all records in the order of birth. Not a thing itself, so that it does not count itself. */
static struct list take(void)
{
    struct list l = {.cap = birth_count(BIRTH_NONE) + 64};
    l.items = mem_raw_alloc(l.cap * sizeof *l.items);
    if (!l.items)
        return (struct list){0};
    birth_walk(collect, &l);
    qsort(l.items, l.n, sizeof *l.items, by_id);
    return l;
}

static void owner_path(const struct list *l, uint32_t id, char *path, size_t size)
{
    char tail[512] = "";
    for (int depth = 0; id && depth < 16; depth++) {
        struct birth_info key = {.id = id};
        const struct birth_info *s = bsearch(&key, l->items, l->n, sizeof *l->items, by_id);
        char joined[sizeof tail];
        snprintf(joined, sizeof joined, "/%s%s", s ? s->name : "?", tail);
        memcpy(tail, joined, sizeof tail);
        id = s ? s->owner : 0;
    }
    snprintf(path, size, "logcap%s", tail);
}

const char *census_owner_path(uint32_t scope_id, char *path, size_t size)
{
    struct list l = take();
    owner_path(&l, scope_id, path, size);
    mem_raw_free(l.items);
    return path;
}

void census_print(FILE *out)
{
    struct list l = take();
    int64_t now = clock_mono();

    for (size_t i = 0; i < l.n; i++) {
        const struct birth_info *b = &l.items[i];
        char path[512];
        owner_path(&l, b->owner, path, sizeof path);
        fprintf(out, "%-7s %-24s of %s, %.3f s old", birth_kind_name(b->kind), b->name, path,
                (double)(now - b->born) / SECOND);
        if (b->fd >= 0)
            fprintf(out, ", number %d", b->fd);
        if (b->bytes)
            fprintf(out, ", %llu bytes", (unsigned long long)b->bytes);
        fputs(", born at", out);
        for (unsigned f = 0; f < b->frames; f++)
            fprintf(out, " %p", (void *)b->stack[f]);
        fputc('\n', out);
    }
    mem_raw_free(l.items);
}

bool census_empty(FILE *out)
{
    uint64_t n = birth_count(BIRTH_NONE);
    if (n == 0)
        return true;
    fprintf(out, "census: %llu things were not given back:\n", (unsigned long long)n);
    census_print(out);
    return false;
}
