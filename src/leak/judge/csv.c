#include "leak/judge/csv.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

enum { COLUMNS = 64, SHOWN = 40 };
#define LATEST 9000000000.0 /* s: ns since 1970 beyond it do not fit; in 2255 */

static int wrong(struct csv *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct csv *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->error, sizeof c->error, format, args);
    va_end(args);
    return -EINVAL;
}

/* What of a field is shown: its beginning, as far as it can be shown. */
static const char *shown(const char *field, char *out)
{
    size_t n = 0;
    for (; field[n] && n < SHOWN; n++)
        out[n] = field[n] >= 0x20 && field[n] < 0x7f ? field[n] : '?';
    out[n] = 0;
    return out;
}

static char *trim(char *field)
{
    field += strspn(field, " \t");
    size_t n = strlen(field);
    while (n && strchr(" \t\r", field[n - 1]))
        field[--n] = 0;
    return field;
}

/* Cuts the line at its commas. */
static int split(char *line, char **fields)
{
    int n = 0;
    for (char *at = line; at && n < COLUMNS; n++) {
        fields[n] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = 0;
        fields[n] = trim(fields[n]);
    }
    return n;
}

static int take_header(struct csv *c, char **fields, int n)
{
    c->time_at = c->value_at = -1;
    for (int i = n; i-- > 0;) {
        if (strcasecmp(fields[i], "time") == 0)
            c->time_at = i;
        if (strcasecmp(fields[i], "value") == 0)
            c->value_at = i;
    }
    if (c->time_at < 0 || c->value_at < 0)
        return wrong(c, "the first line has to name the columns: time,value");
    c->named = true;
    return 0;
}

/* Plain decimal: strtod() alone would take "nan", "inf" and "0x1p3". */
static bool number(const char *field, double *value)
{
    char *end;
    if (!*field || strspn(field, "0123456789+-.eE") != strlen(field))
        return false;
    *value = strtod(field, &end);
    return !*end && isfinite(*value);
}

static int take_sample(struct csv *c, char **fields, int n, csv_sample *take, void *arg)
{
    char text[SHOWN + 1];
    double time, value;
    if (n <= c->time_at || n <= c->value_at)
        return wrong(c, "a column is missing: there are %d", n);
    if (!number(fields[c->time_at], &time))
        return wrong(c, "the time '%s' is no number", shown(fields[c->time_at], text));
    if (!number(fields[c->value_at], &value))
        return wrong(c, "the value '%s' is no finite number", shown(fields[c->value_at], text));
    if (time < 0 || time > LATEST)
        return wrong(c, "the time '%s' is no Unix seconds%s", shown(fields[c->time_at], text),
                     time > LATEST ? " (milliseconds?)" : "");
    int64_t ns = (int64_t)floor(time) * SECOND + llround((time - floor(time)) * 1e9);
    if (c->samples && ns <= c->last)
        return wrong(c, "the time '%s' is not later than the one before", shown(fields[c->time_at], text));
    c->last = ns;
    c->samples++;
    take(arg, ns, value);
    return 0;
}

static int take_line(struct csv *c, csv_sample *take, void *arg)
{
    char *fields[COLUMNS], *line = c->text;
    c->text[c->n] = 0;
    if (strlen(c->text) != c->n)
        return wrong(c, "there is a byte 0");
    c->n = 0;
    if (c->line == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    line = trim(line);
    if (!*line)
        return 0;
    int n = split(line, fields);
    return c->named ? take_sample(c, fields, n, take, arg) : take_header(c, fields, n);
}

void csv_begin(struct csv *c)
{
    *c = (struct csv){.line = 1};
}

int csv_feed(struct csv *c, const char *data, size_t n, csv_sample *take, void *arg)
{
    for (const char *end = data + n; data < end;) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        size_t piece = (size_t)((newline ? newline : end) - data);
        if (piece >= CSV_LINE - c->n)
            return wrong(c, "the line is longer than %d bytes", CSV_LINE - 1);
        memcpy(c->text + c->n, data, piece);
        c->n += piece;
        data += piece;
        if (!newline)
            break;
        data++;
        int r = take_line(c, take, arg);
        if (r < 0)
            return r;
        c->line++;
    }
    return 0;
}

int csv_end(struct csv *c, csv_sample *take, void *arg)
{
    int r = c->n ? take_line(c, take, arg) : 0;
    if (r == 0 && !c->samples)
        return wrong(c, c->named ? "there is no sample" : "the file is empty");
    return r;
}
