#define PCRE2_CODE_UNIT_WIDTH 8
#include "web/filter.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

static void end(struct thing *t)
{
    struct filter *f = container_of(t, struct filter, thing);
    pcre2_match_data_free(f->match);
    pcre2_match_context_free(f->limits);
    pcre2_code_free(f->code);
    f->code = f->match = f->limits = NULL;
}

static int compile(struct filter *f, const char *pattern, uint32_t options, char why[FILTER_WHY])
{
    PCRE2_UCHAR sentence[120] = "";
    PCRE2_SIZE at = 0;
    int error = 0;
    if (strlen(pattern) > FILTER_PATTERN) {
        snprintf(why, FILTER_WHY, "a filter has at most %d bytes", FILTER_PATTERN);
        return -EINVAL;
    }
    f->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
    if (!f->code && error == PCRE2_ERROR_NOMEMORY)
        return -ENOMEM;
    if (!f->code) {
        pcre2_get_error_message(error, sentence, sizeof sentence);
        snprintf(why, FILTER_WHY, "at character %zu: %s", (size_t)at, (const char *)sentence);
        return -EINVAL;
    }
    f->match = pcre2_match_data_create(1, NULL);
    f->limits = pcre2_match_context_create(NULL);
    if (!f->match || !f->limits)
        return -ENOMEM;
    pcre2_set_match_limit(f->limits, FILTER_STEPS);
    pcre2_set_heap_limit(f->limits, 256); /* KiB */
    return 0;
}

int filter_begin(struct filter *f, struct scope *owner, const char *pattern, bool literal, bool any_case, char why[FILTER_WHY])
{
    *f = (struct filter){0};
    why[0] = 0;
    if (!pattern || !*pattern)
        return 0;
    int r = thing_begin(&f->thing, owner, BIRTH_HANDLE, "filter", 0, end);
    if (r < 0)
        return r;
    r = compile(f, pattern, (literal ? PCRE2_LITERAL : PCRE2_NEVER_BACKSLASH_C) | (any_case ? PCRE2_CASELESS : 0), why);
    if (r < 0)
        thing_end(&f->thing);
    return r;
}

bool filter_takes(struct filter *f, const char *line, size_t n)
{
    if (!f->code)
        return true;
    int r = pcre2_match(f->code, (PCRE2_SPTR)line, n, 0, 0, f->match, f->limits);
    f->gave_up += r < 0 && r != PCRE2_ERROR_NOMATCH;
    return r >= 0;
}

void filter_end(struct filter *f)
{
    thing_end(&f->thing);
}
