/* `logcap check`: whether a configuration is right, what it would read now, and where it would send. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "codec/glob.h"
#include "config/units.h"
#include "core/pipeline.h"
#include "in/journal/journal.h"
#include "main/commands/args.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"
#include "main/commands/preview.h"

enum { SHOWN = 20, DEPTH = 32, ERRORS_BYTES = 64 << 10 };

static const char help[] = "usage: logcap check [-c FILE] [--all]\n"
                           "\n"
                           "Says whether the configuration is right, which files match now and which of them cannot be read,\n"
                           "which container engines can be connected to, and where records would be sent. Nothing is read or sent.\n"
                           "\n"
                           "  -c, --config FILE  the file; without it /etc/logcap/logcap.yaml, else the defaults\n"
                           "      --all          list every file, not only the first 20 of each group\n"
                           "\n"
                           "Exit code: 0 it is right, 2 it is not (each error is at file:line:column).\n";

struct look {
    struct scope *scope;
    const struct config *config;
    const struct files_group *group;
    unsigned pattern; /* which of the group's */
    bool all;
    unsigned files, unreadable, directories_closed;
    uint64_t bytes;
};

static bool is_own(const struct config *c, const char *path)
{
    const struct string_list *own = config_own_directories(c);
    for (unsigned i = 0; i < own->n; i++) {
        size_t n = strlen(own->items[i]);
        if (strncmp(path, own->items[i], n) == 0 && (path[n] == '/' || !path[n]))
            return true;
    }
    return false;
}

/* Matched by this pattern, by none before it, and by no exclusion. */
static bool is_wanted(const struct look *l, const char *path)
{
    const struct files_group *g = l->group;
    if (!glob_match(g->paths.items[l->pattern], path))
        return false;
    for (unsigned i = 0; i < l->pattern; i++)
        if (glob_match(g->paths.items[i], path))
            return false;
    for (unsigned i = 0; i < g->exclude.n; i++)
        if (glob_match(g->exclude.items[i], path))
            return false;
    return true;
}

static void look_at_file(struct look *l, const char *path)
{
    struct stat st;
    struct fd f;
    char size[UNITS_TEXT];
    if (!is_wanted(l, path) || file_stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    int r = fd_open(&f, l->scope, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    fd_close(&f);
    l->unreadable += r < 0;
    l->bytes += (uint64_t)st.st_size;
    if (l->files++ >= SHOWN && !l->all && r == 0)
        return;
    snprintf(size, sizeof size, "%" PRIu64 " bytes", (uint64_t)st.st_size);
    printf("    %s (%s)\n", path, r < 0 ? strerror(-r) : size);
}

static void look_below(struct look *l, const char *path, unsigned depth)
{
    char inner[PATH_MAX];
    struct dir d;
    if (depth > DEPTH || is_own(l->config, path))
        return;
    int r = dir_open(&d, l->scope, *path ? path : "/");
    if (r < 0) {
        if (r != -ENOENT && r != -ENOTDIR) {
            printf("    %s (cannot be listed: %s)\n", path, strerror(-r));
            l->directories_closed++;
        }
        return;
    }
    for (struct dirent *e; (e = dir_next(&d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (size_t)snprintf(inner, sizeof inner, "%s/%s", path, e->d_name) >= sizeof inner)
            continue;
        if (e->d_type == DT_DIR)
            look_below(l, inner, depth + 1);
        else
            look_at_file(l, inner);
    }
    dir_close(&d);
}

static void show_group(struct look *l)
{
    char root[PATH_MAX];
    for (l->pattern = 0; l->pattern < l->group->paths.n; l->pattern++) {
        const char *pattern = l->group->paths.items[l->pattern];
        printf("  %s\n", pattern);
        if (glob_root(pattern, root, sizeof root))
            look_below(l, strcmp(root, "/") == 0 ? "" : root, 0);
    }
    if (l->files > SHOWN && !l->all)
        printf("    ... and more: --all lists them\n");
    printf("  %u file%s now, %" PRIu64 " bytes; %u cannot be read%s; begun at the %s\n", l->files,
           l->files == 1 ? "" : "s", l->bytes, l->unreadable,
           l->unreadable || l->directories_closed ? " (run as root, or as a member of the group adm)" : "",
           l->group->start_at == START_END ? "end" : "beginning");
}

/* What only the pipeline knows: a time's format. */
static bool pipelines_are_right(struct scope *scope, const struct config *c)
{
    struct buf error;
    bool good = true;
    if (buf_begin(&error, scope, "pipeline error", ERRORS_BYTES) < 0)
        return false;
    for (unsigned i = 0; i < c->files.n_groups; i++) {
        buf_clear(&error);
        if (!pipeline_new(scope, &c->files.groups[i], &error)) {
            fprintf(stderr, "%s: files of '%s': %s\n", c->file, c->files.groups[i].paths.n ? c->files.groups[i].paths.items[0] : "",
                    error.data ? error.data : "out of memory");
            good = false;
        }
    }
    buf_end(&error);
    return good;
}

static void show_journal(struct scope *scope, const struct config *c)
{
    const char *where = *c->journal.directory ? c->journal.directory : "this host's";
    if (!c->journal.enabled) {
        printf("\nIt reads the journal: no (monitors.journal.enabled: false)\n");
        return;
    }
    const char *why = journal_missing(scope, c);
    if (why)
        printf("\nIt would read the journal (%s), but now %s; a running agent looks again every 30 s.\n", where, why);
    else
        printf("\nIt reads the journal: %s, from its %s\n", where, c->journal.start_at == START_END ? "end" : "beginning");
}

static void show_sink(const struct sink_config *s)
{
    printf("  %s", s->name);
    if (strcmp(s->name, s->type) != 0)
        printf(" (%s)", s->type);
    if (strcmp(s->type, "loki") == 0)
        printf(": %s%s%s", s->loki.url, *s->loki.tenant ? ", tenant " : "", s->loki.tenant);
    else if (strcmp(s->type, "local_file") == 0)
        printf(": %s/%s", s->local_file.directory, s->local_file.filename);
    for (unsigned i = 0; i < s->match.n; i++)
        printf("%s%s=%s", i ? ", " : ", only ", s->match.items[i].name, s->match.items[i].value);
    printf("\n");
}

static int check(struct scope *scope, const char *file, bool all)
{
    struct config *c = load_or_say(scope, file);
    if (!c || !pipelines_are_right(scope, c))
        return EXIT_USAGE;
    if (*c->file)
        printf("%s is right.\n", c->file);
    else
        printf("There is no configuration file: these are the defaults.\n");
    printf("\nIt reads files%s\n", c->files.enabled ? ":" : ": no (monitors.files.enabled: false)");
    for (unsigned i = 0; c->files.enabled && i < c->files.n_groups; i++) {
        struct look l = {.scope = scope, .config = c, .group = &c->files.groups[i], .all = all};
        show_group(&l);
    }
    show_journal(scope, c);
    preview_containers(scope, c);
    printf("\nIt sends to:\n");
    for (unsigned i = 0; i < c->n_sinks; i++)
        show_sink(&c->sinks[i]);
    printf("\nPositions are kept in %s.\nThe API listens on %s port %u; metrics are there at /metrics", c->state_dir,
           c->server.host, c->server.port);
    if (c->metrics.enabled)
        printf(", and on %s port %u at %s", c->metrics.host, c->metrics.port, c->metrics.path);
    printf(".\n");
    return EXIT_DONE;
}

int cmd_check(int argc, char **argv)
{
    const char *file = NULL;
    bool all = false;
    char **words;
    const struct arg args[] = {{"config", 'c', &file, NULL}, {"all", 0, NULL, &all}, {0}};
    struct scope scope;

    int n = args_parse(argc, argv, help, args, 0, 0, &words);
    if (n < 0)
        return args_code(n);
    if (scope_begin(&scope, &scope_root, "check command") < 0)
        return EXIT_FAILED;
    int code = check(&scope, file, all);
    scope_end(&scope);
    return code;
}
