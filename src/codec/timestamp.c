#include "codec/timestamp.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

struct parsed {
    struct tm tm;
    int64_t fraction, unit; /* ns */
    bool has_year, has_zone;
    const char *rest;
};

/* 1 to 9 digits as nanoseconds, and what the last of them stands for; further ones are passed over. NULL: no digit. */
static const char *fraction(const char *p, int64_t *ns, int64_t *unit)
{
    int64_t next = SECOND / 10;
    if (!isdigit((unsigned char)*p))
        return NULL;
    for (*ns = 0; isdigit((unsigned char)*p); p++, next /= 10) {
        *ns += (*p - '0') * next;
        *unit = next ? next : 1;
    }
    return p;
}

/* The part of a format before the next %f, for strptime; returns what follows it. */
static const char *next_part(const char *format, char *part, size_t size, bool *then_fraction)
{
    size_t n = 0;
    *then_fraction = false;
    while (*format && n + 2 < size) {
        if (format[0] == '%' && format[1] == 'f') {
            *then_fraction = true;
            format += 2;
            break;
        }
        if (format[0] == '%' && format[1])
            part[n++] = *format++;
        part[n++] = *format++;
    }
    part[n] = 0;
    return format;
}

static bool has_directive(const char *format, const char *letters)
{
    for (; *format; format++) {
        if (*format != '%')
            continue;
        if (*++format == 'E' || *format == 'O')
            format++;
        if (!*format)
            return false;
        if (strchr(letters, *format))
            return true;
    }
    return false;
}

static bool by_format(const char *format, const char *text, struct parsed *p)
{
    p->has_year = has_directive(format, "YyDFcxsCG");
    p->has_zone = has_directive(format, "z");
    while (*format) {
        char part[TIMESTAMP_MAX];
        bool then_fraction;
        format = next_part(format, part, sizeof part, &then_fraction);
        text = strptime(text, part, &p->tm);
        if (text && then_fraction)
            text = fraction(text, &p->fraction, &p->unit);
        if (!text)
            return false;
    }
    p->rest = text;
    return true;
}

static int64_t seconds_of(const struct parsed *p)
{
    struct tm tm = p->tm;
    if (p->has_zone) {
        long offset = tm.tm_gmtoff;
        return (int64_t)timegm(&tm) - offset;
    }
    tm.tm_isdst = -1;
    return mktime(&tm);
}

/* The year before, of, or after now: whichever puts the time nearest to it. */
static int64_t guess_year(struct parsed *p, int64_t now)
{
    time_t now_s = now / SECOND;
    struct tm today;
    int64_t best = 0;
    localtime_r(&now_s, &today);
    for (int year = today.tm_year - 1; year <= today.tm_year + 1; year++) {
        p->tm.tm_year = year;
        int64_t s = seconds_of(p);
        if (best == 0 || llabs(s - now_s) < llabs(best - now_s))
            best = s;
    }
    return best;
}

static bool finish(struct parsed *p, int64_t now, int64_t *out)
{
    int64_t s = p->has_year ? seconds_of(p) : guess_year(p, now);
    /* What int64_t nanoseconds can hold: until the year 2262. */
    if (s < 0 || s > INT64_MAX / SECOND - 1)
        return false;
    *out = s * SECOND + p->fraction;
    return true;
}

/* ---- auto ---- */

static bool epoch(const char *text, int64_t *out, int64_t *fine)
{
    int64_t value = 0, ns = 0, unit_of_fraction = SECOND;
    size_t digits = strspn(text, "0123456789");
    if (digits > 19)
        return false;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text[i] - '0', &value))
            return false;
    int64_t unit = digits == 19   ? NANOSECOND
                   : digits == 16 ? MICROSECOND
                   : digits == 13 ? MILLISECOND
                   : digits <= 10 && digits >= 9 ? SECOND
                                                 : 0;
    if (unit == 0)
        return false;
    if (unit == SECOND && text[digits] == '.')
        fraction(text + digits + 1, &ns, &unit_of_fraction);
    *fine = unit == SECOND ? unit_of_fraction : unit;
    return !__builtin_mul_overflow(value, unit, &value) && !__builtin_add_overflow(value, ns, out);
}

/* An optional fraction and an optional zone behind the seconds. */
static void fraction_and_zone(struct parsed *p)
{
    const char *s = p->rest;
    if (*s == '.' || *s == ',') {
        const char *end = fraction(s + 1, &p->fraction, &p->unit);
        s = end ? end : s;
    }
    const char *zone = *s == ' ' ? s + 1 : s;
    if (*zone == 'Z' || *zone == '+' || *zone == '-' || strncmp(zone, "UTC", 3) == 0 ||
        strncmp(zone, "GMT", 3) == 0) {
        struct tm tm = {0};
        if (isalpha((unsigned char)*zone) || strptime(zone, "%z", &tm)) {
            p->has_zone = true;
            p->tm.tm_gmtoff = tm.tm_gmtoff;
        }
    }
}

static bool detect(const char *text, struct parsed *p)
{
    static const char *const formats[] = {
        "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%d/%b/%Y:%H:%M:%S",
        "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S", "%b %d %H:%M:%S",
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        *p = (struct parsed){.tm = {.tm_mday = 1}, .unit = SECOND};
        /* strptime lets white space stand for nothing; a date starts with its own kind of character. */
        if ((formats[i][1] == 'Y' || formats[i][1] == 'd') != !!isdigit((unsigned char)*text))
            continue;
        if (by_format(formats[i], text, p)) {
            fraction_and_zone(p);
            return true;
        }
    }
    return false;
}

const char *timestamp_check(const char *format)
{
    if (strcmp(format, "auto") == 0)
        return NULL;
    if (strlen(format) >= TIMESTAMP_MAX - 2)
        return "it is too long";
    if (!strchr(format, '%'))
        return "it has no directive such as %Y";
    for (const char *f = format; *f; f++)
        if (*f == '%' && !*++f)
            return "it ends in '%'";
    return NULL;
}

bool timestamp_parse(const char *format, const char *text, size_t len, int64_t now, int64_t *out, int64_t *unit)
{
    int64_t unused;
    char copy[TIMESTAMP_MAX];
    struct parsed p = {.tm = {.tm_mday = 1}, .unit = SECOND};

    if (!unit)
        unit = &unused;
    if (len >= sizeof copy)
        len = sizeof copy - 1;
    memcpy(copy, text, len);
    copy[len] = 0;
    bool is_auto = strcmp(format, "auto") == 0;
    if (is_auto && epoch(copy, out, unit))
        return true;
    bool found = (is_auto ? detect(copy, &p) : by_format(format, copy, &p)) && finish(&p, now, out);
    *unit = p.unit;
    return found;
}
