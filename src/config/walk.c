#include "config/walk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/suggest.h"
#include "config/value.h"

enum { PATH_BYTES = 512 };

/* The path below the binding, or NULL. */
static const char *below(const struct binding *b, const char *path)
{
    size_t n = strlen(b->prefix);
    return strncmp(path, b->prefix, n) == 0 ? path + n : NULL;
}

bool walk_bind(struct walk *w, struct binding *b, const struct option_set *set, const char *prefix, void *base)
{
    *b = (struct binding){set, prefix, base, scope_alloc(w->scratch, (set->n + 1) * sizeof *b->seen)};
    if (!b->seen)
        return false;
    for (unsigned i = 0; i < set->n; i++) {
        const struct option *o = &set->options[i];
        if (!o->initial) {
            *(const char **)((char *)base + o->offset) = "";
            continue;
        }
        /* Through the same door as what users write, so that the table cannot hold what they may not. */
        char text[PATH_BYTES];
        snprintf(text, sizeof text, "v: %s", o->initial);
        struct node *tree = node_parse(w->scratch, "built-in default", text, strlen(text), NULL, w->problems);
        if (!tree || value_set(w->scope, base, o, o->path, node_child(tree, "v"), w->problems) < 0)
            return false;
    }
    return true;
}

static const struct binding *find_option(const struct walk *w, const char *path, int *index)
{
    for (unsigned i = 0; i < w->n; i++) {
        const char *rest = below(&w->bindings[i], path);
        if (rest && (*index = option_find(w->bindings[i].set, rest)) >= 0)
            return &w->bindings[i];
    }
    return NULL;
}

static const struct old_key *find_old(const struct walk *w, const char *path, const struct binding **binding)
{
    for (unsigned i = 0; i < w->n; i++) {
        const char *rest = below(&w->bindings[i], path);
        const struct old_key *old = rest ? option_find_old(w->bindings[i].set, rest) : NULL;
        if (old) {
            *binding = &w->bindings[i];
            return old;
        }
    }
    return NULL;
}

static bool is_section(const struct walk *w, const char *path, bool with_old)
{
    size_t len = strlen(path);
    for (unsigned i = 0; i < w->n; i++) {
        const char *rest = below(&w->bindings[i], path);
        if (rest && option_is_section(w->bindings[i].set, rest, with_old))
            return true;
        /* `monitors`, above where a whole set stands */
        const char *prefix = w->bindings[i].prefix;
        if (w->bindings[i].set->n && strncmp(prefix, path, len) == 0 && prefix[len] == '.')
            return true;
    }
    return false;
}

static void set(struct walk *w, const struct binding *b, int index, const char *path, struct node *n)
{
    const struct node *before = b->seen[index];
    if (before) {
        problem(w->problems, n->key_at, "'%s' and '%s' in line %u are two names of one thing; keep one of them", n->key,
                before->key, before->key_at.line);
        return;
    }
    b->seen[index] = n;
    if (n->wrong)
        return;
    int r = value_set(w->scope, b->base, &b->set->options[index], path, n, w->problems);
    n->wrong = r == -EINVAL;
    w->no_memory |= r == -ENOMEM;
    if (r == 0 && !origin_add(w->origins, w->scope, w->shown ? w->shown : b->prefix, b->set->options[index].path, n))
        w->no_memory = true;
}

static void set_old(struct walk *w, const struct binding *b, const struct old_key *old, const char *path, struct node *n)
{
    if (old->becomes) {
        char now[PATH_BYTES];
        int index;
        snprintf(now, sizeof now, "%s%s", b->prefix, old->becomes);
        const struct binding *target = find_option(w, now, &index);
        log_info("config", "%s:%u: '%s' is called '%s' now; both names work", n->key_at.file, n->key_at.line, path, now);
        if (target)
            set(w, target, index, path, n);
    } else if (!old->only || !node_is(n, old->only)) {
        problem(w->problems, n->key_at, "'%s%s%s' is no longer supported: %s", path, old->only ? "' other than '" : "",
                old->only ? old->only : "", old->advice);
    }
}

/* Offers the names that may stand at `prefix`. */
static void offer_siblings(struct walk *w, const char *prefix, struct suggest *near)
{
    size_t len = strlen(prefix);
    for (unsigned i = 0; i < w->n; i++)
        for (unsigned j = 0; j < w->bindings[i].set->n; j++) {
            char *full = scope_printf(w->scratch, "%s%s", w->bindings[i].prefix, w->bindings[i].set->options[j].path);
            if (!full || strncmp(full, prefix, len) != 0)
                continue;
            char *dot = strchr(full + len, '.');
            if (dot)
                *dot = 0;
            suggest_offer(near, full + len);
        }
    for (const char *const *e = w->elsewhere; e && *e; e++)
        if (strncmp(*e, prefix, len) == 0 && !strchr(*e + len, '.'))
            suggest_offer(near, *e + len);
}

/* The same name in another section. */
static const char *find_elsewhere(struct walk *w, const char *key)
{
    for (unsigned i = 0; i < w->n; i++)
        for (unsigned j = 0; j < w->bindings[i].set->n; j++) {
            const char *path = w->bindings[i].set->options[j].path, *dot = strrchr(path, '.');
            if (strcmp(dot ? dot + 1 : path, key) == 0)
                return scope_printf(w->scratch, "%s%s", w->bindings[i].prefix, path);
        }
    return NULL;
}

static void unknown(struct walk *w, const char *prefix, const struct node *n)
{
    struct suggest near;
    suggest_begin(&near, n->key);
    offer_siblings(w, prefix, &near);
    /* One slip beside a known name is a slip; else the very name in another section says more. */
    const char *other = near.best && near.distance <= 1 ? NULL : find_elsewhere(w, n->key);
    const char *best = other ? other : near.best;
    problem(w->problems, n->key_at, "unknown key '%s%.80s'%s%s%s", prefix, n->key, best ? "; did you mean '" : "",
            best ? best : "", best ? "'?" : "");
}

static bool is_elsewhere(const struct walk *w, const char *path)
{
    for (const char *const *e = w->elsewhere; e && *e; e++)
        if (strcmp(*e, path) == 0)
            return true;
    return false;
}

/* Where the walk is: within which refused section, and whether that is switched off. */
struct section {
    const struct old_key *old;
    bool off;
};

static void walk_section(struct walk *w, const struct node *map, const char *prefix, struct section in);

static void walk_key(struct walk *w, struct node *n, const char *prefix, struct section in)
{
    const struct binding *b = NULL;
    char path[PATH_BYTES];
    int index;

    if ((size_t)snprintf(path, sizeof path, "%s%s", prefix, n->key) >= sizeof path || strchr(n->key, '.')) {
        unknown(w, prefix, n);
        return;
    }
    if (is_elsewhere(w, path))
        return;
    if ((b = find_option(w, path, &index))) {
        set(w, b, index, path, n);
        return;
    }
    const struct old_key *old = find_old(w, path, &b);
    bool is_old_section = old && old->path[strlen(old->path) - 1] == '.';
    if (old && !is_old_section) {
        set_old(w, b, old, path, n);
        return;
    }
    if (is_old_section) {
        in.old = old;
        in.off = in.off || node_is(node_child(n, "enabled"), "false");
        if (in.off)
            log_debug("config", "%s:%u: '%s' is switched off and has no meaning any more; it can be removed",
                     n->key_at.file, n->key_at.line, path);
    }
    if (is_section(w, path, true)) {
        if (n->kind == NODE_MAP) {
            char inner[PATH_BYTES + 1];
            snprintf(inner, sizeof inner, "%s.", path);
            walk_section(w, n, inner, in);
        } else if (n->kind != NODE_NULL) {
            problem(w->problems, n->at, "%s must be a map of keys, not %s", path, node_kind_name(n->kind));
        }
        return;
    }
    if (in.off)
        return;
    if (in.old)
        problem(w->problems, n->key_at, "'%s' is not supported: %s", path, in.old->advice);
    else
        unknown(w, prefix, n);
}

static void walk_section(struct walk *w, const struct node *map, const char *prefix, struct section in)
{
    for (struct node *n = map->first; n && !w->no_memory; n = n->next)
        walk_key(w, n, prefix, in);
}

void walk_map(struct walk *w, const struct node *map, const char *prefix)
{
    walk_section(w, map, prefix, (struct section){0});
}
