#include "main/commands/outline.h"

#include <errno.h>
#include <string.h>

struct outline {
    struct buf *out;
    unsigned depth;
    bool at_start; /* of a line */
};

static void start_line(struct outline *p)
{
    if (!p->at_start)
        buf_puts(p->out, "\n");
    for (unsigned i = 1; i < p->depth; i++)
        buf_puts(p->out, "  ");
    p->at_start = false;
}

/* The string at `c`, after its quote; returns where it goes on. */
static const char *put_string(struct outline *p, const char *c, const char *end)
{
    for (; c < end && *c != '"'; c++) {
        if (*c == '\\' && c + 1 < end && c[1] == 'n') {
            c++;
            if (c + 1 < end && c[1] != '"')
                start_line(p);
            continue;
        }
        if (*c == '\\' && c + 1 < end && strchr("\"\\/", c[1]))
            c++;
        buf_add(p->out, c, 1);
    }
    return c < end ? c + 1 : c;
}

int outline_from_json(const char *json, size_t size, struct buf *out)
{
    struct outline p = {out, 0, true};
    bool key = true; /* the next string begins a line */
    bool empty = false; /* nothing came since a bracket opened */

    for (const char *c = json, *end = json + size; c < end;) {
        if (*c == '{' || *c == '[') {
            p.depth++;
            key = true;
            empty = true;
            c++;
            continue;
        }
        if (*c == '}' || *c == ']') {
            p.depth -= p.depth > 0;
            if (empty)
                buf_puts(out, " none");
            empty = false;
            c++;
        } else if (*c == ',') {
            key = true;
            c++;
        } else if (*c == ':') {
            buf_puts(out, ":");
            key = false;
            c++;
        } else if (strchr(" \t\r\n", *c)) {
            c++;
            continue;
        } else {
            if (key)
                start_line(&p);
            else
                buf_puts(out, " ");
            key = false;
            empty = false;
            if (*c == '"') {
                c = put_string(&p, c + 1, end);
                continue;
            }
            do
                buf_add(out, c++, 1);
            while (c < end && !strchr(",:{}[]\" \t\r\n", *c));
        }
    }
    buf_puts(out, "\n");
    return out->failed ? -ENOMEM : 0;
}
