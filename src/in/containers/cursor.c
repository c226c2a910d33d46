#include "in/containers/cursor.h"

#include <inttypes.h>
#include <stdio.h>

static const char format[] = "2 out=%" PRId64 "+%" PRIu64 "/%" PRIu64 ":%" PRIu32 " err=%" PRId64 "+%" PRIu64 "/%" PRIu64 ":%" PRIu32
                             " open=%" PRId64 " line=%" PRIu64 " cuts=%" PRIu32;
static const char scan[] = "2 out=%" SCNd64 "+%" SCNu64 "/%" SCNu64 ":%" SCNu32 " err=%" SCNd64 "+%" SCNu64 "/%" SCNu64 ":%" SCNu32
                           " open=%" SCNd64 " line=%" SCNu64 " cuts=%" SCNu32;

void cursor_write(const struct cursor *c, char text[CURSOR_TEXT])
{
    const struct cursor_place *out = &c->at[0], *err = &c->at[1];
    snprintf(text, CURSOR_TEXT, format, out->time, out->n, out->given, out->pieces, err->time, err->n, err->given, err->pieces, c->open,
             c->max_line, c->cuts);
}

bool cursor_read(struct cursor *c, const char *text)
{
    struct cursor_place *out = &c->at[0], *err = &c->at[1];
    *c = (struct cursor){0};
    return sscanf(text, scan, &out->time, &out->n, &out->given, &out->pieces, &err->time, &err->n, &err->given, &err->pieces, &c->open,
                  &c->max_line, &c->cuts) == 11;
}

int64_t cursor_since(const struct cursor *c)
{
    int64_t last = c->at[0].time > c->at[1].time ? c->at[0].time : c->at[1].time;
    int64_t since = last > CURSOR_MARGIN ? last - CURSOR_MARGIN : 0;
    return c->open && c->open < since ? c->open : since;
}

bool cursor_meet(struct cursor_replay *r, const struct cursor *c, unsigned stream, int64_t time)
{
    struct cursor_place *met = &r->met[stream];
    const struct cursor_place *at = &c->at[stream];
    met->n = met->n && time == met->time ? met->n + 1 : 1;
    met->time = time;
    if (!r->caught[stream])
        r->caught[stream] = at->n == 0 || time > at->time || (time == at->time && met->n > at->n);
    return r->caught[stream];
}
