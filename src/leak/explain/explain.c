#include "leak/explain/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "leak/explain/profile_cpu.h"
#include "leak/explain/profile_heap.h"
#include "leak/explain/profile_tasks.h"
#include "leak/explain/stacks.h"

enum { STACKS_MOST = 6 << 20, SAVED_MOST = 16 << 20 };

static int heap(struct profile *p, struct scope *owner)
{
    return profile_heap(p, owner, &profile_in_use);
}

static int allocs(struct profile *p, struct scope *owner)
{
    return profile_heap(p, owner, &profile_allocated);
}

static const struct {
    const char *name, *says;
    int (*take)(struct profile *p, struct scope *owner);
} known[EXPLAINED] = {
    [EXPLAIN_GOROUTINE] = {"goroutine", "tasks: threads by their present stack, activities on loops by the stack that began them", profile_tasks},
    [EXPLAIN_HEAP] = {"heap", "memory in use, sampled, by the stack that allocated it", heap},
    [EXPLAIN_ALLOCS] = {"allocs", "the same, all that was ever allocated first", allocs},
    [EXPLAIN_CPU] = {"profile", "processor time for ?seconds=N (30)", NULL},
    [EXPLAIN_THREADCREATE] = {"threadcreate", "threads by the stack that began them", profile_threads},
    [EXPLAIN_FDS] = {"fds", "descriptors by the stack that opened them", profile_fds},
    [EXPLAIN_THINGS] = {"things", "leases, batches, timers, watches and libraries' handles, by the stack that took them", profile_things},
    [EXPLAIN_BLOCKS] = {"blocks", "what the scope tree holds, exactly, by the stack that took it", profile_blocks},
};

const char *explain_name(enum explain_what what)
{
    return known[what].name;
}

const char *explain_says(enum explain_what what)
{
    return known[what].says;
}

bool explain_find(const char *name, enum explain_what *what)
{
    for (int i = 0; i < EXPLAINED; i++)
        if (strcmp(name, known[i].name) == 0) {
            *what = (enum explain_what)i;
            return true;
        }
    return false;
}

bool explain_has_heap(void)
{
    return profile_heap_is_there();
}

/* What there is at the end of the span, less what there was at its beginning. */
static int take(const struct explain_ask *ask, struct profile *p, struct scope *scope, int cancel)
{
    struct profile before = {0};
    if (ask->what == EXPLAIN_CPU)
        return profile_cpu(p, scope, ask->span, cancel);
    int r = ask->span ? known[ask->what].take(&before, scope) : 0;
    if (r == 0 && ask->span && !profile_wait(ask->span, cancel))
        r = -ECANCELED;
    if (r == 0)
        r = known[ask->what].take(p, scope);
    if (r == 0 && ask->span)
        profile_subtract(p, &before);
    profile_end(&before);
    return r;
}

static int write_json(const struct profile *p, const struct lines *l, size_t most, struct buf *out)
{
    struct doc d = {.out = out};
    doc_object(&d, NULL);
    doc_string(&d, "profile", p->sort->name);
    doc_int(&d, "total", profile_total(p, p->sort->first_value));
    doc_bool(&d, "has_lines", l->resolved);
    profile_write_json(p, l, most, &d, "groups");
    doc_uint(&d, "left_out", p->left_out + (most && p->n > most ? p->n - most : 0));
    doc_object_end(&d);
    return out->failed ? -ENOMEM : 0;
}

static int write_as(const struct profile *p, const struct lines *l, const struct explain_ask *ask, struct buf *out)
{
    switch (ask->form) {
    case EXPLAIN_PPROF:
        return profile_write_pprof(p, l, out);
    case EXPLAIN_PLAIN:
        return profile_write_plain(p, l, ask->most, out);
    case EXPLAIN_JSON:
        return write_json(p, l, ask->most, out);
    default:
        return profile_write_text(p, l, ask->most, out);
    }
}

int explain_write(const struct explain_ask *ask, struct scope *scope, struct buf *out, int cancel)
{
    struct profile p = {0};
    struct lines *l;
    if (ask->what == EXPLAIN_GOROUTINE && ask->form == EXPLAIN_EACH && !ask->span)
        return stacks_write(scope, out, STACKS_MOST, cancel);
    int r = take(ask, &p, scope, cancel);
    if (r < 0)
        return r;
    if (ask->form == EXPLAIN_JSON || ask->form == EXPLAIN_PLAIN)
        profile_sort_by_age(&p);
    else
        profile_sort_by_value(&p);
    l = mem_new(&p.scope, sizeof *l, "lines");
    r = l ? profile_lines(&p, l, &p.scope, cancel) : -errno;
    if (r == 0)
        r = write_as(&p, l, ask, out);
    profile_end(&p);
    return r;
}

static int save(struct scope *scope, const char *path, const struct buf *data)
{
    struct fd file;
    char *part = scope_printf(scope, "%s.part", path);
    int r = part ? fd_open(&file, scope, part, O_WRONLY | O_CREAT | O_TRUNC, 0640) : -ENOMEM;
    if (r < 0)
        return r;
    r = fd_write_all(file.n, data->data, data->len);
    fd_close(&file);
    if (r == 0)
        r = file_rename(part, path);
    if (r < 0)
        (void)file_unlink(part);
    return r;
}

int explain_save_heap(struct scope *scope, const char *path)
{
    const struct explain_ask ask = {.what = EXPLAIN_HEAP, .form = EXPLAIN_PPROF};
    struct scope work;
    struct buf data;
    int r = scope_begin(&work, scope, "heap profile");
    if (r < 0)
        return r;
    r = buf_begin(&data, &work, "heap profile", SAVED_MOST);
    if (r == 0)
        r = explain_write(&ask, &work, &data, -1);
    if (r == 0)
        r = save(&work, path, &data);
    scope_end(&work);
    return r;
}
