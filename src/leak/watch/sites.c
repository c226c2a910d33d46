#include "leak/watch/sites.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { FRAME_TEXT = 400 };

/* Which records are meant. */
struct gathering {
    struct sites *sites;
    const struct tally *tally;
    const char *kind, *group; /* of the series */
};

/* A scope's own bytes are its own, not its parent's. */
static const char *holder_of(const struct gathering *g, const struct birth_info *b)
{
    return tally_scope_name(g->tally, b->kind == BIRTH_SCOPE ? b->id : b->owner);
}

static bool is_meant(const struct gathering *g, const struct birth_info *b)
{
    if (g->tally->foreign && b->owner)
        return false;
    if (strcmp(g->kind, "tasks") == 0)
        return task_is(b) && (!*g->group || strcmp(g->group, "unexpected") == 0 ||
                              (b->task_kind && strcmp(b->task_kind->name, g->group) == 0));
    if (strcmp(g->kind, "threads") == 0)
        return b->kind == BIRTH_THREAD;
    if (strcmp(g->kind, "fds") == 0)
        return b->kind == BIRTH_FD;
    if (strcmp(g->kind, "things") == 0)
        return strcmp(birth_kind_name(b->kind), g->group) == 0;
    if (strcmp(g->kind, "arena") == 0)
        return b->bytes && strcmp(holder_of(g, b), g->group) == 0;
    return strcmp(g->kind, "memory") == 0 && b->bytes;
}

static void add_holder(struct sites *s, const char *name, const struct birth_info *b)
{
    unsigned i = 0;
    while (i < s->n_holders && strcmp(s->holders[i].name, name) != 0)
        i++;
    if (i == TALLY_GROUPS)
        return; /* not reached: the tally has no more names, but for "" */
    if (i == s->n_holders)
        s->holders[s->n_holders++] = (struct holder){.name = name};
    s->holders[i].count++;
    s->holders[i].bytes += b->bytes;
}

static void add_oldest(struct sites *s, const struct birth_info *b)
{
    unsigned i = s->n_oldest < SITES_OLDEST ? s->n_oldest++ : SITES_OLDEST - 1;
    if (i == SITES_OLDEST - 1 && s->oldest[i].id && s->oldest[i].born <= b->born)
        return;
    for (; i > 0 && s->oldest[i - 1].born > b->born; i--)
        s->oldest[i] = s->oldest[i - 1];
    s->oldest[i] = *b;
}

static void add_site(struct sites *s, const struct birth_info *b)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct site *site = &s->list[i];
        if (site->first.frames != b->frames || site->first.kind != b->kind ||
            memcmp(site->first.stack, b->stack, b->frames * sizeof *b->stack) != 0)
            continue;
        if (b->born < site->first.born)
            site->first = *b;
        site->count++;
        site->bytes += b->bytes;
        return;
    }
    if (s->n == SITES_SEEN)
        s->not_listed++;
    else
        s->list[s->n++] = (struct site){.first = *b, .count = 1, .bytes = b->bytes};
}

static bool add(const struct birth_info *b, void *arg)
{
    struct gathering *g = arg;
    if (!is_meant(g, b))
        return true;
    add_site(g->sites, b);
    add_holder(g->sites, holder_of(g, b), b);
    add_oldest(g->sites, b);
    return true;
}

static int descending(uint64_t x, uint64_t y)
{
    return x > y ? -1 : x < y;
}

static int by_count(const void *a, const void *b)
{
    const struct site *x = a, *y = b;
    int by_growth = descending(x->grown, y->grown);
    return by_growth ? by_growth : descending(x->count, y->count);
}

static int by_bytes(const void *a, const void *b)
{
    const struct site *x = a, *y = b;
    int by_growth = descending(x->grown_bytes, y->grown_bytes);
    return by_growth ? by_growth : descending(x->bytes, y->bytes);
}

static int holders_by_count(const void *a, const void *b)
{
    return descending(((const struct holder *)a)->count, ((const struct holder *)b)->count);
}

static int holders_by_bytes(const void *a, const void *b)
{
    return descending(((const struct holder *)a)->bytes, ((const struct holder *)b)->bytes);
}

static void compare(struct sites *s, const struct footprint *earlier)
{
    s->grown_since = earlier ? earlier->taken : 0;
    for (unsigned i = 0; s->grown_since && i < s->n; i++) {
        struct site *site = &s->list[i];
        uint64_t count, bytes;
        if (!footprint_had(earlier, &site->first, &count, &bytes))
            continue;
        site->grown = site->count > count ? site->count - count : 0;
        site->grown_bytes = site->bytes > bytes ? site->bytes - bytes : 0;
    }
}

int sites_gather(struct sites *s, struct scope *owner, const char *series, const struct tally *tally, const struct footprint *earlier)
{
    char kind[32];
    struct gathering g = {.sites = s, .tally = tally, .kind = kind};
    const char *colon = strchrnul(series, ':');
    *s = (struct sites){0};
    int r = scope_begin(&s->scope, owner, "birth sites");
    if (r < 0)
        return r;
    snprintf(kind, sizeof kind, "%.*s", (int)(colon - series), series);
    g.group = *colon ? colon + 1 : "";
    bool bytes = strcmp(kind, "arena") == 0 || strcmp(kind, "memory") == 0;
    s->list = mem_new(&s->scope, SITES_SEEN * sizeof *s->list, "birth sites");
    if (!s->list) {
        scope_end(&s->scope);
        return -ENOMEM;
    }
    birth_walk(add, &g);
    compare(s, earlier);
    qsort(s->list, s->n, sizeof *s->list, bytes ? by_bytes : by_count);
    qsort(s->holders, s->n_holders, sizeof *s->holders, bytes ? holders_by_bytes : holders_by_count);
    return 0;
}

void sites_end(struct sites *s)
{
    scope_end(&s->scope);
}

/* ---- writing ---- */

/* As snprintf(). */
static size_t frame_text(const struct frame *f, bool own_code, const char *before, char *text, size_t size)
{
    char offset[16] = "", line[270] = "";
    if (own_code)
        snprintf(offset, sizeof offset, "+0x%" PRIx32, f->offset);
    if (f->file[0])
        snprintf(line, sizeof line, " %.250s:%" PRIu32, f->file, f->line);
    return (size_t)snprintf(text, size, "%s%.100s%s%s", before, f->function, offset, line);
}

static const char *name_text(const struct names *names, uintptr_t address, char text[FRAME_TEXT])
{
    static const struct symbols none;
    const struct place *at = names->lines ? lines_find(names->lines, address - 1) : NULL; /* within the call */
    if (at && at->n) {
        size_t n = 0;
        for (uint32_t i = 0; i < at->n && n < FRAME_TEXT; i++) /* inlined ones first: theirs is the line that is meant */
            n += frame_text(&names->lines->frames[at->first + i], i + 1 == at->n, i ? " < " : "", text + n, FRAME_TEXT - n);
        return text;
    }
    return symbols_text(names->symbols ? names->symbols : &none, address, text);
}

int sites_look_up(struct lines *l, struct scope *owner, const struct birth_info *birth, const struct sites *sites, int cancel)
{
    uintptr_t all[(SITES_SHOWN + SITES_OLDEST + 1) * BIRTH_FRAMES];
    size_t n = 0;
    for (unsigned f = 0; birth && f < birth->frames; f++)
        all[n++] = birth->stack[f] - 1;
    for (unsigned i = 0; i < sites->n && i < SITES_SHOWN; i++)
        for (unsigned f = 0; f < sites->list[i].first.frames; f++)
            all[n++] = sites->list[i].first.stack[f] - 1;
    for (unsigned i = 0; i < sites->n_oldest; i++)
        for (unsigned f = 0; f < sites->oldest[i].frames; f++)
            all[n++] = sites->oldest[i].stack[f] - 1;
    return lines_begin(l, owner, all, n, cancel);
}

static void write_birth(struct doc *d, const struct birth_info *b, const struct names *names)
{
    char text[FRAME_TEXT];
    doc_string(d, "kind", task_kind_name(b));
    doc_string(d, "name", b->name);
    doc_array(d, "stack");
    for (unsigned i = 0; i < b->frames; i++)
        doc_string(d, NULL, name_text(names, b->stack[i], text));
    doc_array_end(d);
}

void sites_write(struct doc *d, const char *key, const struct sites *s, const struct names *names, int64_t now)
{
    doc_array(d, key);
    for (unsigned i = 0; i < s->n && i < SITES_SHOWN; i++) {
        const struct site *site = &s->list[i];
        doc_object(d, NULL);
        doc_uint(d, "count", site->count);
        doc_uint(d, "bytes", site->bytes);
        doc_uint(d, "grown", site->grown);
        doc_uint(d, "grown_bytes", site->grown_bytes);
        doc_real(d, "oldest_age_seconds", (double)(now - site->first.born) / SECOND);
        write_birth(d, &site->first, names);
        doc_object_end(d);
    }
    doc_array_end(d);
}

void sites_write_holders(struct doc *d, const char *key, const struct sites *s)
{
    doc_array(d, key);
    for (unsigned i = 0; i < s->n_holders && i < SITES_SHOWN; i++) {
        doc_object(d, NULL);
        doc_string(d, "scope", s->holders[i].name);
        doc_uint(d, "count", s->holders[i].count);
        doc_uint(d, "bytes", s->holders[i].bytes);
        doc_object_end(d);
    }
    doc_array_end(d);
}

void site_write_birth(struct doc *d, const char *key, const struct birth_info *b, const struct names *names, int64_t now)
{
    char path[512] = "";
    if (names->owners)
        census_path(names->owners, b->owner, path, sizeof path);
    doc_object(d, key);
    doc_string(d, "owner", path);
    doc_real(d, "age_seconds", (double)(now - b->born) / SECOND);
    write_birth(d, b, names);
    doc_object_end(d);
}

/* What every birth goes through says nothing about it. */
static bool is_plumbing(const char *function)
{
    static const char *const plumbing[] = {"thing_begin", "task_begin", "task_begin_as", "reserve", "fd_", "scope_begin", "scope_new",
                                           "begin", "mem_new", "buf_begin", "dir_open", "thread_begin"};
    for (size_t i = 0; i < sizeof plumbing / sizeof *plumbing; i++) {
        size_t n = strlen(plumbing[i]);
        if (strncmp(function, plumbing[i], n) == 0 && (plumbing[i][n - 1] == '_' || function[n] == '+' || !function[n]))
            return true;
    }
    return false;
}

const char *site_text(const struct birth_info *b, const struct names *names, unsigned most, char *text, size_t size)
{
    size_t used = 0;
    unsigned shown = 0;
    text[0] = 0;
    for (unsigned i = 0; i < b->frames && shown < most && used < size; i++) {
        char frame[FRAME_TEXT];
        name_text(names, b->stack[i], frame);
        if (shown == 0 && !names->foreign && is_plumbing(frame) && i + 1 < b->frames)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s", shown++ ? " < " : "", frame);
    }
    return text;
}
