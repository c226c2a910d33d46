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

void unseen_left(struct files *f, const struct directory *d, const char *name, uint32_t cookie)
{
    struct departure *from = &f->departure;
    from->cookie = cookie;
    snprintf(from->directory, sizeof from->directory, "%s", d->path);
    snprintf(from->name, sizeof from->name, "%s", name);
}

/* Under the name that it had, whose source it is; and then with the name that it has. */
static void follow(struct files *f, const char *path, const struct facts *facts)
{
    char had[PATH_MAX];
    const char *by = "";
    struct facts now;
    struct directory *d = directory_find(f, f->departure.directory);
    if (!d || !d->wanted)
        return;
    struct group *group = wanted_group(f, siblings_path(d, f->departure.name, had, sizeof had), &by);
    struct file *file = group ? file_new(f, d, f->departure.name, group, facts) : NULL;
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
    const char *by;
    struct facts facts;
    if (cookie != f->departure.cookie)
        return;
    siblings_path(d, name, path, sizeof path);
    if ((d->wanted && wanted_group(f, path, &by)) || own_directory_of(f->config, path) ||
        facts_of_path(path, false, &facts) < 0 || (facts.mode & S_IFMT) != S_IFREG || file_by_facts(f, &facts) ||
        (facts.dev == f->own_output.dev && facts.ino == f->own_output.ino))
        return;
    follow(f, path, &facts);
}
