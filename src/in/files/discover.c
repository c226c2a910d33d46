#include "in/files/discover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/glob.h"
#include "in/files/away.h"
#include "in/files/descriptors.h"
#include "in/files/directories.h"
#include "in/files/events.h"
#include "in/files/followed_internal.h"
#include "in/files/monitor.h"
#include "in/files/pods.h"
#include "in/files/rotation.h"
#include "in/files/siblings.h"
#include "in/files/wanted.h"

enum {
    RECHECK_SCANS = 30, /* each file is looked at once in so many scans */
    MTIME_STEP_S = 2,   /* a directory that changed so lately may change again without a new mtime */
};

/* ---- files ---- */

static void watch_target(struct files *f, struct file *file, const char *path)
{
    char real[PATH_MAX];
    struct fd fd;
    if (file->target || fd_open(&fd, &f->scope, path, O_PATH, 0) < 0)
        return;
    int r = fd_path(fd.n, real, sizeof real);
    fd_close(&fd);
    if (r < 0)
        return;
    char *slash = strrchr(real, '/');
    if (!slash || slash == real)
        return;
    *slash = 0;
    file->target = directory_get(f, real, false);
    if (file->target)
        file->target->links++;
}

/* What is known already under another name: a rename, a link, or a file that comes back. true: nothing is left to do. */
static bool known_elsewhere(struct files *f, struct file *other, struct directory *d, const char *name,
                            struct group *group, const char *by, const struct facts *facts)
{
    char path[PATH_MAX];
    struct facts at;
    if (other->finished && other->deleted)
        return false;
    if (other->listed && facts_of_path(file_path(other, path, sizeof path), true, &at) == 0 &&
        facts_are(&at, &other->id))
        return true; /* a second name: the first one is followed */
    if (other->rest)
        return true;
    if (file_list(f, other, d, name) == 0) {
        if (other->unwanted) {
            file_set_group(other, group);
            other->source->matched = by;
            other->unwanted = false;
        }
        if (other->finished)
            away_return(f, other);
        file_ready(f, other);
    }
    return true;
}

static void found_new(struct files *f, struct directory *d, const char *name, struct group *group, const char *by,
                      const struct facts *facts, const char *linked_from)
{
    struct facts now;
    struct file *file = file_new(f, d, name, group, facts);
    if (!file)
        return; /* the next scan finds it again */
    file->source->matched = by;
    if (linked_from)
        watch_target(f, file, linked_from);
    /*
     * All that exist at the first scan claim their positions before anything is read. Later ones are opened at once too,
     * if there is room: their turn to be read may come late, and they may be gone by then.
     */
    int r = f->first_scan ? descriptor_open(f, file, &now) : descriptor_hold(f, file, &now);
    if (r == 0 && file_start(f, file, &now) < 0)
        descriptor_close(f, file);
    file_ready(f, file);
}

/* A link to a container's log, which is read by its own name and with its own labels. */
static bool is_log_elsewhere(struct files *f, const char *path, const struct group *group)
{
    char real[PATH_MAX];
    struct fd fd;
    if (fd_open(&fd, &f->scope, path, O_PATH, 0) < 0)
        return false;
    int r = fd_path(fd.n, real, sizeof real);
    fd_close(&fd);
    if (r < 0 || pods_has(f, real))
        return r == 0;
    const struct group *log = followed_group(f, real);
    return log && log != group;
}

/* Something has this name: follows it if it is wanted and not followed yet. */
void discover_name(struct files *f, struct directory *d, const char *name)
{
    char path[PATH_MAX];
    const char *by = "";
    struct facts facts;
    siblings_path(d, name, path, sizeof path);
    struct file *file = file_by_name(f, d, name);
    struct group *group = file ? file->group : wanted_group(f, path, &by);
    if (!group || !d->wanted || own_directory_of(f->config, path))
        return;
    int r = facts_of_path(path, false, &facts);
    bool link = r == 0 && (facts.mode & S_IFMT) == S_IFLNK;
    if (link)
        r = facts_of_path(path, true, &facts);
    bool regular = r == 0 && (facts.mode & S_IFMT) == S_IFREG;
    if (file && regular && facts_are(&facts, &file->id)) {
        file->round = d->round;
        if (facts.size != file->size || file->failed || !file->started)
            file_ready(f, file);
        if (!file->reader && facts.size > file->size) { /* its turn may come late: so much is at stake */
            file->size = facts.size;
            file->grown = clock_mono();
        }
        return;
    }
    if (link && !file && regular && is_log_elsewhere(f, path, group))
        return;
    if (file && (r == 0 || r == -ENOENT || r == -ENOTDIR || r == -ELOOP))
        rotation_lost_name(f, file);
    if (!regular || (facts.dev == f->own_output.dev && facts.ino == f->own_output.ino))
        return;
    struct file *other = file_by_facts(f, &facts);
    if (!other || !known_elsewhere(f, other, d, name, group, by, &facts))
        found_new(f, d, name, group, by, &facts, link ? path : NULL);
}

/* ---- listing ---- */

void discover_subdirectory(struct files *f, struct directory *d, const char *name, bool link)
{
    char path[PATH_MAX];
    struct facts facts;
    if ((size_t)snprintf(path, sizeof path, "%s%s%s", d->path, d->path[1] ? "/" : "", name) >= sizeof path)
        return;
    struct directory *known = directory_find(f, path);
    if (known && known->ino == 0)
        known->mtime = -1; /* it is back */
    if ((known && known->wanted) || !wanted_directory(f, path))
        return;
    if (link) {
        if (facts_of_path(path, true, &facts) < 0 || (facts.mode & S_IFMT) != S_IFDIR)
            return;
        for (struct directory *k = f->directories; k; k = k->next)
            if (k->dev == facts.dev && k->ino == facts.ino)
                return;
    }
    directory_get(f, path, true);
}

static void entry(struct files *f, struct directory *d, const struct dirent *e)
{
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return;
    if (e->d_type == DT_DIR || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN)
        discover_subdirectory(f, d, e->d_name, e->d_type != DT_DIR);
    if (e->d_type == DT_DIR)
        return;
    struct file *file = file_by_name(f, d, e->d_name);
    if (file && e->d_type == DT_REG && file->id.ino == e->d_ino && !file->target && !file->failed) {
        file->round = d->round;
        return;
    }
    if (e->d_type == DT_REG || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN || file)
        discover_name(f, d, e->d_name);
    file = file_by_name(f, d, e->d_name);
    if (file)
        file->round = d->round;
}

/* Names that a listing did not show are looked at again: it is no snapshot. */
static void look_for_missing(struct files *f, struct directory *d)
{
    for (struct file *file = d->files, *next; file; file = next) {
        next = file->next_in;
        if (file->round == d->round)
            continue;
        char name[NAME_MAX + 1];
        snprintf(name, sizeof name, "%s", file->name);
        file->round = d->round;
        discover_name(f, d, name);
        next = d->files;
    }
}

static void list(struct files *f, struct directory *d)
{
    struct dir dir;
    int r = dir_open(&dir, &f->scope, d->path);
    if (r < 0) {
        if (r == -ENOENT || r == -ENOTDIR)
            directory_vanished(f, d);
        else if (!d->said)
            log_warn("files", "cannot list %s: %s; it is tried again at each scan", d->path, strerror(-r));
        d->said = r != -ENOENT && r != -ENOTDIR;
        d->mtime = -1;
        return;
    }
    d->said = false;
    d->round = ++f->round;
    struct dirent *e;
    while ((e = dir_next(&dir)))
        entry(f, d, e);
    int err = errno;
    dir_close(&dir);
    if (err == 0)
        look_for_missing(f, d);
    else
        d->mtime = -1;
}

void discover_list(struct files *f, struct directory *d)
{
    struct facts facts;
    int r = facts_of_path(d->path, true, &facts);
    if (r == -ENOENT || r == -ENOTDIR || (r == 0 && (facts.mode & S_IFMT) != S_IFDIR)) {
        directory_vanished(f, d);
        return;
    }
    if (r == 0 && (facts.dev != d->dev || facts.ino != d->ino)) {
        directory_unwatch(f, d);
        d->dev = facts.dev;
        d->ino = facts.ino;
        d->mtime = -1;
    }
    directory_watch(f, d);
    if (!d->wanted || (r == 0 && facts.mtime == d->mtime))
        return;
    /* Taken before the listing, and only believed when it is old enough to change with the next name. */
    d->mtime = r == 0 && clock_real() - facts.mtime > MTIME_STEP_S * SECOND ? facts.mtime : -1;
    list(f, d);
}

/* ---- scans ---- */

static void make_roots(struct files *f)
{
    char root[PATH_MAX];
    for (unsigned g = 0; g < f->n_groups; g++)
        for (unsigned i = 0; i < f->groups[g].config->paths.n; i++)
            if (glob_root(f->groups[g].config->paths.items[i], root, sizeof root) && root[0] == '/' &&
                !own_directory_of(f->config, root))
            {
            struct directory *d = directory_get(f, root, true);
            if (d)
                d->root = true;
        }
    struct directory *pods = pods_root(f) ? directory_get(f, pods_root(f), true) : NULL;
    if (pods)
        pods->root = true;
}

/* Looks at one file as the scan does: by its name. */
static void recheck(struct files *f, struct file *file)
{
    char name[NAME_MAX + 1];
    if (file->unwanted && file->away) {
        away_look_unwanted(f, file);
        return;
    }
    if (!file->listed)
        return;
    snprintf(name, sizeof name, "%s", file->name);
    discover_name(f, file->directory, name);
}

static void recheck_some(struct files *f)
{
    uint64_t share = atomic_load(&f->stats.files) / RECHECK_SCANS + 1;
    for (uint64_t i = 0; i < share; i++) {
        struct file *file = f->recheck ? f->recheck : f->all;
        if (!file)
            return;
        f->recheck = file->next_all;
        recheck(f, file);
    }
}

static void recheck_all(struct files *f)
{
    unsigned away = 0;
    for (struct file *file = f->all; file; file = f->walk) {
        f->walk = file->next_all; /* looking at one may free others */
        if (file->unwanted)
            continue;
        if (file->away && ++away > AWAY_MAX)
            away_end(f, file);
        else if (file->away)
            away_look(f, file);
        else if (!file->listed && !file->is_waiting)
            file_ready(f, file); /* an orphan that could not be read */
        else if (f->scan_all || file->failed || (file->is_ready && !file->reader) || !file->started ||
                 file->target || file->directory->wd < 0)
            recheck(f, file);
    }
    f->scan_all = false;
}

void discover_scan(struct files *f)
{
    atomic_fetch_add(&f->stats.scans, 1);
    siblings_renew(f);
    uint64_t unwatched = 0;
    for (struct directory *d = f->directories, *next; d; d = next) {
        discover_list(f, d);
        next = d->next;
        unwatched += d->wd < 0 && d->ino != 0;
        if ((d->ino == 0 || !d->wanted) && d->refs == 0 && d->links == 0 && !d->root)
            directory_free(f, d);
    }
    atomic_store(&f->stats.unwatched, unwatched);
    recheck_all(f);
    recheck_some(f);
    descriptors_close_idle(f);
    rotation_bound_deleted(f);
}

static void scan_due(struct timer *t)
{
    struct files *f = container_of(t, struct files, scan);
    discover_scan(f);
    timer_set(&f->scan, f->options->scan_interval);
}

int discover_begin(struct files *f)
{
    f->last_directory = &f->directories;
    int r = timer_begin(&f->scan, &f->scope, f->loop, "files scan", scan_due);
    if (r < 0)
        return r;
    events_begin(f);
    make_roots(f);
    return 0;
}

void discover_anew(struct files *f)
{
    for (struct directory *d = f->directories; d; d = d->next) {
        d->wanted = wanted_directory(f, d->path);
        d->root = false;
        d->mtime = -1;
    }
    make_roots(f);
    timer_set(&f->scan, 0);
}

void discover_end(struct files *f)
{
    while (f->directories) {
        struct directory *d = f->directories;
        f->directories = d->next;
        thing_end(&d->thing);
    }
}
