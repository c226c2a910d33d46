#include "codec/heap.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The rest of the line, without its end; false: there is none. */
static bool next_line(struct heap_reader *r, const char **line, const char **end)
{
    if (r->at >= r->end)
        return false;
    *line = r->at;
    *end = memchr(r->at, '\n', (size_t)(r->end - r->at));
    if (!*end)
        *end = r->end;
    r->at = *end + (*end < r->end);
    return true;
}

static void skip_spaces(const char **at, const char *end)
{
    while (*at < end && **at == ' ')
        ++*at;
}

static bool skip(const char **at, const char *end, const char *text)
{
    size_t n = strlen(text);
    skip_spaces(at, end);
    if ((size_t)(end - *at) < n || memcmp(*at, text, n) != 0)
        return false;
    *at += n;
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool number(const char **at, const char *end, unsigned base, uint64_t *value)
{
    skip_spaces(at, end);
    const char *from = *at;
    for (*value = 0; *at < end && digit_of(**at) < (int)base; ++*at)
        if (__builtin_mul_overflow(*value, base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit_of(**at), value))
            return false;
    return *at > from;
}

static bool counts(const char *at, const char *end, struct heap_stack *s)
{
    return number(&at, end, 10, &s->objects) && skip(&at, end, ":") && number(&at, end, 10, &s->bytes) &&
           skip(&at, end, "[") && number(&at, end, 10, &s->ever_objects) && skip(&at, end, ":") &&
           number(&at, end, 10, &s->ever_bytes) && skip(&at, end, "]");
}

int heap_begin(struct heap_reader *r, const char *text, size_t n)
{
    const char *line, *end;
    *r = (struct heap_reader){text, text + n, 0};
    if (!next_line(r, &line, &end) || !skip(&line, end, "heap_v2/") || !number(&line, end, 10, &r->rate) || !r->rate)
        return -EINVAL;
    return 0;
}

static bool frames(const char *at, const char *end, struct heap_stack *s)
{
    uint64_t frame;
    for (skip_spaces(&at, end); at < end; skip_spaces(&at, end)) {
        if (!skip(&at, end, "0x") || !number(&at, end, 16, &frame))
            return false;
        if (s->n < HEAP_FRAMES)
            s->frames[s->n++] = (uintptr_t)frame;
    }
    return true;
}

int heap_next(struct heap_reader *r, struct heap_stack *s)
{
    const char *line, *end;
    *s = (struct heap_stack){0};
    while (next_line(r, &line, &end)) {
        if (skip(&line, end, "MAPPED_LIBRARIES:"))
            return 0;
        if (!skip(&line, end, "@"))
            continue;
        if (!frames(line, end, s) || !next_line(r, &line, &end) || !skip(&line, end, "t*:") || !counts(line, end, s))
            return -EINVAL;
        return 1;
    }
    return 0;
}

double heap_scale(uint64_t objects, uint64_t bytes, uint64_t rate)
{
    if (!objects || !bytes)
        return 0;
    return 1 / -expm1(-((double)bytes / (double)objects) / (double)rate);
}
