#include "codec/doc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "codec/json.h"

static void begin(struct doc *d, const char *key)
{
    if (d->follows)
        buf_puts(d->out, ",");
    d->follows = true;
    if (key) {
        json_add_cstring(d->out, key);
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
        json_add_cstring(d->out, value);
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
        buf_printf(d->out, value == rint(value) && fabs(value) < 1e15 ? "%.0f" : "%.6g", value);
    else
        buf_puts(d->out, "null");
}

const char *number_text(double value, char text[NUMBER_TEXT])
{
    snprintf(text, NUMBER_TEXT, "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, NUMBER_TEXT, "%.17g", value);
    return text;
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
