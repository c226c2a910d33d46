#include "in/files/unseen.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "in/files/descriptors.h"
#include "in/files/directories.h"
#include "in/files/monitor.h"
#include "in/files/rotation.h"
#include "in/files/siblings.h"
#include "in/files/wanted.h"

static struct arrival *find(struct files *f, const char *path)
{
    for (int i = 0; i < ARRIVALS; i++)
        if (f->arrivals[i].path[0] && strcmp(f->arrivals[i].path, path) == 0)
            return &f->arrivals[i];
    return NULL;
}

static void remember(struct files *f, const char *path)
{
    struct arrival *to = &f->arrivals[f->next_arrival++ % ARRIVALS];
    snprintf(to->path, sizeof to->path, "%s", path);
    to->from = f->departure;
}

void unseen_forget(struct files *f, const struct directory *d, const char *name)
{
    char path[PATH_MAX];
    struct arrival *a = find(f, siblings_path(d, name, path, sizeof path));
    if (a)
        a->path[0] = 0;
}

void unseen_forget_all(struct files *f)
{
    for (int i = 0; i < ARRIVALS; i++)
        f->arrivals[i].path[0] = 0;
}

void unseen_left(struct files *f, const struct directory *d, const char *name, uint32_t cookie)
{
    char path[PATH_MAX];
    struct departure *from = &f->departure;
    struct arrival *before = find(f, siblings_path(d, name, path, sizeof path));
    if (before) {
        *from = before->from;
        before->path[0] = 0;
    } else {
        snprintf(from->directory, sizeof from->directory, "%s", d->path);
        snprintf(from->name, sizeof from->name, "%s", name);
    }
    from->cookie = cookie;
}

/* By the configuration, for what departed under the name it had at first: NULL when nothing asks for that. */
static struct group *group_before(struct files *f, struct directory **d, const char **by)
{
    char had[PATH_MAX];
    *d = directory_find(f, f->departure.directory);
    return *d && (*d)->wanted ? wanted_group(f, siblings_path(*d, f->departure.name, had, sizeof had), by) : NULL;
}

/* Under the name that it had, whose source it is; and then with the name that it has. */
static void follow(struct files *f, const char *path, const struct facts *facts, struct directory *d, struct group *group,
                   const char *by)
{
    struct facts now;
    struct file *file = file_new(f, d, f->departure.name, group, facts);
    if (!file)
        return;
    file->source->matched = by;
    file_unlist(f, file);
    if (file_renamed(f, file, path) < 0 || descriptor_open_as(f, file, path, &now) < 0 || file_start(f, file, &now) < 0)
        file_free(f, file);
    else
        rotation_orphaned(f, file);
}

void unseen_arrived(struct files *f, const struct directory *d, const char *name, uint32_t cookie)
{
    char path[PATH_MAX];
    const char *by = "";
    struct directory *had;
    struct facts facts;
    unseen_forget(f, d, name);
    if (cookie != f->departure.cookie)
        return;
    siblings_path(d, name, path, sizeof path);
    if ((d->wanted && wanted_group(f, path, &by)) || own_directory_of(f->config, path))
        return;
    struct group *group = group_before(f, &had, &by);
    if (!group)
        return;
    remember(f, path);
    if (facts_of_path(path, false, &facts) < 0 || (facts.mode & S_IFMT) != S_IFREG || file_by_facts(f, &facts) ||
        (facts.dev == f->own_output.dev && facts.ino == f->own_output.ino))
        return;
    follow(f, path, &facts, had, group, by);
}
