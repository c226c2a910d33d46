#include "in/files/groups.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "in/files/descriptors.h"
#include "in/files/discover.h"
#include "in/files/followed_internal.h"
#include "in/files/monitor.h"
#include "in/files/wanted.h"

static int make(struct generation *g, const struct files_config *options)
{
    struct buf error = {0};
    int r = buf_begin(&error, &g->scope, "error", 4096);
    g->groups = scope_alloc(&g->scope, (options->n_groups + 1) * sizeof *g->groups);
    if (r == 0 && !g->groups)
        r = -ENOMEM;
    for (unsigned i = 0; r == 0 && i < options->n_groups; i++) {
        g->groups[i].config = &options->groups[i];
        g->groups[i].pipeline = pipeline_new(&g->scope, &options->groups[i], &error);
        if (!g->groups[i].pipeline) {
            log_error("files", "cannot use group %u: %s", i + 1, error.len ? error.data : "out of memory");
            r = -EINVAL;
        }
    }
    buf_end(&error);
    return r;
}

static struct generation *generation_new(struct files *f, const struct files_config *options, int *error)
{
    struct generation *g = scope_new(&f->scope, sizeof *g, "groups");
    *error = g ? make(g, options) : -errno;
    if (*error == 0)
        return g;
    if (g)
        scope_end(&g->scope);
    return NULL;
}

static void use(struct files *f, struct generation *g)
{
    f->generation = g;
    f->groups = g->groups;
    f->n_groups = f->options->enabled ? f->options->n_groups : 0;
}

int groups_begin(struct files *f)
{
    int r;
    struct generation *g = generation_new(f, f->options, &r);
    if (g)
        use(f, g);
    return r;
}

/* ---- from one configuration to the next ---- */

static void let_go(struct files *f, struct file *file)
{
    file_unlist(f, file);
    file_set_group(file, NULL);
    file->unwanted = true;
    if (file->source)
        file->source->matched = "";
    if (!file->source || file->rest || file->held)
        file_free(f, file);
    else if (!file->finished)
        file_finish(f, file);
}

/* What was seen of an unfinished record was seen with the old pipeline. */
static void look_anew(struct files *f, struct file *file)
{
    bool waits = file->scanned || file->pending;
    file->scanned = 0;
    file->pending = false;
    if (waits)
        file_ready(f, file);
}

void groups_change(struct files *f, struct file *file, struct group *group, const char *by)
{
    file_set_group(file, group);
    if (file->source)
        file->source->matched = by;
    descriptor_forget_outlets(file);
    look_anew(f, file);
}

/* The name that made it wanted: one that was renamed since is read on because of the one it had. */
void groups_find(struct files *f, struct file *file)
{
    char path[PATH_MAX];
    const char *by = "", *name = file->listed || !file->source ? file_path(file, path, sizeof path) : file->source->name;
    struct group *group = own_directory_of(f->config, name) ? NULL : wanted_group(f, name, &by);
    if (!group) {
        let_go(f, file);
        return;
    }
    groups_change(f, file, group, by);
}

int files_reload(struct files *f, const struct config *config)
{
    int r;
    struct generation *old = f->generation, *new = generation_new(f, &config->files, &r);
    if (!new)
        return r;
    f->config = config;
    f->options = &config->files;
    use(f, new);
    for (struct file *file = f->all; file; file = f->walk) {
        f->walk = file->next_all;
        if (followed_of(file))
            descriptor_forget_outlets(file);
        else
            groups_find(f, file);
    }
    discover_anew(f);
    scope_end(&old->scope);
    return 0;
}
