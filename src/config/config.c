/* Builds a configuration: the file's tree, then the structs, then what must hold between them. */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "config/check.h"
#include "config/limits.h"
#include "config/places.h"
#include "config/suggest.h"
#include "config/walk.h"

struct loader {
    struct config *c;
    struct scope scratch;
    struct problems problems;
    struct walk walk;
    const char *const *only; /* keys that are read; NULL: all, and all is checked */
    bool no_memory;
};

/* What says where an agent is, by its names now and before. */
static const char *const place_keys[] = {"state_dir", "positions", "server", "disk_buffer", NULL};

static const char *const read_elsewhere[] = {"sinks", "monitors.files.sources", NULL};

enum { GROUPS_MAX = 256, SINK_NAME = 32 };

static struct walk walk_of(struct loader *l, struct binding *bindings, unsigned n)
{
    return (struct walk){.scope = &l->c->scope, .scratch = &l->scratch, .problems = &l->problems, .origins = &l->c->origins,
                         .bindings = bindings, .n = n};
}

/* The flat keys of monitors.files without paths would say nothing beside sources. */
static bool flat_group_wanted(struct loader *l, const struct binding *flat, const struct node *sources)
{
    if (!sources || sources->kind == NODE_NULL || flat->seen[option_find(flat->set, "paths")])
        return true;
    for (unsigned i = 0; i < flat->set->n; i++)
        if (flat->seen[i])
            problem(&l->problems, flat->seen[i]->key_at,
                    "%s has no paths to act on; write monitors.files.paths, or move it into an entry of sources",
                    flat->seen[i]->key);
    return false;
}

static void load_group(struct loader *l, struct files_group *g, const struct node *n)
{
    struct binding b;
    struct walk w = walk_of(l, &b, 1);
    char shown[64];
    snprintf(shown, sizeof shown, "monitors.files.sources[%u].", (unsigned)(g - l->c->files.groups));
    w.shown = shown;
    if (n->kind != NODE_MAP) {
        problem(&l->problems, n->at, "an entry of monitors.files.sources must be a map with paths, not %s",
                node_kind_name(n->kind));
        return;
    }
    if (!walk_bind(&w, &b, &options_group, "", g)) {
        l->no_memory = true;
        return;
    }
    walk_map(&w, n, "");
    l->no_memory |= w.no_memory;
    const struct node *paths = b.seen[option_find(b.set, "paths")];
    if (!paths)
        problem(&l->problems, n->at, "this entry of monitors.files.sources has no paths");
    else if (!g->paths.n)
        problem(&l->problems, paths->at, "paths is empty; write at least one, or remove the entry");
    check_group(b.seen, b.set, &l->problems);
}

static void load_groups(struct loader *l, const struct binding *flat, const struct node *sources)
{
    struct files_config *f = &l->c->files;
    bool with_flat = flat_group_wanted(l, flat, sources);
    unsigned n = with_flat;

    if (sources && sources->kind != NODE_LIST && sources->kind != NODE_NULL) {
        problem(&l->problems, sources->at, "monitors.files.sources must be a list, not %s", node_kind_name(sources->kind));
        return;
    }
    for (const struct node *s = sources ? sources->first : NULL; s; s = s->next)
        n++;
    if (n > GROUPS_MAX) {
        problem(&l->problems, sources->at, "monitors.files.sources cannot have more than %d entries", GROUPS_MAX);
        return;
    }
    f->groups = scope_alloc(&l->c->scope, (n + 1) * sizeof *f->groups);
    if (!f->groups) {
        l->no_memory = true;
        return;
    }
    if (with_flat) {
        f->groups[f->n_groups++] = *(const struct files_group *)flat->base;
        check_group(flat->seen, flat->set, &l->problems);
    }
    for (const struct node *s = sources ? sources->first : NULL; s && !l->no_memory; s = s->next)
        load_group(l, &f->groups[f->n_groups++], s);
}

static bool name_is_good(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n && !name[n] && n <= SINK_NAME;
}

/* The set of the sink's type; NULL after a problem, or for an unknown type that is switched off. */
static const struct option_set *type_of(struct loader *l, const struct node *sink)
{
    const struct node *n = node_child(sink, "type");
    const char *type = n && n->text ? n->text : sink->key;
    const struct option_set *set = option_sink_type(type);
    struct suggest near;

    if (set || node_is(node_child(sink, "enabled"), "false"))
        return set;
    suggest_begin(&near, type);
    for (const struct option_set *const *s = options_sink_types; *s; s++)
        suggest_offer(&near, (*s)->title);
    problem(&l->problems, n ? n->at : sink->key_at,
            "there is no sink type '%.80s'; the types are loki, local_file, stdout and null%s%s%s", type,
            near.best ? "; did you mean '" : n ? "" : "; give the sink a `type`", near.best ? near.best : "",
            near.best ? "'?" : "");
    return NULL;
}

static bool set_up_sink(struct loader *l, struct sink_config *s, const char *name, const struct option_set *type)
{
    s->name = scope_strdup(&l->c->scope, name);
    s->type = type->title;
    if (type == option_sink_type("local_file") && !*s->local_file.directory)
        s->local_file.directory = place_logs_dir(&l->c->scope, l->c->state_dir);
    return s->name && (type != option_sink_type("local_file") || s->local_file.directory);
}

/* One sink from its map; false: there is none, or it is said why. */
static bool load_sink(struct loader *l, struct sink_config *s, struct node *n)
{
    struct binding b[2];
    struct walk w = walk_of(l, b, 2);

    if (!name_is_good(n->key)) {
        problem(&l->problems, n->key_at, "a sink's name must be letters, digits, '-' and '_', at most %d", SINK_NAME);
        return false;
    }
    if (n->kind != NODE_MAP && n->kind != NODE_NULL) {
        problem(&l->problems, n->at, "sinks.%s must be a map of keys, not %s", n->key, node_kind_name(n->kind));
        return false;
    }
    const struct option_set *type = type_of(l, n);
    if (!type)
        return false;
    const char *prefix = scope_printf(&l->scratch, "sinks.%s.", n->key);
    if (!prefix || !walk_bind(&w, &b[0], &options_sink, prefix, s) || !walk_bind(&w, &b[1], type, prefix, s)) {
        l->no_memory = true;
        return false;
    }
    /* `null` is also a word of YAML: as a type it means the sink. */
    struct node *named = node_child(n, "type");
    if (named && named->kind == NODE_NULL && named->text)
        named->kind = NODE_SCALAR;
    walk_map(&w, n, prefix);
    if (w.no_memory || !set_up_sink(l, s, n->key, type)) {
        l->no_memory = true;
        return false;
    }
    check_sink(l->c, s, n, &l->problems);
    return true;
}

/* No file has it. */
static void place_all(struct node *n, const char *where)
{
    n->at = n->key_at = (struct place){.file = where};
    for (struct node *inner = n->first; inner; inner = inner->next)
        place_all(inner, where);
}

/* Without a section `sinks`: local files, and the Loki that the environment names. */
static struct node *usual_sinks(struct loader *l)
{
    const char *loki = getenv("LOKI_URL");
    bool with_loki = loki && *loki;
    const char *text = with_loki ? "sinks: {local_file: {}, loki: {url: \"${LOKI_URL}\"}}" : "sinks: {local_file: {}}";
    const char *where = with_loki ? "the environment variable LOKI_URL" : "built-in default";
    struct node *tree = node_parse(&l->scratch, where, text, strlen(text), NULL, &l->problems);
    if (tree)
        place_all(tree, where);
    return node_child(tree, "sinks");
}

static void add_own_directory(struct config *c, const char *dir)
{
    struct string_list *own = &c->own_directories;
    for (unsigned i = 0; i < own->n; i++)
        if (strcmp(own->items[i], dir) == 0)
            return;
    own->items[own->n++] = dir;
}

static void load_sinks(struct loader *l, struct node *sinks)
{
    struct config *c = l->c;
    unsigned n = 0, before = l->problems.n;

    if (sinks && sinks->kind != NODE_MAP) {
        problem(&l->problems, sinks->at, "sinks must be a map of names, such as 'loki:', not %s", node_kind_name(sinks->kind));
        return;
    }
    if (!sinks && !(sinks = usual_sinks(l))) {
        l->no_memory |= l->problems.n == before;
        return;
    }
    for (const struct node *s = sinks->first; s; s = s->next)
        n++;
    c->sinks = scope_alloc(&c->scope, (n + 1) * sizeof *c->sinks);
    c->own_directories.items = scope_alloc(&c->scope, (n + 3) * sizeof(char *));
    const char *usual = place_logs_dir(&c->scope, c->state_dir);
    if (!c->sinks || !c->own_directories.items || !usual) {
        l->no_memory = true;
        return;
    }
    add_own_directory(c, c->state_dir);
    add_own_directory(c, usual);
    size_t state = strlen(c->state_dir);
    if (strncmp(c->spool_dir, c->state_dir, state) != 0 || c->spool_dir[state] != '/')
        add_own_directory(c, c->spool_dir);
    for (struct node *s = sinks->first; s && !l->no_memory; s = s->next) {
        struct sink_config one = {0};
        if (!load_sink(l, &one, s))
            continue;
        if (strcmp(one.type, "local_file") == 0)
            add_own_directory(c, one.local_file.directory);
        if (one.enabled && c->n_sinks == SINKS_MAX)
            problem(&l->problems, s->key_at, "at most %d sinks can be enabled", SINKS_MAX);
        else if (one.enabled)
            c->sinks[c->n_sinks++] = one;
    }
    if (!c->n_sinks && l->problems.n == before && !l->no_memory)
        problem(&l->problems, sinks->at, "no sink is enabled, so nothing could be delivered");
}

static bool set_places(struct config *c)
{
    if (!*c->state_dir)
        c->state_dir = place_state_dir(&c->scope);
    if (!*c->host)
        c->host = place_host(&c->scope);
    if (c->state_dir)
        c->spool_dir = *c->disk_buffer.directory ? c->disk_buffer.directory : scope_printf(&c->scope, "%s/spool", c->state_dir);
    return c->state_dir && c->host && c->spool_dir;
}

static void load_tree(struct loader *l, struct node *tree)
{
    struct config *c = l->c;
    struct files_group flat = {0};
    struct binding b[5];
    struct walk w = walk_of(l, b, 5);
    struct node *files = node_child(node_child(tree, "monitors"), "files");

    w.elsewhere = read_elsewhere;
    if (!walk_bind(&w, &b[0], &options_agent, "", c) ||
        !walk_bind(&w, &b[1], &options_files, "monitors.files.", &c->files) ||
        !walk_bind(&w, &b[2], &options_group, "monitors.files.", &flat) ||
        !walk_bind(&w, &b[3], &options_journal, "monitors.journal.", &c->journal) ||
        !walk_bind(&w, &b[4], &options_containers, "monitors.containers.", &c->containers)) {
        l->no_memory = true;
        return;
    }
    walk_map(&w, tree, "");
    if (w.no_memory || !set_places(c)) {
        l->no_memory = true;
        return;
    }
    if (l->only)
        return;
    load_groups(l, &b[2], node_child(files, "sources"));
    if (!l->no_memory)
        load_sinks(l, node_child(tree, "sinks"));
    if (!l->no_memory)
        check_config(c, &b[0], &b[1], &l->problems);
    if (!l->no_memory)
        check_containers(c, &b[4], &l->problems);
}

/* `tree` reads or parses; the rest is common. */
static struct config *load(struct scope *owner, const char *name, const char *const *only, struct buf *errors,
                           struct node *(*tree_of)(struct loader *l, void *arg), void *arg)
{
    struct loader l = {.only = only, .problems = {.scope = &l.scratch, .main_file = name}};
    l.c = scope_new(owner, sizeof *l.c, "config");
    if (!l.c || scope_begin(&l.scratch, owner, "config file") < 0) {
        config_free(l.c);
        buf_puts(errors, "out of memory\n");
        return NULL;
    }
    struct node *tree = tree_of(&l, arg);
    l.c->file = scope_strdup(&l.c->scope, name);
    if (tree && l.c->file)
        load_tree(&l, tree);
    if (l.no_memory || !l.c->file || (!tree && !l.problems.n))
        problem(&l.problems, (struct place){*name ? name : "configuration", 0, 0}, "out of memory");
    problems_print(&l.problems, errors);
    scope_end(&l.scratch);
    if (l.problems.n) {
        config_free(l.c);
        return NULL;
    }
    return l.c;
}

struct text {
    const char *name, *bytes;
    size_t size;
};

static struct node *tree_of_text(struct loader *l, void *arg)
{
    const struct text *t = arg;
    return node_parse(&l->scratch, t->name, t->bytes, t->size, l->only, &l->problems);
}

struct config *config_parse(struct scope *owner, const char *name, const char *text, size_t size, struct buf *errors)
{
    struct text t = {name, text, size};
    return load(owner, name, NULL, errors, tree_of_text, &t);
}

static bool is_yaml(const char *name)
{
    const char *dot = strrchr(name, '.');
    return *name != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum { DROPINS_MAX = 256 };

/* Merges the files of `dir` into the tree, in the order of their names; a missing directory is none. */
static void merge_directory(struct loader *l, struct node *tree, const char *dir)
{
    const char *paths[DROPINS_MAX];
    unsigned n = 0;
    struct dir d;
    int r = dir_open(&d, &l->scratch, dir);

    if (r < 0) {
        if (r != -ENOENT && r != -ENOTDIR)
            problem(&l->problems, (struct place){dir, 0, 0}, "cannot open the directory: %s", strerror(-r));
        return;
    }
    struct dirent *e = NULL;
    while (!l->no_memory && (e = dir_next(&d)) && n < DROPINS_MAX)
        if (is_yaml(e->d_name)) {
            paths[n] = scope_printf(&l->scratch, "%s/%s", dir, e->d_name);
            l->no_memory = !paths[n++];
        }
    if (l->no_memory)
        n = 0;
    else if (e)
        problem(&l->problems, (struct place){dir, 0, 0}, "there are more than %d files in it", DROPINS_MAX);
    else if (errno)
        problem(&l->problems, (struct place){dir, 0, 0}, "cannot list the directory: %s", strerror(errno));
    dir_close(&d);
    qsort(paths, n, sizeof *paths, by_text);
    for (unsigned i = 0; i < n; i++) {
        struct node *more = node_read(&l->scratch, paths[i], l->only, &l->problems);
        if (more)
            node_merge(tree, more);
        else if (!l->problems.n)
            l->no_memory = true;
    }
}

static struct node *tree_of_files(struct loader *l, void *arg)
{
    const char *path = arg, *file = *path ? path : CONFIG_USUAL_FILE, *slash = strrchr(file, '/');
    struct node *tree = *path ? node_read(&l->scratch, path, l->only, &l->problems)
                              : node_parse(&l->scratch, "built-in default", "", 0, NULL, &l->problems);
    char *dir = scope_printf(&l->scratch, "%.*sconfig.d", slash ? (int)(slash + 1 - file) : 0, file);
    if (tree && dir)
        merge_directory(l, tree, dir);
    return dir ? tree : NULL;
}

static struct config *load_files(struct scope *owner, const char *path, const char *const *only, struct buf *errors)
{
    struct stat st;
    if (!path)
        path = file_stat(CONFIG_USUAL_FILE, &st) == -ENOENT ? "" : CONFIG_USUAL_FILE;
    return load(owner, path, only, errors, tree_of_files, (void *)(uintptr_t)path);
}

struct config *config_load(struct scope *owner, const char *path, struct buf *errors)
{
    return load_files(owner, path, NULL, errors);
}

struct config *config_load_place(struct scope *owner, const char *path, struct buf *errors)
{
    return load_files(owner, path, place_keys, errors);
}

void config_free(struct config *c)
{
    if (c)
        scope_end(&c->scope);
}

bool config_mentions(const struct config *c, const char *section)
{
    const struct origin *o = c->origins;
    while (o && strncmp(o->key, section, strlen(section)) != 0)
        o = o->next;
    return o;
}

bool config_spools(const struct config *c, const struct sink_config *s)
{
    return c->disk_buffer.enabled &&
           (s->disk_buffer == SPOOL_ON || (s->disk_buffer == SPOOL_AUTO && strcmp(s->type, "loki") == 0));
}

const struct string_list *config_own_directories(const struct config *c)
{
    return &c->own_directories;
}
