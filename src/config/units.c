#include "config/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {
    {"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10},
    {"TB", 1000000000000ull}, {"GB", 1000000000ull}, {"MB", 1000000ull}, {"KB", 1000ull},
    {"kB", 1000ull}, {"B", 1},
};
static const struct unit times[] = {
    {"d", 24 * HOUR}, {"h", HOUR}, {"m", MINUTE}, {"s", SECOND},
    {"ms", MILLISECOND}, {"us", MICROSECOND}, {"ns", 1},
};
enum { SIZES = sizeof sizes / sizeof *sizes, TIMES = sizeof times / sizeof *times };

static const struct unit *find(const struct unit *units, unsigned n, const char *name, size_t len)
{
    for (unsigned i = 0; i < n; i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
            return &units[i];
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool digits(const char **p, uint64_t *n)
{
    const char *start = *p;
    for (*n = 0; is_digit(**p); (*p)++)
        if (__builtin_mul_overflow(*n, 10u, n) || __builtin_add_overflow(*n, (unsigned)(**p - '0'), n))
            return false;
    return *p != start;
}

/* The decimals after a point, if there is one, as part / scale. */
static bool fraction(const char **p, uint64_t *part, uint64_t *scale)
{
    *part = 0;
    *scale = 1;
    if (**p != '.')
        return true;
    const char *start = ++*p;
    for (; is_digit(**p); (*p)++) {
        if (*p - start >= 9)
            return false;
        *part = *part * 10 + (unsigned)(**p - '0');
        *scale *= 10;
    }
    return *p != start;
}

/* One number with its unit; the unit may be missing when `bare` allows it. */
static bool quantity(const char **p, const struct unit *units, unsigned n_units, bool bare, uint64_t *out)
{
    uint64_t whole, part, scale, more;
    if (!digits(p, &whole) || !fraction(p, &part, &scale))
        return false;
    while (**p == ' ')
        (*p)++;
    size_t len = 0;
    while ((*p)[len] && !is_digit((*p)[len]) && (*p)[len] != '.' && (*p)[len] != ' ')
        len++;
    const struct unit *u = find(units, n_units, *p, len);
    uint64_t factor = u ? u->factor : 1;
    if (!u && (len || (!bare && (whole || part))))
        return false;
    *p += len;
    unsigned __int128 rest = (unsigned __int128)part * factor;
    if (rest % scale)
        return false;
    more = (uint64_t)(rest / scale);
    return !__builtin_mul_overflow(whole, factor, out) && !__builtin_add_overflow(*out, more, out);
}

bool units_size_from(const char *text, uint64_t *bytes)
{
    return quantity(&text, sizes, SIZES, true, bytes) && !*text;
}

bool units_time_from(const char *text, int64_t *ns)
{
    uint64_t total = 0;
    do {
        uint64_t one;
        if (!quantity(&text, times, TIMES, false, &one) || __builtin_add_overflow(total, one, &total))
            return false;
    } while (*text);
    *ns = (int64_t)total;
    return total <= INT64_MAX;
}

bool units_count_from(const char *text, uint64_t *n)
{
    return digits(&text, n) && !*text;
}

static const char *text_of(uint64_t value, const struct unit *units, unsigned n, char text[UNITS_TEXT])
{
    for (unsigned i = 0; i < n; i++)
        if (value && value % units[i].factor == 0) {
            snprintf(text, UNITS_TEXT, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
            return text;
        }
    snprintf(text, UNITS_TEXT, "%" PRIu64, value);
    return text;
}

const char *units_size_text(uint64_t bytes, char text[UNITS_TEXT])
{
    return text_of(bytes, sizes, SIZES, text);
}

const char *units_time_text(int64_t ns, char text[UNITS_TEXT])
{
    /* Whole days are written as hours up to 48: people say 24h. */
    bool days = ns > 48 * HOUR;
    return text_of((uint64_t)ns, times + !days, TIMES - !days, text);
}
