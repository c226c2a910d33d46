#include "in/files/directories.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <xxhash.h>

#include "config/units.h"
#include "in/files/monitor.h"
#include "in/files/rotation.h"

enum {
    WATCHED = IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |
              IN_ONLYDIR,
};

static uint64_t hash_of(const char *s)
{
    return XXH3_64bits(s, strlen(s));
}

struct directory *directory_find(struct files *f, const char *path)
{
    struct table_node *n = table_first(&f->directories_by_path, hash_of(path));
    for (; n; n = table_next(n)) {
        struct directory *d = container_of(n, struct directory, by_path);
        if (strcmp(d->path, path) == 0)
            return d;
    }
    return NULL;
}

static void directory_thing_end(struct thing *t)
{
    mem_raw_free(container_of(t, struct directory, thing));
}

void directory_unwatch(struct files *f, struct directory *d)
{
    if (d->wd < 0)
        return;
    table_remove(&f->directories_by_wd, &d->by_wd);
    /* The number may be shared: the same directory under another name. */
    if (!table_first(&f->directories_by_wd, (uint64_t)d->wd) && f->inotify.n >= 0)
        inotify_rm_watch(f->inotify.n, d->wd);
    d->wd = -1;
    atomic_fetch_sub(&f->stats.watches, 1);
}

void directory_watch(struct files *f, struct directory *d)
{
    if (f->inotify.n < 0 || d->wd >= 0)
        return;
    int wd = fd_inotify_add(f->inotify.n, d->path, WATCHED);
    if (wd >= 0) {
        d->wd = wd;
        table_put(&f->directories_by_wd, &d->by_wd, (uint64_t)wd);
        atomic_fetch_add(&f->stats.watches, 1);
    } else if (wd == -ENOSPC && !f->said_watches) {
        char every[UNITS_TEXT];
        f->said_watches = true;
        log_warn("files",
                 "the limit of inotify watches is reached at %s: this and further directories are only scanned every "
                 "%s; raise sysctl fs.inotify.max_user_watches",
                 d->path, units_time_text(f->options->scan_interval, every));
    }
}

struct directory *directory_get(struct files *f, const char *path, bool wanted)
{
    struct directory *d = directory_find(f, path);
    if (d) {
        if (wanted && !d->wanted)
            d->mtime = -1;
        d->wanted |= wanted;
        return d;
    }
    size_t n = strlen(path) + 1;
    d = mem_raw_alloc(sizeof *d + n);
    if (!d)
        return NULL;
    if (thing_begin(&d->thing, &f->scope, BIRTH_MEMORY, path, sizeof *d + n, directory_thing_end) < 0) {
        mem_raw_free(d);
        return NULL;
    }
    memcpy(d->path, path, n);
    d->wd = -1;
    d->mtime = -1;
    d->wanted = wanted;
    d->prev = f->last_directory;
    *f->last_directory = d;
    f->last_directory = &d->next;
    table_put(&f->directories_by_path, &d->by_path, hash_of(path));
    atomic_fetch_add(&f->stats.directories, 1);
    directory_watch(f, d);
    return d;
}

/* The names in it are gone. The struct stays while files point to it. */
void directory_vanished(struct files *f, struct directory *d)
{
    directory_unwatch(f, d);
    d->mtime = -1;
    d->dev = d->ino = 0;
    while (d->files)
        rotation_lost_name(f, d->files);
}

void directory_free(struct files *f, struct directory *d)
{
    directory_unwatch(f, d);
    table_remove(&f->directories_by_path, &d->by_path);
    *d->prev = d->next;
    if (d->next)
        d->next->prev = d->prev;
    else
        f->last_directory = d->prev;
    atomic_fetch_sub(&f->stats.directories, 1);
    thing_end(&d->thing);
}
