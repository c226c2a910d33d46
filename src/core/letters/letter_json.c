#include "core/letters/letter_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "codec/json.h"
#include "codec/utf8.h"

const char *letter_time(int64_t ns, char text[LETTER_TIME])
{
    struct tm tm;
    int64_t fraction = ns % SECOND;
    time_t seconds = (time_t)(ns / SECOND) - (fraction < 0);
    if (fraction < 0)
        fraction += SECOND;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, LETTER_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, LETTER_TIME - n, ".%09" PRId64 "Z", fraction);
    return text;
}

/* RFC 4648, with padding. */
static void add_base64(struct buf *out, const unsigned char *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        uint32_t v = (uint32_t)data[i] << 16 | (have > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (have > 2 ? data[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], have > 1 ? digits[v >> 6 & 63] : '=',
                        have > 2 ? digits[v & 63] : '='};
        buf_add(out, four, sizeof four);
    }
}

static void add_text(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, ",\"%s\":", key);
    json_add_cstring(out, value);
}

static void add_time(struct buf *out, const char *key, int64_t ns)
{
    char text[LETTER_TIME];
    if (ns)
        buf_printf(out, ",\"%s\":\"%s\"", key, letter_time(ns, text));
    else
        buf_printf(out, ",\"%s\":null", key);
}

static void add_entry(struct buf *out, const struct store_letter *l)
{
    buf_puts(out, ",\"labels\":");
    buf_puts(out, l->labels);
    buf_puts(out, ",\"line\":");
    json_add_string(out, l->line, l->line_n);
    if (!utf8_valid(l->line, l->line_n)) {
        buf_puts(out, ",\"line_base64\":\"");
        add_base64(out, l->line, l->line_n);
        buf_puts(out, "\"");
    }
}

int letter_json(struct buf *out, const struct store_letter *l)
{
    char text[LETTER_TIME];
    buf_printf(out, "{\"id\":%" PRId64, l->id);
    add_text(out, "sink", l->sink);
    add_text(out, "source", l->source_name);
    add_text(out, "source_key", l->source_key);
    buf_printf(out, ",\"place\":%" PRIu64, l->place);
    add_text(out, "reason", l->code);
    add_text(out, "says", l->says);
    add_time(out, "refused_at", l->refused_at);
    add_time(out, "tried_at", l->tried_at);
    buf_printf(out, ",\"attempts\":%" PRIu64, l->attempts);
    add_time(out, "next_try", l->next_try);
    buf_printf(out, ",\"time\":\"%s\",\"time_ns\":\"%" PRId64 "\"", letter_time(l->time, text), l->time);
    if (l->labels)
        add_entry(out, l);
    buf_printf(out, ",\"bytes\":%zu}", l->line_n);
    return out->failed ? -ENOMEM : 0;
}
