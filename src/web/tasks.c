#include <stdlib.h>
#include <string.h>

#include "base/census.h"
#include "base/clock.h"
#include "base/symbols.h"
#include "web/routes.h"

enum { PAGE = 1000 };

static void stack_write(struct doc *d, const struct symbols *s, const struct birth_info *b)
{
    char text[SYMBOL_TEXT];
    doc_array(d, "stack");
    for (unsigned i = 0; i < b->frames; i++)
        doc_string(d, NULL, symbols_text(s, b->stack[i], text));
    doc_array_end(d);
}

static int by_stack(const void *a, const void *b)
{
    const struct birth_info *x = a, *y = b;
    int r = strcmp(task_kind_name(x), task_kind_name(y));
    if (r == 0)
        r = (int)x->frames - (int)y->frames;
    return r ? r : memcmp(x->stack, y->stack, x->frames * sizeof x->stack[0]);
}

/* The tasks come first, the rest behind; returns how many tasks there are. */
static size_t keep_tasks(struct census *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (task_is(&c->items[i]))
            c->items[n++] = c->items[i];
    return n;
}

static void write_groups(struct doc *d, const struct symbols *s, struct census *c, int64_t now)
{
    size_t n = keep_tasks(c);
    qsort(c->items, n, sizeof *c->items, by_stack);
    doc_array(d, "groups");
    for (size_t i = 0, j; i < n; i = j) {
        int64_t oldest = c->items[i].born;
        for (j = i + 1; j < n && by_stack(&c->items[i], &c->items[j]) == 0; j++)
            if (c->items[j].born < oldest)
                oldest = c->items[j].born;
        doc_object(d, NULL);
        doc_string(d, "kind", task_kind_name(&c->items[i]));
        doc_uint(d, "count", j - i);
        doc_real(d, "oldest_age_seconds", (double)(now - oldest) / SECOND);
        stack_write(d, s, &c->items[i]);
        doc_object_end(d);
    }
    doc_array_end(d);
}

static void write_all(struct doc *d, const struct symbols *s, const struct census *c, int64_t now, struct page page)
{
    uint64_t n = 0;
    doc_array(d, "tasks");
    for (size_t i = 0; i < c->n; i++) {
        const struct birth_info *b = &c->items[i];
        char path[512];
        if (!task_is(b))
            continue;
        uint64_t at = n++;
        if (at < page.offset || at - page.offset >= page.limit)
            continue;
        doc_object(d, NULL);
        doc_uint(d, "id", b->id);
        doc_string(d, "name", b->name);
        doc_string(d, "kind", task_kind_name(b));
        doc_string(d, "owner", census_path(c, b->owner, path, sizeof path));
        doc_real(d, "age_seconds", (double)(now - b->born) / SECOND);
        doc_real(d, "last_beat_seconds", b->beat ? (double)(now - b->beat) / SECOND : -1);
        doc_string(d, "state", task_hangs(b, now) ? "hangs" : b->state == BIRTH_WAITING ? "waiting" : "running");
        if (b->kind == BIRTH_THREAD)
            doc_int(d, "tid", b->fd);
        stack_write(d, s, b);
        doc_object_end(d);
    }
    doc_array_end(d);
}

static void write_remedy(const struct task_kind *kind, uint64_t begun_anew, void *arg)
{
    struct doc *d = arg;
    doc_object(d, NULL);
    doc_string(d, "kind", kind->name);
    doc_real(d, "heartbeat_seconds", (double)kind->heartbeat / SECOND);
    doc_string(d, "when_missed", task_remedy_name(kind->remedy));
    if (kind->remedy == TASK_BEGUN_ANEW)
        doc_uint(d, "restarts", begun_anew);
    doc_object_end(d);
}

void tasks_answer(struct web *w, struct request *q)
{
    struct doc d = {.out = &q->out};
    struct census c;
    struct symbols symbols;
    const char *full = request_arg(q, "full");
    int64_t now = clock_mono();

    if (!census_take(&c)) {
        request_fail(q, 503, "no memory for the census now");
        return;
    }
    (void)symbols_begin(&symbols, &q->scope); /* without them: addresses */
    doc_object(&d, NULL);
    doc_uint(&d, "count", task_count());
    doc_uint(&d, "refused", task_refused());
    doc_object(&d, "alive");
    for (int k = BIRTH_SCOPE; k < BIRTH_KINDS; k++)
        doc_uint(&d, birth_kind_name(k), birth_count(k));
    doc_object_end(&d);
    doc_array(&d, "heartbeats");
    task_remedies(write_remedy, &d);
    doc_array_end(&d);
    if (full && strcmp(full, "0") != 0)
        write_all(&d, &symbols, &c, now, request_page(q, PAGE));
    else
        write_groups(&d, &symbols, &c, now);
    doc_object_end(&d);
    symbols_end(&symbols);
    census_drop(&c);
}
