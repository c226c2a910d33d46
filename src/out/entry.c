#include "out/entry.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "codec/json.h"

/* The pieces of one entry as one string: the quotes between two of them go. */
static void put_joined(struct buf *out, const struct batch *b, uint32_t i, uint32_t next)
{
    for (uint32_t k = i; k < next && !out->failed; k++) {
        size_t at = out->len;
        json_add_string(out, b->data + b->marks[k].off, b->marks[k].len);
        if (k == i || out->failed)
            continue;
        memmove(out->data + at - 1, out->data + at + 1, out->len - at - 1);
        out->len -= 2;
    }
}

static void put_time(struct buf *out, int64_t time, int digits)
{
    char text[32];
    struct tm tm;
    time_t seconds = (time_t)(time / SECOND);
    int64_t fraction = time % SECOND;
    if (fraction < 0) {
        fraction += SECOND;
        seconds--;
    }
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(out, "%s.%0*lldZ", text, digits,
               (long long)(digits == 9 ? fraction : fraction / MICROSECOND));
}

/* Of all or nothing: an entry that did not fit leaves no half of a line. */
static int finish(struct buf *out, size_t before)
{
    buf_puts(out, "\n");
    if (!out->failed)
        return 0;
    out->len = before;
    out->failed = false;
    return -ENOMEM;
}

int entry_text(struct buf *out, const struct batch *b, uint32_t i, uint32_t next)
{
    const struct stream *s = b->streams[b->marks[i].stream];
    size_t before = out->len;
    put_time(out, b->marks[i].time, 6);
    for (uint32_t l = 0; l < s->n; l++) {
        buf_printf(out, "%s%s=", l ? ", " : " {", s->labels[l].name);
        json_add_cstring(out, s->labels[l].value);
    }
    buf_puts(out, s->n ? "} " : " ");
    for (; i < next; i++)
        buf_add(out, b->data + b->marks[i].off, b->marks[i].len);
    return finish(out, before);
}

int entry_json(struct buf *out, const struct batch *b, uint32_t i, uint32_t next)
{
    const struct stream *s = b->streams[b->marks[i].stream];
    size_t before = out->len;
    buf_puts(out, "{\"time\":\"");
    put_time(out, b->marks[i].time, 9);
    buf_puts(out, "\",\"labels\":{");
    for (uint32_t l = 0; l < s->n; l++) {
        if (l)
            buf_puts(out, ",");
        json_add_cstring(out, s->labels[l].name);
        buf_puts(out, ":");
        json_add_cstring(out, s->labels[l].value);
    }
    buf_puts(out, "},\"line\":");
    put_joined(out, b, i, next);
    buf_puts(out, "}");
    return finish(out, before);
}
