#include "config/compare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/option.h"

/* Ports that are open and files that are locked cannot be changed below a running agent. */
static const char *const restart_keys[] = {"state_dir", "server.host", "server.port", "server.max_connections",
                                           "server.max_feeds", "server.tls.", "metrics.", "observability.profiling.", "api.enabled",
                                           "monitors.journal.directory", "monitors.containers.sockets",
                                           "monitors.containers.ca_file", "monitors.containers.cert_file",
                                           "monitors.containers.key_file", "disk_buffer.enabled", "disk_buffer.directory", "disk_buffer.memory"};

static bool same_strings(const struct string_list *a, const struct string_list *b)
{
    bool same = a->n == b->n;
    for (unsigned i = 0; same && i < a->n; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

static bool same_labels(const struct label_list *a, const struct label_list *b)
{
    bool same = a->n == b->n;
    for (unsigned i = 0; same && i < a->n; i++)
        same = strcmp(a->items[i].name, b->items[i].name) == 0 && strcmp(a->items[i].value, b->items[i].value) == 0;
    return same;
}

static bool same_value(const struct option *o, const void *a, const void *b)
{
    switch (o->type) {
    case OPTION_BOOL:
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_TIME:
    case OPTION_CHOICE:
        return memcmp(a, b, o->width) == 0;
    case OPTION_STRINGS:
    case OPTION_GLOBS:
    case OPTION_PATHS:
        return same_strings(a, b);
    case OPTION_LABELS:
    case OPTION_HEADERS:
        return same_labels(a, b);
    default:
        return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
    }
}

/* ---- what differs ---- */

struct comparison {
    struct buf *out; /* NULL: only whether */
    bool restart;    /* which to name: those that a running agent does not follow, or those that it does */
    unsigned n, n_named;
    void (*fn)(const struct config_change *change, void *arg);
    void *arg;
};

bool config_needs_restart(const char *path)
{
    for (size_t i = 0; i < sizeof restart_keys / sizeof *restart_keys; i++) {
        size_t n = strlen(restart_keys[i]);
        if (strncmp(path, restart_keys[i], n) == 0 && (restart_keys[i][n - 1] == '.' || path[n] == 0))
            return true;
    }
    return false;
}

static void differs(struct comparison *c, const char *before, const char *name, const char *key, const char *after,
                    struct config_change change)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s%s", before, name, key);
    change.key = path;
    change.restart = config_needs_restart(path);
    if (c->out && change.restart == c->restart)
        buf_printf(c->out, "%s%s%s", c->n_named++ ? ", " : "", path, after);
    if (c->fn)
        c->fn(&change, c->arg);
    c->n++;
}

static void compare(struct comparison *c, const struct option_set *set, const char *before, const char *name, const void *a,
                    const void *b)
{
    for (unsigned i = 0; i < set->n; i++) {
        const struct option *o = &set->options[i];
        const void *x = (const char *)a + o->offset, *y = (const char *)b + o->offset;
        if (!same_value(o, x, y))
            differs(c, before, name, o->path, "", (struct config_change){.option = o, .from = x, .to = y});
    }
}

static void compare_files(struct comparison *c, const struct files_config *a, const struct files_config *b)
{
    compare(c, &options_files, "monitors.files.", "", a, b);
    if (a->n_groups != b->n_groups) {
        differs(c, "monitors.files.", "", "sources", "", (struct config_change){.from = a->groups, .to = b->groups});
        return;
    }
    for (unsigned i = 0; i < a->n_groups; i++)
        compare(c, &options_group, "monitors.files.", a->n_groups > 1 ? "sources." : "", &a->groups[i], &b->groups[i]);
}

static void compare_sink(struct comparison *c, const struct sink_config *a, const struct sink_config *b)
{
    char before[128];
    snprintf(before, sizeof before, "sinks.%s.", a->name);
    if (strcmp(a->type, b->type) != 0) {
        differs(c, before, "", "type", "", (struct config_change){.from = a, .to = b});
        return;
    }
    compare(c, &options_sink, before, "", a, b);
    compare(c, option_sink_type(a->type), before, "", a, b);
}

static void compare_sinks(struct comparison *c, const struct config *a, const struct config *b)
{
    for (unsigned i = 0; i < a->n_sinks; i++) {
        const struct sink_config *other = config_sink(b, a->sinks[i].name);
        if (other)
            compare_sink(c, &a->sinks[i], other);
        else
            differs(c, "sinks.", a->sinks[i].name, "", " (removed)", (struct config_change){.from = &a->sinks[i]});
    }
    for (unsigned i = 0; i < b->n_sinks; i++)
        if (!config_sink(a, b->sinks[i].name))
            differs(c, "sinks.", b->sinks[i].name, "", " (added)", (struct config_change){.to = &b->sinks[i]});
}

static int compare_all(struct comparison *c, const struct config *a, const struct config *b)
{
    compare(c, &options_agent, "", "", a, b);
    compare_files(c, &a->files, &b->files);
    compare(c, &options_journal, "monitors.journal.", "", &a->journal, &b->journal);
    compare(c, &options_containers, "monitors.containers.", "", &a->containers, &b->containers);
    compare_sinks(c, a, b);
    return c->out && c->out->failed ? -ENOMEM : 0;
}

/* ---- for users ---- */

const struct sink_config *config_sink(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->n_sinks; i++)
        if (strcmp(c->sinks[i].name, name) == 0)
            return &c->sinks[i];
    return NULL;
}

bool config_same_files(const struct config *a, const struct config *b)
{
    struct comparison c = {0};
    compare_files(&c, &a->files, &b->files);
    return c.n == 0 && strcmp(a->host, b->host) == 0 && same_strings(&a->own_directories, &b->own_directories);
}

bool config_same_journal(const struct config *a, const struct config *b)
{
    struct comparison c = {0};
    compare(&c, &options_journal, "", "", &a->journal, &b->journal);
    return c.n == 0 && strcmp(a->host, b->host) == 0 && a->files.max_line_bytes == b->files.max_line_bytes;
}

bool config_same_containers(const struct config *a, const struct config *b)
{
    struct comparison c = {0};
    compare(&c, &options_containers, "", "", &a->containers, &b->containers);
    return c.n == 0 && strcmp(a->host, b->host) == 0 && a->files.max_line_bytes == b->files.max_line_bytes;
}

bool config_same_sink(const struct sink_config *a, const struct sink_config *b)
{
    struct comparison c = {0};
    compare_sink(&c, a, b);
    return c.n == 0;
}

int config_differences(const struct config *a, const struct config *b, struct buf *out)
{
    struct comparison c = {.out = out};
    return compare_all(&c, a, b);
}

int config_restart_keys(const struct config *a, const struct config *b, struct buf *out)
{
    struct comparison c = {.out = out, .restart = true};
    return compare_all(&c, a, b);
}

void config_each_change(const struct config *a, const struct config *b, void (*fn)(const struct config_change *change, void *arg),
                        void *arg)
{
    struct comparison c = {.fn = fn, .arg = arg};
    compare_all(&c, a, b);
}
