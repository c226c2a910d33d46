#include "codec/rfc3339.h"

#include <stddef.h>
#include <string.h>

enum {
    MINUTE = 16,      /* "2026-11-21T10:50" */
    LEAST = MINUTE + 4, /* ":09Z" */
    NANOSECONDS = 1000000000,
};

static bool digits(const char *p, unsigned n, int *value)
{
    for (*value = 0; n; n--, p++) {
        if (*p < '0' || *p > '9')
            return false;
        *value = *value * 10 + (*p - '0');
    }
    return true;
}

/* Days since the epoch of a date of the Gregorian calendar: the years begin in March, so that the leap day is their last. */
static int64_t days_of(int year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int of_era = (int)(year - era * 400);
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

static bool minute_parse(struct rfc3339 *last, const char *p)
{
    int year, month, day, hour, minute;
    if (!digits(p, 4, &year) || p[4] != '-' || !digits(p + 5, 2, &month) || p[7] != '-' || !digits(p + 8, 2, &day) ||
        p[10] != 'T' || !digits(p + 11, 2, &hour) || p[13] != ':' || !digits(p + 14, 2, &minute))
        return false;
    /* What does not fit into nanoseconds of 64 bits is no log's time. */
    if (year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59)
        return false;
    memcpy(last->minute, p, MINUTE);
    last->seconds = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60;
    return true;
}

/* Behind the point. */
static const char *fraction_parse(const char *p, const char *end, int64_t *ns)
{
    static const int32_t scale[] = {NANOSECONDS, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    uint32_t value = 0;
    unsigned n = 0;
    for (; n < 9 && p + n < end && p[n] >= '0' && p[n] <= '9'; n++)
        value = value * 10 + (uint32_t)(p[n] - '0');
    *ns = (int64_t)value * scale[n];
    return n ? p + n : NULL;
}

static const char *zone_parse(const char *p, const char *end, int64_t *seconds)
{
    int hours, minutes;
    *seconds = 0;
    if (p < end && *p == 'Z')
        return p + 1;
    if (end - p < 6 || (*p != '+' && *p != '-') || !digits(p + 1, 2, &hours) || p[3] != ':' || !digits(p + 4, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return NULL;
    *seconds = (hours * 60 + minutes) * 60;
    if (*p == '-')
        *seconds = -*seconds;
    return p + 6;
}

const char *rfc3339_parse(struct rfc3339 *last, const char *p, const char *end, int64_t *ns)
{
    int second;
    int64_t fraction = 0, zone;
    if (end - p < LEAST)
        return NULL;
    if ((!last->minute[0] || memcmp(p, last->minute, MINUTE) != 0) && !minute_parse(last, p))
        return NULL;
    p += MINUTE;
    if (*p != ':' || !digits(p + 1, 2, &second) || second > 60)
        return NULL;
    p += 3;
    if (*p == '.' && !(p = fraction_parse(p + 1, end, &fraction)))
        return NULL;
    p = zone_parse(p, end, &zone);
    if (p)
        *ns = (last->seconds + second - zone) * NANOSECONDS + fraction;
    return p;
}
