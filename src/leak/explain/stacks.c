#include "leak/explain/stacks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/census.h"
#include "base/clock.h"
#include "base/probe.h"
#include "base/task.h"
#include "leak/explain/asker.h"
#include "leak/explain/lines.h"

enum { THREADS_MAX = 4096, PATIENCE_MS = 200, ONE_MOST = 64 * 1024 };

struct stacks {
    struct scope scope;
    struct census census;
    size_t n_tasks; /* they stand first in it */
    struct probe *threads;
    int n_threads;
    struct lines lines;
    const char **texts; /* of each place, made when first needed */
    int64_t now;
};

static bool is_shown(const struct birth_info *b)
{
    return task_is(b) && !(b->kind == BIRTH_THREAD && asker_is(b->fd));
}

static void forget_asker(struct stacks *s)
{
    for (int i = 0; i < s->n_threads; i++)
        if (asker_is(s->threads[i].tid))
            s->threads[i--] = s->threads[--s->n_threads];
}

static int take(struct stacks *s)
{
    if (!census_take(&s->census))
        return -ENOMEM;
    for (size_t i = 0; i < s->census.n; i++)
        if (is_shown(&s->census.items[i]))
            s->census.items[s->n_tasks++] = s->census.items[i];
    s->threads = mem_new(&s->scope, THREADS_MAX * sizeof *s->threads, "threads");
    if (!s->threads)
        return -errno;
    s->n_threads = probe_threads(s->threads, THREADS_MAX, PATIENCE_MS * MILLISECOND, &s->scope);
    forget_asker(s);
    s->now = clock_mono();
    return s->n_threads < 0 ? s->n_threads : 0;
}

static int look_up(struct stacks *s, int cancel)
{
    size_t cap = 1, n = 0;
    for (size_t i = 0; i < s->n_tasks; i++)
        cap += s->census.items[i].frames;
    for (int i = 0; i < s->n_threads; i++)
        cap += s->threads[i].n;
    uintptr_t *all = mem_new(&s->scope, cap * sizeof *all, "addresses");
    if (!all)
        return -errno;
    for (size_t i = 0; i < s->n_tasks; i++)
        for (unsigned f = 0; f < s->census.items[i].frames; f++)
            all[n++] = s->census.items[i].stack[f] - 1;
    for (int i = 0; i < s->n_threads; i++)
        for (unsigned f = 0; f < s->threads[i].n; f++)
            all[n++] = s->threads[i].frames[f];
    int r = lines_begin(&s->lines, &s->scope, all, n, cancel);
    mem_free(all);
    if (r == 0 && !(s->texts = mem_new(&s->scope, (s->lines.n_places + 1) * sizeof *s->texts, "texts")))
        r = -errno;
    return r;
}

/* "function(...)\n\tfile:line +0x1c\n" for each that the address lies in. */
static const char *text_of(struct stacks *s, uintptr_t address)
{
    const struct place *at = lines_find(&s->lines, address);
    const char **text = &s->texts[at - s->lines.places];
    for (uint32_t f = 0; f < at->n && (f == 0 ? !*text : true); f++) {
        const struct frame *frame = &s->lines.frames[at->first + f];
        const char *file = frame->file;
        if (!file[0] && at->module < MODULES_MAX)
            file = s->lines.modules[at->module].path;
        *text = scope_printf(&s->scope, "%s%s(...)\n\t%s:%" PRIu32 " +0x%" PRIx32 "\n", f ? *text : "", frame->function,
                             file, frame->line, frame->offset);
        if (!*text)
            return "?\n";
    }
    return *text;
}

static void put_age(struct stacks *s, int64_t born, struct buf *out)
{
    if (s->now - born >= MINUTE)
        buf_printf(out, ", %" PRId64 " minutes", (s->now - born) / MINUTE);
}

static const struct probe *probe_of(const struct stacks *s, pid_t tid)
{
    for (int i = 0; i < s->n_threads; i++)
        if (s->threads[i].tid == tid)
            return &s->threads[i];
    return NULL;
}

static void put_birth_stack(struct stacks *s, const struct birth_info *b, struct buf *out)
{
    for (unsigned f = 0; f < b->frames; f++)
        buf_puts(out, text_of(s, b->stack[f] - 1));
}

static void put_probe(struct stacks *s, const struct probe *t, struct buf *out)
{
    for (unsigned f = 0; f < t->n; f++)
        buf_puts(out, text_of(s, t->frames[f]));
    if (!t->reached)
        buf_printf(out, "(it does not answer%s%s)\n", t->where[0] ? ": in the kernel's " : "", t->where);
}

static const char *state_of(const struct probe *t)
{
    return !t->reached ? "stuck" : t->state == 'R' ? "running" : t->state == 'D' ? "disk" : "waiting";
}

static void put_thread(struct stacks *s, const struct probe *t, const struct birth_info *b, struct buf *out)
{
    buf_printf(out, "goroutine %u [%s", b ? b->id : (unsigned)t->tid, state_of(t));
    if (b)
        put_age(s, b->born, out);
    buf_printf(out, ", thread \"%s\" %d]:\n", t->name, (int)t->tid);
    put_probe(s, t, out);
    if (b && b->frames) {
        buf_puts(out, "created by ");
        buf_puts(out, text_of(s, b->stack[0] - 1));
    }
}

static void put_task(struct stacks *s, const struct birth_info *b, struct buf *out)
{
    buf_printf(out, "goroutine %u [%s", b->id, b->state == BIRTH_WAITING ? "waiting" : "running");
    put_age(s, b->born, out);
    buf_printf(out, ", %s \"%s\"]:\n", task_kind_name(b), b->name);
    put_birth_stack(s, b, out);
}

/* Threads that the census does not know come first: main was there before anything. */
static void put_unborn(struct stacks *s, struct buf *out)
{
    for (int i = 0; i < s->n_threads; i++) {
        bool known = false;
        for (size_t k = 0; k < s->n_tasks && !known; k++)
            known = s->census.items[k].kind == BIRTH_THREAD && s->census.items[k].fd == s->threads[i].tid;
        if (known)
            continue;
        put_thread(s, &s->threads[i], NULL, out);
        buf_puts(out, "\n");
    }
}

static int write_all(struct stacks *s, struct buf *out, size_t most)
{
    size_t from = out->len, i = 0;
    put_unborn(s, out);
    for (; i < s->n_tasks && out->len - from + ONE_MOST < most && !out->failed; i++) {
        const struct birth_info *b = &s->census.items[i];
        const struct probe *t = b->kind == BIRTH_THREAD ? probe_of(s, b->fd) : NULL;
        if (t)
            put_thread(s, t, b, out);
        else
            put_task(s, b, out);
        buf_puts(out, "\n");
    }
    if (i < s->n_tasks)
        buf_printf(out, "... and %zu younger ones; debug=1 has all, grouped\n", s->n_tasks - i);
    return out->failed ? -ENOMEM : 0;
}

int stacks_write(struct scope *scope, struct buf *out, size_t most, int cancel)
{
    struct stacks *s = scope_new(scope, sizeof *s, "stacks");
    if (!s)
        return -errno;
    int r = take(s);
    if (r == 0)
        r = look_up(s, cancel);
    if (r == 0)
        r = write_all(s, out, most);
    census_drop(&s->census);
    scope_end(&s->scope);
    return r;
}
