#include "config/origin.h"

#include <string.h>

static const char *variable_of(const struct node *n)
{
    const char *found = n->variable;
    for (const struct node *inner = n->first; inner && !found; inner = inner->next)
        found = variable_of(inner);
    return found;
}

bool origin_add(struct origin **first, struct scope *scope, const char *prefix, const char *path, const struct node *n)
{
    struct origin *o = scope_alloc(scope, sizeof *o);
    const char *variable = variable_of(n);
    if (!o)
        return false;
    o->key = scope_printf(scope, "%s%s", prefix, path);
    o->file = scope_strdup(scope, n->key_at.file ? n->key_at.file : "");
    o->line = n->key_at.line;
    o->variable = variable ? scope_strdup(scope, variable) : NULL;
    o->next = *first;
    *first = o;
    return o->key && o->file && (o->variable || !variable);
}

const struct origin *origin_find(const struct origin *first, const char *key)
{
    while (first && strcmp(first->key, key) != 0)
        first = first->next;
    return first;
}
