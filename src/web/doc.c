#include "web/doc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* Bytes of the valid UTF-8 sequence at s, or 0. Overlong forms, surrogates and what lies beyond U+10FFFF are not valid. */
static unsigned sequence(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    unsigned n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void quote(struct buf *out, const char *value)
{
    buf_puts(out, "\"");
    for (const unsigned char *s = (const unsigned char *)value; *s;) {
        unsigned n = sequence(s);
        if (n == 0) {
            buf_puts(out, "\\ufffd");
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            buf_printf(out, "\\%c", *s);
        } else if (*s < 0x20 || *s == 0x7f) {
            buf_printf(out, "\\u%04x", *s);
        } else {
            buf_add(out, s, n);
        }
        s += n;
    }
    buf_puts(out, "\"");
}

static void begin(struct doc *d, const char *key)
{
    if (d->follows)
        buf_puts(d->out, ",");
    d->follows = true;
    if (key) {
        quote(d->out, key);
        buf_puts(d->out, ":");
    }
}

static void open_level(struct doc *d, const char *key, const char *bracket)
{
    begin(d, key);
    buf_puts(d->out, bracket);
    d->follows = false;
}

static void close_level(struct doc *d, const char *bracket)
{
    buf_puts(d->out, bracket);
    d->follows = true;
}

void doc_object(struct doc *d, const char *key)
{
    open_level(d, key, "{");
}

void doc_object_end(struct doc *d)
{
    close_level(d, "}");
}

void doc_array(struct doc *d, const char *key)
{
    open_level(d, key, "[");
}

void doc_array_end(struct doc *d)
{
    close_level(d, "]");
}

void doc_string(struct doc *d, const char *key, const char *value)
{
    begin(d, key);
    if (value)
        quote(d->out, value);
    else
        buf_puts(d->out, "null");
}

void doc_uint(struct doc *d, const char *key, uint64_t value)
{
    begin(d, key);
    buf_printf(d->out, "%" PRIu64, value);
}

void doc_int(struct doc *d, const char *key, int64_t value)
{
    begin(d, key);
    buf_printf(d->out, "%" PRId64, value);
}

void doc_real(struct doc *d, const char *key, double value)
{
    begin(d, key);
    if (isfinite(value))
        buf_printf(d->out, "%.6g", value);
    else
        buf_puts(d->out, "null");
}

void doc_bool(struct doc *d, const char *key, bool value)
{
    begin(d, key);
    buf_puts(d->out, value ? "true" : "false");
}

void doc_time(struct doc *d, const char *key, int64_t ns)
{
    char text[40];
    struct tm tm;
    time_t seconds = (time_t)(ns / SECOND);
    if (ns <= 0 || !gmtime_r(&seconds, &tm)) {
        doc_string(d, key, NULL);
        return;
    }
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ns % SECOND / MILLISECOND));
    doc_string(d, key, text);
}

void doc_raw(struct doc *d, const char *key, const char *json)
{
    if (!*json)
        return;
    begin(d, key);
    buf_puts(d->out, json);
}
