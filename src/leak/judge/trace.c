#include "leak/judge/trace.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static struct cell merge(struct cell a, struct cell b)
{
    if (!a.n)
        return b;
    if (!b.n)
        return a;
    struct cell both = {.low = a.low < b.low ? a.low : b.low, .high = a.high > b.high ? a.high : b.high, .n = a.n + b.n};
    both.mean = (float)(((double)a.mean * a.n + (double)b.mean * b.n) / both.n);
    return both;
}

static unsigned level(const struct trace *t)
{
    unsigned l = 0;
    while (TRACE_FIRST << l < t->length)
        l++;
    return l;
}

static void make_room(struct trace *t)
{
    if (t->length == TRACE_LONGEST) {
        memmove(t->cells, t->cells + 1, (TRACE_CELLS - 1) * sizeof *t->cells);
        t->begin += t->length;
        t->n--;
        return;
    }
    for (unsigned i = 0; i < TRACE_CELLS / 2; i++)
        t->cells[i] = merge(t->cells[2 * i], t->cells[2 * i + 1]);
    t->n = TRACE_CELLS / 2;
    t->length *= 2;
}

/* Takes a complete part up as far as it has another half; whether that made a cell. */
static bool carry(struct trace *t, struct cell c)
{
    for (unsigned l = 0;; l++) {
        if (l == level(t)) {
            if (t->n < TRACE_CELLS)
                break;
            make_room(t);
            if (l == level(t))
                break;
        }
        if (!t->waiting[l]) {
            t->open[l] = c;
            t->waiting[l] = true;
            return false;
        }
        c = merge(t->open[l], c);
        t->waiting[l] = false;
    }
    t->cells[t->n++] = c;
    return true;
}

static bool close_part(struct trace *t)
{
    struct cell c = t->part;
    if (c.n)
        c.low = c.mean = c.high = (float)(t->part_sum / c.n);
    t->part = (struct cell){0};
    t->part_sum = 0;
    t->part_begin += TRACE_FIRST;
    return carry(t, c);
}

void trace_begin(struct trace *t)
{
    *t = (struct trace){.length = TRACE_FIRST};
}

static bool is_new(const struct trace *t)
{
    return t->n == 0 && t->part.n == 0;
}

unsigned trace_add(struct trace *t, int64_t time, double value)
{
    unsigned completed = 0;
    /* After a gap in which all would be forgotten it begins anew. */
    if (!is_new(t) && time - t->part_begin > TRACE_CELLS * TRACE_LONGEST)
        trace_begin(t);
    if (is_new(t)) {
        t->begin = t->part_begin = time;
        t->zero = value;
    }
    assert(time >= t->part_begin);
    while (time - t->part_begin >= TRACE_FIRST)
        completed += close_part(t);
    t->part_sum += value - t->zero;
    t->part.n++;
    return completed;
}

double trace_top(const struct trace *t, int64_t time)
{
    double top = -INFINITY;
    for (unsigned i = 0; i < t->n && t->begin + (i + 1) * t->length <= time; i++)
        if (t->cells[i].n && t->cells[i].high > top)
            top = t->cells[i].high;
    return t->zero + top;
}
