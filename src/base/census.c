#include "base/census.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/symbols.h"

static bool collect(const struct birth_info *info, void *arg)
{
    struct census *c = arg;
    if (c->n == c->cap)
        return false;
    c->items[c->n++] = *info;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct birth_info *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

bool census_take(struct census *c)
{
    *c = (struct census){.cap = birth_count(BIRTH_NONE) + 64};
    c->items = mem_raw_alloc(c->cap * sizeof *c->items);
    if (!c->items)
        return false;
    birth_walk(collect, c);
    qsort(c->items, c->n, sizeof *c->items, by_id);
    return true;
}

void census_drop(struct census *c)
{
    mem_raw_free(c->items);
    *c = (struct census){0};
}

const char *census_path(const struct census *c, uint32_t id, char *path, size_t size)
{
    char tail[512] = "";
    for (int depth = 0; id && depth < 16; depth++) {
        struct birth_info key = {.id = id};
        const struct birth_info *s = bsearch(&key, c->items, c->n, sizeof *c->items, by_id);
        char joined[sizeof tail];
        snprintf(joined, sizeof joined, "/%s%s", s ? s->name : "?", tail);
        memcpy(tail, joined, sizeof tail);
        id = s ? s->owner : 0;
    }
    snprintf(path, size, "logcap%s", tail);
    return path;
}

static void print(FILE *out)
{
    struct census c;
    struct symbols symbols;
    char text[SYMBOL_TEXT];
    int64_t now = clock_mono();

    if (!census_take(&c)) {
        fputs("census: no memory to list what is alive\n", out);
        return;
    }
    (void)symbols_begin(&symbols, &scope_root); /* without them: addresses */
    for (size_t i = 0; i < c.n; i++) {
        const struct birth_info *b = &c.items[i];
        char path[512];
        census_path(&c, b->owner, path, sizeof path);
        fprintf(out, "%-7s %-24s of %s, %.3f s old", birth_kind_name(b->kind), b->name, path,
                (double)(now - b->born) / SECOND);
        if (b->fd >= 0)
            fprintf(out, ", number %d", b->fd);
        if (b->bytes)
            fprintf(out, ", %llu bytes", (unsigned long long)b->bytes);
        fputs(", born at", out);
        for (unsigned f = 0; f < b->frames; f++)
            fprintf(out, " %s", symbols_text(&symbols, b->stack[f], text));
        fputc('\n', out);
    }
    symbols_end(&symbols);
    census_drop(&c);
}

bool census_empty(FILE *out)
{
    uint64_t n = birth_count(BIRTH_NONE);
    if (n == 0)
        return true;
    fprintf(out, "census: %llu things were not given back:\n", (unsigned long long)n);
    print(out);
    return false;
}
