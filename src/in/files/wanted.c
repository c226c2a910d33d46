#include "in/files/wanted.h"

#include <limits.h>
#include <string.h>

#include "codec/glob.h"
#include "in/files/directories.h"
#include "in/files/followed_internal.h"
#include "in/files/pods.h"

bool group_takes(const struct files_group *group, const char *path, const char **by)
{
    for (unsigned i = 0; i < group->paths.n; i++)
        if (glob_match(*by = group->paths.items[i], path))
            return true;
    return false;
}

bool group_excludes(const struct files_group *group, const char *path, const char **by)
{
    for (unsigned i = 0; i < group->exclude.n; i++)
        if (glob_match(*by = group->exclude.items[i], path))
            return true;
    return false;
}

static bool lies_in(const char *path, const char *directory)
{
    size_t n = strlen(directory);
    while (n > 1 && directory[n - 1] == '/')
        n--;
    return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == 0);
}

const char *own_directory_of(const struct config *config, const char *path)
{
    const struct string_list *own = config_own_directories(config);
    for (unsigned i = 0; i < own->n; i++)
        if (lies_in(path, own->items[i]))
            return own->items[i];
    return NULL;
}

struct group *wanted_group(struct files *f, const char *path, const char **by)
{
    const char *excluded;
    struct group *log = followed_group(f, path);
    if (log) {
        *by = followed_by;
        return log;
    }
    if (pods_has(f, path)) {
        *by = followed_by;
        return pods_group(f, path);
    }
    for (unsigned i = 0; i < f->n_groups; i++)
        if (group_takes(f->groups[i].config, path, by) && !group_excludes(f->groups[i].config, path, &excluded))
            return &f->groups[i];
    return NULL;
}

/* Whether a pattern can match something below this directory: by as many of its parts as the directory has. */
static bool may_reach(const char *pattern, const char *directory)
{
    char root[PATH_MAX], part[GLOB_MAX];
    if (!glob_root(pattern, root, sizeof root) || !root[0])
        return false;
    if (lies_in(root, directory))
        return true;
    if (!lies_in(directory, root))
        return false;
    if (strpbrk(pattern, "{\\"))
        return true;
    size_t n = 0;
    const char *d = directory;
    for (const char *p = pattern; *p && n + 1 < sizeof part; p++) {
        if (*p == '/' && p != pattern) {
            const char *slash = strchr(d + 1, '/');
            if (!slash) {
                part[n] = 0;
                return glob_match(part, directory);
            }
            d = slash;
        }
        if (p[0] == '*' && p[1] == '*')
            return true;
        part[n++] = *p;
    }
    return false; /* the directory lies as deep as the files */
}

bool wanted_directory(struct files *f, const char *path)
{
    if (own_directory_of(f->config, path))
        return false;
    const struct directory *d = directory_find(f, path);
    if ((d && d->followed) || pods_has_directory(f, path))
        return true;
    for (unsigned g = 0; g < f->n_groups; g++)
        for (unsigned i = 0; i < f->groups[g].config->paths.n; i++)
            if (may_reach(f->groups[g].config->paths.items[i], path))
                return true;
    return false;
}
