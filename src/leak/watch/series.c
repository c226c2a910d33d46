#include "leak/watch/series.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE_S = 60, HOUR_S = 3600, ROOM_LEAST = 16, ROWS_MAX = 2 << 20 };

int series_begin(struct series_table *t, struct scope *owner)
{
    *t = (struct series_table){0};
    int r = scope_begin(&t->scope, owner, "series");
    if (r == 0)
        r = buf_begin(&t->rows, &t->scope, "history rows", ROWS_MAX);
    if (r < 0)
        scope_end(&t->scope);
    return r;
}

struct series *series_find(const struct series_table *t, const char *name)
{
    for (unsigned i = 0; i < t->n; i++)
        if (strcmp(t->list[i]->name, name) == 0)
            return t->list[i];
    return NULL;
}

struct series *series_obtain(struct series_table *t, const char *name, enum series_section section, unsigned interval)
{
    struct series *s = series_find(t, name);
    unsigned room = SERIES_KEPT_S / interval;
    if (s)
        return s;
    if (room < ROOM_LEAST)
        room = ROOM_LEAST;
    if (t->n == SERIES_MAX || !(s = mem_new(&t->scope, sizeof *s + room * sizeof *s->ring, "series"))) {
        t->refused++;
        return NULL;
    }
    s->ring = (struct point *)(s + 1);
    s->room = room;
    s->section = section;
    s->bytes = strncmp(name, "memory:", 7) == 0 || strncmp(name, "arena:", 6) == 0;
    snprintf(s->name, sizeof s->name, "%s", name);
    return t->list[t->n++] = s;
}

static void add_row(struct series_table *t, const struct series *s, const struct step *step, unsigned length)
{
    if (!t->kept)
        return;
    struct series_row row = {.length = length, .begin = step->begin, .least = step->least, .most = step->most};
    row.mean = step->sum / step->n;
    memcpy(row.name, s->name, sizeof row.name);
    if (buf_add(&t->rows, &row, sizeof row) < 0) {
        t->rows_lost++;
        t->rows.failed = false;
    }
}

static void note(struct series_table *t, const struct series *s, struct step *step, unsigned length, int64_t now_s, double value)
{
    uint32_t begin = (uint32_t)(now_s - now_s % length);
    if (step->n && step->begin != begin) {
        add_row(t, s, step, length);
        step->n = 0;
    }
    if (!step->n)
        *step = (struct step){.begin = begin, .least = value, .most = value};
    step->n++;
    step->sum += value;
    if (value < step->least)
        step->least = value;
    if (value > step->most)
        step->most = value;
}

static void add_point(struct series *s, struct point p)
{
    s->ring[s->next] = p;
    s->next = (s->next + 1) % s->room;
    s->n += s->n < s->room;
}

void series_note(struct series_table *t, struct series *s, int64_t now_s, double value)
{
    struct point *last = &s->ring[(s->next + s->room - 1) % s->room];
    s->value = value;
    if (s->n && last->time == (uint32_t)now_s)
        last->value = (float)value;
    else
        add_point(s, (struct point){(uint32_t)now_s, (float)value});
    note(t, s, &s->minute, MINUTE_S, now_s, value);
    note(t, s, &s->hour, HOUR_S, now_s, value);
}

unsigned series_points(const struct series *s, uint32_t from, uint32_t to, struct point *points, unsigned room)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n && n < room; i++) {
        const struct point *p = &s->ring[(s->next + s->room - s->n + i) % s->room];
        if (p->time >= from && p->time <= to)
            points[n++] = *p;
    }
    return n;
}

void series_flush(struct series_table *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        struct series *s = t->list[i];
        if (s->minute.n)
            add_row(t, s, &s->minute, MINUTE_S);
        if (s->hour.n)
            add_row(t, s, &s->hour, HOUR_S);
        s->minute.n = s->hour.n = 0;
    }
}
