#include "config/keep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/compare.h"
#include "config/option.h"

static bool copy_strings(struct scope *scope, struct string_list *to, const struct string_list *from)
{
    to->n = from->n;
    to->items = scope_alloc(scope, (from->n + 1) * sizeof *to->items);
    bool good = to->items;
    for (unsigned i = 0; good && i < from->n; i++)
        good = (to->items[i] = scope_strdup(scope, from->items[i]));
    return good;
}

static bool copy_labels(struct scope *scope, struct label_list *to, const struct label_list *from)
{
    to->n = from->n;
    to->items = scope_alloc(scope, (from->n + 1) * sizeof *to->items);
    bool good = to->items;
    for (unsigned i = 0; good && i < from->n; i++) {
        to->items[i] = (struct label){scope_strdup(scope, from->items[i].name), scope_strdup(scope, from->items[i].value)};
        good = to->items[i].name && to->items[i].value;
    }
    return good;
}

/* false: no memory. */
static bool copy(struct scope *scope, const struct option *o, void *to, const void *from)
{
    switch (o->type) {
    case OPTION_BOOL:
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_TIME:
    case OPTION_CHOICE:
        memcpy(to, from, o->width);
        return true;
    case OPTION_STRINGS:
    case OPTION_GLOBS:
    case OPTION_PATHS:
        return copy_strings(scope, to, from);
    case OPTION_LABELS:
    case OPTION_HEADERS:
        return copy_labels(scope, to, from);
    default:
        return (*(const char **)to = scope_strdup(scope, *(const char *const *)from));
    }
}

static bool keep_all(struct scope *scope, const struct option_set *set, const char *prefix, void *to, const void *from)
{
    bool good = true;
    for (unsigned i = 0; good && i < set->n; i++) {
        const struct option *o = &set->options[i];
        char key[256];
        snprintf(key, sizeof key, "%s%s", prefix, o->path);
        if (config_needs_restart(key))
            good = copy(scope, o, (char *)to + o->offset, (const char *)from + o->offset);
    }
    return good;
}

int config_keep(struct config *next, const struct config *running)
{
    struct scope *scope = &next->scope;
    bool good = keep_all(scope, &options_agent, "", next, running) &&
                keep_all(scope, &options_journal, "monitors.journal.", &next->journal, &running->journal) &&
                keep_all(scope, &options_containers, "monitors.containers.", &next->containers, &running->containers) &&
                (next->spool_dir = scope_strdup(scope, running->spool_dir));
    return good ? 0 : -ENOMEM;
}
