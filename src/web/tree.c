/*
 * The tree of owners as it is now: a scope's children, each with the sums of what is below it, or what a search finds.
 * One census for each answer; a stack only for a single thing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/census.h"
#include "base/clock.h"
#include "base/symbols.h"
#include "web/routes.h"

enum { SHOWN = 500, DEPTH_MOST = 64 };

/* What is below a scope, at any depth. */
struct below {
    uint32_t id;
    size_t item; /* of the census */
    uint64_t things, bytes, fds, tasks;
};

struct tree {
    struct census census;
    struct below *scopes; /* by id */
    size_t n;
    struct doc doc;
    int64_t now;
};

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct below *)a)->id, y = ((const struct below *)b)->id;
    return (x > y) - (x < y);
}

static struct below *scope_of(const struct tree *t, uint32_t id)
{
    const struct below key = {.id = id};
    return id ? bsearch(&key, t->scopes, t->n, sizeof *t->scopes, by_id) : NULL;
}

/* Each thing counts for all its owners. A census is no one moment: an owner may be missing. */
static void add_up(struct tree *t)
{
    for (size_t i = 0; i < t->census.n; i++) {
        const struct birth_info *b = &t->census.items[i];
        uint32_t id = b->owner;
        for (int depth = 0; id && depth < DEPTH_MOST; depth++) {
            struct below *s = scope_of(t, id);
            if (!s)
                break;
            s->things++;
            s->bytes += b->bytes;
            s->fds += b->kind == BIRTH_FD;
            s->tasks += task_is(b);
            id = t->census.items[s->item].owner;
        }
    }
}

static bool begin(struct tree *t, struct request *q)
{
    *t = (struct tree){.doc = {.out = &q->out}, .now = clock_mono()};
    if (!census_take(&t->census)) {
        request_fail(q, 503, "no memory for the census now");
        return false;
    }
    for (size_t i = 0; i < t->census.n; i++)
        t->n += t->census.items[i].kind == BIRTH_SCOPE;
    t->scopes = mem_new(&q->scope, (t->n + 1) * sizeof *t->scopes, "tree");
    if (!t->scopes) {
        census_drop(&t->census);
        request_fail(q, 503, "no memory for the tree now");
        return false;
    }
    t->n = 0;
    for (size_t i = 0; i < t->census.n; i++)
        if (t->census.items[i].kind == BIRTH_SCOPE)
            t->scopes[t->n++] = (struct below){.id = t->census.items[i].id, .item = i};
    qsort(t->scopes, t->n, sizeof *t->scopes, by_id);
    add_up(t);
    return true;
}

static void end(struct tree *t)
{
    mem_free(t->scopes);
    census_drop(&t->census);
}

static void write_members(struct tree *t, const struct birth_info *b)
{
    struct doc *d = &t->doc;
    doc_uint(d, "id", b->id);
    doc_string(d, "kind", task_kind_name(b));
    doc_string(d, "what", birth_kind_name(b->kind));
    doc_string(d, "name", b->name);
    doc_real(d, "age_seconds", (double)(t->now - b->born) / SECOND);
    doc_uint(d, "bytes", b->bytes);
    if (b->kind == BIRTH_FD || b->kind == BIRTH_THREAD)
        doc_int(d, b->kind == BIRTH_FD ? "fd" : "tid", b->fd);
    if (task_is(b)) {
        doc_string(d, "state", b->state == BIRTH_WAITING ? "waiting" : "running");
        if (b->beat)
            doc_real(d, "beat_seconds", (double)(t->now - b->beat) / SECOND);
        if (b->task_kind && b->task_kind->heartbeat)
            doc_real(d, "heartbeat_seconds", (double)b->task_kind->heartbeat / SECOND);
        if (b->task_kind && b->task_kind->max_age)
            doc_real(d, "max_age_seconds", (double)b->task_kind->max_age / SECOND);
    }
    const struct below *s = b->kind == BIRTH_SCOPE ? scope_of(t, b->id) : NULL;
    if (!s)
        return;
    doc_object(d, "below");
    doc_uint(d, "things", s->things);
    doc_uint(d, "bytes", s->bytes);
    doc_uint(d, "fds", s->fds);
    doc_uint(d, "tasks", s->tasks);
    doc_object_end(d);
    if (b->max_bytes)
        doc_uint(d, "max_bytes", b->max_bytes); /* its budget */
}

static void write_owner(struct tree *t, const struct birth_info *b)
{
    char path[512];
    doc_string(&t->doc, "owner", census_path(&t->census, b->owner, path, sizeof path));
    doc_uint(&t->doc, "owner_id", b->owner);
}

static void write_children(struct tree *t, uint32_t under)
{
    uint64_t n = 0;
    char path[512];
    doc_string(&t->doc, "path", census_path(&t->census, under, path, sizeof path));
    doc_array(&t->doc, "things");
    for (size_t i = 0; i < t->census.n; i++) {
        const struct birth_info *b = &t->census.items[i];
        if (b->owner != under || b->id == under || n++ >= SHOWN)
            continue;
        doc_object(&t->doc, NULL);
        write_members(t, b);
        doc_object_end(&t->doc);
    }
    doc_array_end(&t->doc);
    doc_uint(&t->doc, "total", n);
}

static bool matches(const struct birth_info *b, const char *text)
{
    return strcasestr(b->name, text) || strcasestr(task_kind_name(b), text);
}

static void write_found(struct tree *t, const char *text)
{
    uint64_t n = 0;
    doc_array(&t->doc, "things");
    for (size_t i = 0; i < t->census.n; i++) {
        const struct birth_info *b = &t->census.items[i];
        if (!matches(b, text) || n++ >= SHOWN)
            continue;
        doc_object(&t->doc, NULL);
        write_members(t, b);
        write_owner(t, b);
        doc_object_end(&t->doc);
    }
    doc_array_end(&t->doc);
    doc_uint(&t->doc, "total", n);
}

static bool write_one(struct tree *t, struct request *q, uint64_t id)
{
    struct symbols symbols;
    char text[SYMBOL_TEXT];
    const struct birth_info *b = NULL;
    for (size_t i = 0; i < t->census.n && !b; i++)
        if (t->census.items[i].id == id)
            b = &t->census.items[i];
    if (!b)
        return false;
    (void)symbols_begin(&symbols, &q->scope); /* without them: addresses */
    write_members(t, b);
    write_owner(t, b);
    doc_array(&t->doc, "stack");
    for (unsigned i = 0; i < b->frames; i++)
        doc_string(&t->doc, NULL, symbols_text(&symbols, b->stack[i], text));
    doc_array_end(&t->doc);
    symbols_end(&symbols);
    return true;
}

void tree_answer(struct web *w, struct request *q)
{
    const char *under = request_arg(q, "under"), *find = request_arg(q, "find"), *one = request_arg(q, "id");
    uint64_t id = 0, parent = 0;
    bool good = true;
    struct tree t;
    if ((one && !page_number(one, &id)) || (under && !page_number(under, &parent)) || id > UINT32_MAX || parent > UINT32_MAX) {
        request_fail(q, 400, "?under=ID, ?id=ID or ?find=TEXT");
        return;
    }
    if (!begin(&t, q))
        return;
    doc_object(&t.doc, NULL);
    if (one)
        good = write_one(&t, q, id);
    else if (find && *find)
        write_found(&t, find);
    else
        write_children(&t, (uint32_t)parent);
    doc_object_end(&t.doc);
    end(&t);
    if (!good)
        request_fail(q, 404, "it has ended");
}
