/*
 * `logcap positions show|reset`: how far each source is secured at each sink, and starting over.
 *
 * show only looks, also beside a running agent. reset takes the agent's lock: an agent that runs would
 * store its own positions again.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/suggest.h"
#include "main/commands/args.h"
#include "main/commands/cell.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"
#include "store/store.h"

static const char help[] =
    "usage: logcap positions show  [-c FILE | --state-dir DIR] [--sink NAME] [--json] [PATH...]\n"
    "       logcap positions reset [-c FILE | --state-dir DIR] [--sink NAME] [PATH...]\n"
    "\n"
    "show   how far each source is secured at each sink\n"
    "reset  forget positions: the sources are read again as if they were new (start_at decides where);\n"
    "       without PATH, of all sources. Stop the agent first. What was delivered is delivered again.\n"
    "       If a PATH names no source, or the sink has no position of them, nothing is reset.\n"
    "\n"
    "PATH is a source's path, its key, or a pattern of them (in quotes: '/var/log/*').\n"
    "Exit code: 0 done, 1 failed (the message says why), 2 wrong usage or configuration.\n";

struct positions_args {
    bool json, reset;
    const char *config, *state_dir, *sink;
    char **paths;
    int n_paths;
};

struct row {
    struct row *next;
    const char *key, *name;
    int64_t seen;
};

struct listing {
    struct scope scope;
    const struct positions_args *args;
    struct store *store;
    struct row *rows;
    const struct row *current;
    struct suggest near_sink;
    size_t printed;
    bool failed, found;
};

static bool names(const char *path, const char *key, const char *name)
{
    return strcmp(path, key) == 0 || fnmatch(path, name, 0) == 0;
}

static bool wanted(const struct positions_args *a, const char *key, const char *name)
{
    for (int i = 0; i < a->n_paths; i++)
        if (names(a->paths[i], key, name))
            return true;
    return a->n_paths == 0;
}

static bool add_source(const struct store_source *source, void *arg)
{
    struct listing *l = arg;
    struct row *r = scope_alloc(&l->scope, sizeof *r);
    if (r) {
        r->key = scope_strdup(&l->scope, source->key);
        r->name = scope_strdup(&l->scope, source->name);
    }
    if (!r || !r->key || !r->name) {
        l->failed = true;
        return false;
    }
    r->seen = source->seen;
    r->next = l->rows;
    l->rows = r;
    return true;
}

static void say_near(const struct suggest *near)
{
    if (!near->best)
        return;
    fputs("; did you mean '", stderr);
    cell_write(stderr, near->best);
    fputs("'?", stderr);
}

/* Whether this path names a source; if not, it is said. */
static bool is_known(const struct listing *l, const char *path)
{
    struct suggest near;
    suggest_begin(&near, path);
    for (const struct row *row = l->rows; row; row = row->next) {
        if (names(path, row->key, row->name))
            return true;
        suggest_offer(&near, row->name);
        suggest_offer(&near, row->key);
    }
    fprintf(stderr, "logcap: no source is called '%s'", path);
    say_near(&near);
    fputs("; logcap positions show lists them. Nothing was reset\n", stderr);
    return false;
}

static void keep_wanted(struct listing *l)
{
    for (struct row **at = &l->rows; *at;)
        if (wanted(l->args, (*at)->key, (*at)->name))
            at = &(*at)->next;
        else
            *at = (*at)->next;
}

static void print_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            printf("\\u%04x", (unsigned char)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static void print_json(const struct row *r, const struct store_position *p, const char *seen, bool first)
{
    printf("%s\n  {\"key\": ", first ? "" : ",");
    print_string(r->key);
    printf(", \"name\": ");
    print_string(r->name);
    printf(", \"sink\": ");
    print_string(p->sink);
    printf(", \"offset\": %" PRIu64 ", \"cursor\": ", p->offset);
    if (p->cursor)
        print_string(p->cursor);
    else
        printf("null");
    printf(", \"seen\": \"%s\"}", seen);
}

static bool print_position(const struct store_position *p, void *arg)
{
    struct listing *l = arg;
    const struct row *r = l->current;
    if (l->args->sink && strcmp(l->args->sink, p->sink) != 0)
        return true;
    char seen[32];
    struct tm tm;
    time_t at = (time_t)(r->seen / SECOND);
    strftime(seen, sizeof seen, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
    if (l->args->json) {
        print_json(r, p, seen, l->printed == 0);
    } else {
        if (l->printed == 0)
            printf("%-20s %-16s %14s  %s\n", "SEEN", "SINK", "OFFSET", "SOURCE  KEY  CURSOR");
        printf("%-20s %-16s %14" PRIu64 "  ", seen, p->sink, p->offset);
        cell_print(r->name);
        printf("  ");
        cell_print(r->key);
        printf("  ");
        cell_print(p->cursor ? p->cursor : "-");
        putchar('\n');
    }
    l->printed++;
    return true;
}

static int show(struct listing *l)
{
    int r = 0;
    if (l->args->json)
        putchar('[');
    for (l->current = l->rows; l->current && r == 0; l->current = l->current->next)
        r = store_each_position(l->store, l->current->key, print_position, l);
    if (l->args->json)
        printf("%s]\n", l->printed ? "\n" : "");
    else if (r == 0 && l->printed == 0)
        printf("%s\n", l->args->n_paths || l->args->sink ? "no position matches" : "no positions");
    return r;
}

static bool find_sink(const struct store_position *p, void *arg)
{
    struct listing *l = arg;
    l->found |= strcmp(p->sink, l->args->sink) == 0;
    suggest_offer(&l->near_sink, p->sink);
    if (l->near_sink.best == p->sink)
        l->near_sink.best = scope_strdup(&l->scope, p->sink);
    return true;
}

/* With --sink: only what has a position there. */
static int keep_those_at_sink(struct listing *l)
{
    suggest_begin(&l->near_sink, l->args->sink);
    for (struct row **at = &l->rows; *at;) {
        l->found = false;
        int r = store_each_position(l->store, (*at)->key, find_sink, l);
        if (r < 0)
            return r;
        if (l->found)
            at = &(*at)->next;
        else
            *at = (*at)->next;
    }
    return 0;
}

/* 0: the rows that are meant are left; 1: they are not there, and it was said; or -errno. */
static int choose(struct listing *l)
{
    for (int i = 0; i < l->args->n_paths; i++)
        if (!is_known(l, l->args->paths[i]))
            return 1;
    keep_wanted(l);
    int r = l->args->sink ? keep_those_at_sink(l) : 0;
    if (r < 0 || !l->args->sink || l->rows)
        return r;
    fprintf(stderr, "logcap: nothing has a position at a sink '%s'", l->args->sink);
    say_near(&l->near_sink);
    fputs(". Nothing was reset\n", stderr);
    return 1;
}

static int reset(struct listing *l)
{
    int r = store_begin(l->store);
    for (const struct row *row = l->rows; row && r == 0; row = row->next)
        r = l->args->sink ? store_delete_positions(l->store, row->key, l->args->sink)
                          : store_delete_source(l->store, row->key);
    if (r < 0) {
        store_rollback(l->store);
        return r;
    }
    r = store_commit(l->store);
    /* The fallback file must not bring back what was reset. */
    if (r == 0)
        r = store_write_fallback(l->store);
    for (const struct row *row = l->rows; row && r == 0; row = row->next) {
        printf("reset ");
        cell_print(row->name);
        if (l->args->sink)
            printf(" at %s", l->args->sink);
        putchar('\n');
        l->printed++;
    }
    if (r == 0)
        printf("%zu source%s reset\n", l->printed, l->printed == 1 ? "" : "s");
    return r;
}

static int work(struct listing *l, const char *state_dir)
{
    char why[256];
    int r;
    int64_t agent = l->args->reset ? store_holder(state_dir) : 0;
    if (agent != 0) {
        fprintf(stderr, "logcap: an agent (process %lld) works with %s and would store its positions again: stop it first\n",
                (long long)agent, state_dir);
        return EXIT_FAILED;
    }
    l->store = l->args->reset ? store_open(&l->scope, state_dir, &r)
                              : store_open_reader(&l->scope, state_dir, &r, why, sizeof why);
    if (!l->store) {
        if (!l->args->reset)
            fprintf(stderr, "logcap: cannot read the positions in %s: %s\n", state_dir, why);
        return EXIT_FAILED;
    }
    r = store_each_source(l->store, add_source, l);
    if (l->failed)
        r = -ENOMEM;
    if (r == 0 && l->args->reset) {
        r = choose(l);
        if (r == 0)
            r = reset(l);
    } else if (r == 0) {
        keep_wanted(l);
        r = show(l);
    }
    if (r < 0)
        fprintf(stderr, "logcap: %s: %s\n", store_error(l->store), strerror(-r));
    store_close(l->store);
    return r == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* Of the configuration, unless it was given. NULL: said why. */
static const char *find_state_dir(struct scope *scope, const struct positions_args *a)
{
    if (a->state_dir)
        return a->state_dir;
    struct config *c = load_place_or_say(scope, a->config);
    return c ? c->state_dir : NULL;
}

/* How many paths, at a->paths; or as args_parse(). */
static int parse(int argc, char **argv, struct positions_args *a)
{
    const struct arg args[] = {{"config", 'c', &a->config, NULL},
                               {"state-dir", 0, &a->state_dir, NULL},
                               {"sink", 0, &a->sink, NULL},
                               {"json", 0, NULL, &a->json},
                               {0}};
    int n = args_parse(argc, argv, help, args, 1, INT_MAX, &a->paths);
    if (n < 0)
        return n;
    const char *verb = *a->paths++;
    a->n_paths = n - 1;
    a->reset = strcmp(verb, "reset") == 0;
    if ((a->reset || strcmp(verb, "show") == 0) && !(a->reset && a->json))
        return a->n_paths;
    fputs(help, stderr);
    return -1 - EXIT_USAGE;
}

int cmd_positions(int argc, char **argv)
{
    struct positions_args args = {0};
    struct listing l = {.args = &args};
    int r = parse(argc, argv, &args);
    if (r < 0)
        return args_code(r);
    if (scope_begin(&l.scope, &scope_root, "positions") < 0)
        return EXIT_FAILED;
    const char *state_dir = find_state_dir(&l.scope, &args);
    r = state_dir ? work(&l, state_dir) : EXIT_USAGE;
    scope_end(&l.scope);
    return r;
}
