#include "out/entry.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

/* The length of the valid UTF-8 character at s, 0 when there is none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    size_t len = s[0] < 0x80                   ? 1
                 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                 : (s[0] & 0xf0) == 0xe0       ? 3
                 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                               : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, and what is beyond U+10FFFF. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return len;
}

static void put_escaped(struct buf *out, const char *data, size_t n)
{
    const unsigned char *s = (const unsigned char *)data, *end = s + n;
    while (s < end) {
        const unsigned char *plain = s;
        size_t len = 0;
        while (s < end && *s >= 0x20 && *s != '"' && *s != '\\' &&
               (len = utf8_length(s, (size_t)(end - s))))
            s += len;
        buf_add(out, plain, (size_t)(s - plain));
        if (s == end)
            break;
        if (*s == '"' || *s == '\\')
            buf_printf(out, "\\%c", *s);
        else if (*s == '\n' || *s == '\t' || *s == '\r')
            buf_puts(out, *s == '\n' ? "\\n" : *s == '\t' ? "\\t" : "\\r");
        else if (*s < 0x20)
            buf_printf(out, "\\u%04x", *s);
        else
            buf_puts(out, "\xef\xbf\xbd");
        s++;
    }
}

static void put_quoted(struct buf *out, const char *s)
{
    buf_puts(out, "\"");
    put_escaped(out, s, strlen(s));
    buf_puts(out, "\"");
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
        put_quoted(out, s->labels[l].value);
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
        put_quoted(out, s->labels[l].name);
        buf_puts(out, ":");
        put_quoted(out, s->labels[l].value);
    }
    buf_puts(out, "},\"line\":\"");
    for (; i < next; i++)
        put_escaped(out, b->data + b->marks[i].off, b->marks[i].len);
    buf_puts(out, "\"}");
    return finish(out, before);
}
