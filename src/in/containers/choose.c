#include "in/containers/choose.h"

#include <string.h>

/* '*' and '?' alone: the other characters of a path's glob (codec/glob.h) are common in labels' values. Bounded by n * m steps. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool choose_name(const struct string_list *patterns, const char *name)
{
    for (unsigned i = 0; i < patterns->n; i++)
        if (matches(patterns->items[i], name))
            return true;
    return false;
}

bool choose_label(const struct string_list *entries, const char *name, const char *value)
{
    size_t n = strlen(name);
    for (unsigned i = 0; i < entries->n; i++) {
        const char *entry = entries->items[i];
        if (strncmp(entry, name, n) == 0 && (!entry[n] || (entry[n] == '=' && matches(entry + n + 1, value))))
            return true;
    }
    return false;
}

const char *choose(const struct containers_config *c, const char *name, bool included, bool excluded)
{
    if (choose_name(&c->exclude_names, name))
        return "monitors.containers.exclude_names has its name";
    if (excluded)
        return "monitors.containers.exclude_labels has one of its labels";
    if (c->include_names.n && !choose_name(&c->include_names, name))
        return "no pattern of monitors.containers.include_names has its name";
    if (c->include_labels.n && !included)
        return "monitors.containers.include_labels has none of its labels";
    return NULL;
}
