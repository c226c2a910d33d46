#include "leak/explain/profile_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/pprof.h"

enum { PPROF_BYTES = 64 << 20, LABELS_MAX = 3, INLINED_MAX = 32 };

static const uintptr_t *stack_of(const struct profile *p, const struct profile_sample *s)
{
    return p->frames + s->frames;
}

/* ---- for go tool pprof ---- */

/* Ids of locations beside places, in their order. NULL: no memory. */
static uint64_t *put_locations(struct pprof *out, const struct lines *l, bool with_names)
{
    uint64_t *ids = mem_new(&out->scope, (l->n_places + 1) * sizeof *ids, "locations");
    uint64_t modules[MODULES_MAX + 1] = {0};
    for (unsigned i = 0; ids && i < l->n_modules; i++) {
        const struct module *m = &l->modules[i];
        modules[i] = pprof_mapping(out, &(struct pprof_mapping){m->start, m->end, m->file_offset, m->path, m->build_id,
                                                                with_names});
    }
    for (size_t i = 0; ids && i < l->n_places; i++) {
        const struct place *at = &l->places[i];
        struct pprof_frame frames[INLINED_MAX];
        unsigned n = 0;
        for (; n < at->n && n < INLINED_MAX; n++) {
            const struct frame *f = &l->frames[at->first + n];
            frames[n] = (struct pprof_frame){f->function, f->file, f->line};
        }
        ids[i] = pprof_location(out, at->address, modules[at->module], frames, n);
    }
    return ids;
}

static void put_sample(struct pprof *out, const struct profile *p, const struct profile_sample *s,
                       const struct lines *l, const uint64_t *ids, int64_t now)
{
    struct pprof_label labels[LABELS_MAX];
    uint64_t stack[PROFILE_DEPTH];
    unsigned n = 0, depth = 0;
    for (; depth < s->depth; depth++)
        stack[depth] = ids[lines_find(l, stack_of(p, s)[depth]) - l->places];
    if (s->kind)
        labels[n++] = (struct pprof_label){"kind", s->kind, 0, NULL};
    if (s->name[0])
        labels[n++] = (struct pprof_label){"oldest", s->name, 0, NULL};
    if (s->oldest > 1)
        labels[n++] = (struct pprof_label){"age", NULL, (now - s->oldest) / SECOND, "seconds"};
    pprof_sample(out, stack, depth, s->values, labels, n);
}

int profile_write_pprof(const struct profile *p, const struct lines *l, struct buf *out)
{
    struct pprof pprof;
    const struct profile_sort *sort = p->sort;
    int64_t now = clock_mono();
    int r = pprof_begin(&pprof, out->thing.scope, PPROF_BYTES);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < sort->n_values; i++)
        pprof_sample_type(&pprof, sort->values[i].type, sort->values[i].unit);
    pprof_default_type(&pprof, sort->values[sort->first_value].type);
    pprof_period(&pprof, sort->period.type, sort->period.unit, p->period);
    pprof_time(&pprof, p->at, p->duration);
    uint64_t *ids = put_locations(&pprof, l, l->resolved);
    r = ids ? 0 : -ENOMEM;
    for (size_t i = 0; i < p->n && r == 0; i++)
        put_sample(&pprof, p, &p->samples[i], l, ids, now);
    if (r == 0)
        r = pprof_finish(&pprof, out);
    pprof_end(&pprof);
    return r;
}

/* ---- for people ---- */

static void write_values(const struct profile *p, const struct profile_sample *s, struct buf *out)
{
    const int64_t *v = s->values;
    if (p->sort->n_values == 4)
        buf_printf(out, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @", v[2], v[3], v[0], v[1]);
    else if (p->sort->n_values == 2)
        buf_printf(out, "%" PRId64 ": %" PRId64 " @", v[0], v[1]);
    else
        buf_printf(out, "%" PRId64 " @", v[0]);
}

/* The columns are those of Go: "#", address, function and offset, file and line. */
static void write_frames(const struct profile *p, const struct profile_sample *s, const struct lines *l, struct buf *out)
{
    for (unsigned i = 0; i < s->depth; i++) {
        const struct place *at = lines_find(l, stack_of(p, s)[i]);
        for (uint32_t f = 0; f < at->n; f++) {
            const struct frame *frame = &l->frames[at->first + f];
            buf_printf(out, "#\t0x%lx\t%s+0x%" PRIx32 "\t%s:%" PRIu32 "\n", (unsigned long)at->address, frame->function,
                       frame->offset, frame->file, frame->line);
        }
    }
}

/* What readers know the sort by. */
static void write_title(const struct profile *p, struct buf *out)
{
    if (p->sort->n_values == 4)
        buf_printf(out, "heap profile: %" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @ heap/%" PRId64 "\n",
                   profile_total(p, 2), profile_total(p, 3), profile_total(p, 0), profile_total(p, 1), p->period);
    else
        buf_printf(out, "%s profile: total %" PRId64 "\n", p->sort->name, profile_total(p, p->sort->first_value));
}

int profile_write_text(const struct profile *p, const struct lines *l, size_t most, struct buf *out)
{
    size_t n = most && most < p->n ? most : p->n;
    int64_t now = clock_mono();
    write_title(p, out);
    for (size_t i = 0; i < n; i++) {
        const struct profile_sample *s = &p->samples[i];
        write_values(p, s, out);
        for (unsigned f = 0; f < s->depth; f++)
            buf_printf(out, " 0x%lx", (unsigned long)stack_of(p, s)[f] + 1);
        /* A reader wants an address; a thread that did not answer has none. */
        buf_puts(out, s->depth ? "\n" : " 0x1\n");
        if (s->kind)
            buf_printf(out, "# labels: {\"kind\":\"%s\"}\n", s->kind);
        if (s->oldest > 1)
            buf_printf(out, "# oldest: %s, %.3f s\n", s->name, (double)(now - s->oldest) / SECOND);
        else if (s->name[0])
            buf_printf(out, "# oldest: %s\n", s->name);
        write_frames(p, s, l, out);
        buf_puts(out, "\n");
    }
    if (n < p->n || p->left_out)
        buf_printf(out, "# %" PRIu64 " more stacks are not shown\n", (uint64_t)(p->n - n) + p->left_out);
    return out->failed ? -ENOMEM : 0;
}

static void put_age(int64_t age, struct buf *out)
{
    static const struct {
        int64_t ns;
        const char *name;
    } units[] = {{24 * HOUR, "d"}, {HOUR, "h"}, {MINUTE, "min"}, {SECOND, "s"}};
    enum { UNITS = sizeof units / sizeof *units };
    unsigned u = 0;
    while (u < UNITS - 1 && age < units[u].ns)
        u++;
    buf_printf(out, "%" PRId64 " %s", age / units[u].ns, units[u].name);
    if (u < UNITS - 1)
        buf_printf(out, " %" PRId64 " %s", age % units[u].ns / units[u + 1].ns, units[u + 1].name);
}

static void put_head(const struct profile *p, const struct profile_sample *s, int64_t now, struct buf *out)
{
    const struct profile_sort *sort = p->sort;
    for (unsigned v = 0; v < sort->n_values; v++)
        if (sort->n_values == 1)
            buf_printf(out, "%" PRId64, s->values[v]);
        else
            buf_printf(out, "%s%s %" PRId64, v ? ", " : "", sort->values[v].type, s->values[v]);
    if (s->kind)
        buf_printf(out, "%s%s", sort->n_values == 1 ? " " : ", ", s->kind);
    if (s->name[0])
        buf_printf(out, ", the oldest \"%s\"", s->name);
    if (s->oldest > 1) {
        buf_puts(out, s->name[0] ? " " : ", ");
        put_age(now - s->oldest, out);
    }
    buf_puts(out, "\n");
}

int profile_write_plain(const struct profile *p, const struct lines *l, size_t most, struct buf *out)
{
    size_t n = most && most < p->n ? most : p->n;
    int64_t now = clock_mono();
    buf_printf(out, "%s: %" PRId64 " %s in %zu group%s\n", p->sort->name, profile_total(p, p->sort->first_value),
               p->sort->n_values == 1 ? "in all" : p->sort->values[p->sort->first_value].type, p->n, p->n == 1 ? "" : "s");
    for (size_t i = 0; i < n; i++) {
        const struct profile_sample *s = &p->samples[i];
        buf_puts(out, "\n");
        put_head(p, s, now, out);
        for (unsigned f = 0; f < s->depth; f++) {
            const struct place *at = lines_find(l, stack_of(p, s)[f]);
            for (uint32_t k = 0; k < at->n; k++) {
                const struct frame *frame = &l->frames[at->first + k];
                buf_printf(out, "    %-28s", frame->function);
                if (frame->file[0])
                    buf_printf(out, " %s:%" PRIu32, frame->file, frame->line);
                buf_puts(out, "\n");
            }
        }
    }
    if (n < p->n || p->left_out)
        buf_printf(out, "\n%" PRIu64 " more groups are not shown\n", (uint64_t)(p->n - n) + p->left_out);
    return out->failed ? -ENOMEM : 0;
}

static void write_stack(const struct profile *p, const struct profile_sample *s, const struct lines *l, struct doc *d)
{
    doc_array(d, "stack");
    for (unsigned i = 0; i < s->depth; i++) {
        const struct place *at = lines_find(l, stack_of(p, s)[i]);
        for (uint32_t f = 0; f < at->n; f++) {
            const struct frame *frame = &l->frames[at->first + f];
            doc_object(d, NULL);
            doc_string(d, "function", frame->function);
            if (frame->file[0]) {
                doc_string(d, "file", frame->file);
                doc_uint(d, "line", frame->line);
            } else if (at->module < MODULES_MAX) {
                doc_string(d, "file", l->modules[at->module].path);
            }
            doc_object_end(d);
        }
    }
    doc_array_end(d);
}

void profile_write_json(const struct profile *p, const struct lines *l, size_t most, struct doc *d, const char *key)
{
    size_t n = most && most < p->n ? most : p->n;
    int64_t now = clock_mono();
    doc_array(d, key);
    for (size_t i = 0; i < n; i++) {
        const struct profile_sample *s = &p->samples[i];
        doc_object(d, NULL);
        for (unsigned v = 0; v < p->sort->n_values; v++)
            doc_int(d, p->sort->n_values == 1 ? "count" : p->sort->values[v].type, s->values[v]);
        if (s->kind)
            doc_string(d, "kind", s->kind);
        if (s->name[0])
            doc_string(d, "oldest", s->name);
        if (s->oldest > 1)
            doc_real(d, "oldest_age_seconds", (double)(now - s->oldest) / SECOND);
        write_stack(p, s, l, d);
        doc_object_end(d);
    }
    doc_array_end(d);
}
