#include "in/discover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "codec/glob.h"
#include "config/units.h"
#include "in/away.h"
#include "in/descriptors.h"
#include "in/monitor.h"
#include "in/rotation.h"
#include "in/siblings.h"

enum {
    WATCHED = IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |
              IN_ONLYDIR,
    RECHECK_SCANS = 30, /* each file is looked at once in so many scans */
    MTIME_STEP_S = 2,   /* a directory that changed so lately may change again without a new mtime */
};

/* ---- what is wanted ---- */

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

static struct group *group_of(struct files *f, const char *path, const char **by)
{
    const char *excluded;
    for (unsigned i = 0; i < f->options->n_groups; i++)
        if (group_takes(f->groups[i].config, path, by) && !group_excludes(f->groups[i].config, path, &excluded))
            return &f->groups[i];
    return NULL;
}

struct group *discover_group_of(struct files *f, const char *path)
{
    const char *by;
    return group_of(f, path, &by);
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

static bool directory_wanted(struct files *f, const char *path)
{
    if (own_directory_of(f->config, path))
        return false;
    for (unsigned g = 0; g < f->options->n_groups; g++)
        for (unsigned i = 0; i < f->groups[g].config->paths.n; i++)
            if (may_reach(f->groups[g].config->paths.items[i], path))
                return true;
    return false;
}

/* ---- directories ---- */

static uint64_t hash_of(const char *s)
{
    return XXH3_64bits(s, strlen(s));
}

static struct directory *find_directory(struct files *f, const char *path)
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

static void unwatch(struct files *f, struct directory *d)
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

static void watch_directory(struct files *f, struct directory *d)
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

struct directory *discover_directory(struct files *f, const char *path, bool wanted)
{
    struct directory *d = find_directory(f, path);
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
    watch_directory(f, d);
    return d;
}

/* The names in it are gone. The struct stays while files point to it. */
static void directory_vanished(struct files *f, struct directory *d)
{
    unwatch(f, d);
    d->mtime = -1;
    d->dev = d->ino = 0;
    while (d->files)
        rotation_lost_name(f, d->files);
}

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
    file->target = discover_directory(f, real, false);
    if (file->target)
        file->target->links++;
}

/* What is known already under another name: a rename, a link, or a file that comes back. true: nothing is left to do. */
static bool known_elsewhere(struct files *f, struct file *other, struct directory *d, const char *name,
                            const struct facts *facts)
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
    /* All that exist at the first scan claim their positions before anything is read. */
    if (f->first_scan && descriptor_open(f, file, &now) == 0 && file_start(f, file, &now) < 0)
        descriptor_close(f, file);
    file_ready(f, file);
}

/* Something has this name: follows it if it is wanted and not followed yet. */
static void look_at(struct files *f, struct directory *d, const char *name)
{
    char path[PATH_MAX];
    const char *by = "";
    struct facts facts;
    siblings_path(d, name, path, sizeof path);
    struct file *file = file_by_name(f, d, name);
    struct group *group = file ? file->group : group_of(f, path, &by);
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
        return;
    }
    if (file && (r == 0 || r == -ENOENT || r == -ENOTDIR || r == -ELOOP))
        rotation_lost_name(f, file);
    if (!regular || (facts.dev == f->own_output.dev && facts.ino == f->own_output.ino))
        return;
    struct file *other = file_by_facts(f, &facts);
    if (!other || !known_elsewhere(f, other, d, name, &facts))
        found_new(f, d, name, group, by, &facts, link ? path : NULL);
}

/* ---- listing ---- */

static void subdirectory(struct files *f, struct directory *d, const char *name, bool link)
{
    char path[PATH_MAX];
    struct facts facts;
    if ((size_t)snprintf(path, sizeof path, "%s%s%s", d->path, d->path[1] ? "/" : "", name) >= sizeof path)
        return;
    struct directory *known = find_directory(f, path);
    if (known && known->ino == 0)
        known->mtime = -1; /* it is back */
    if ((known && known->wanted) || !directory_wanted(f, path))
        return;
    if (link) {
        if (facts_of_path(path, true, &facts) < 0 || (facts.mode & S_IFMT) != S_IFDIR)
            return;
        for (struct directory *k = f->directories; k; k = k->next)
            if (k->dev == facts.dev && k->ino == facts.ino)
                return;
    }
    discover_directory(f, path, true);
}

static void entry(struct files *f, struct directory *d, const struct dirent *e)
{
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return;
    if (e->d_type == DT_DIR || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN)
        subdirectory(f, d, e->d_name, e->d_type != DT_DIR);
    if (e->d_type == DT_DIR)
        return;
    struct file *file = file_by_name(f, d, e->d_name);
    if (file && e->d_type == DT_REG && file->id.ino == e->d_ino && !file->target && !file->failed) {
        file->round = d->round;
        return;
    }
    if (e->d_type == DT_REG || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN || file)
        look_at(f, d, e->d_name);
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
        look_at(f, d, name);
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

static void scan_directory(struct files *f, struct directory *d)
{
    struct facts facts;
    int r = facts_of_path(d->path, true, &facts);
    if (r == -ENOENT || r == -ENOTDIR || (r == 0 && (facts.mode & S_IFMT) != S_IFDIR)) {
        directory_vanished(f, d);
        return;
    }
    if (r == 0 && (facts.dev != d->dev || facts.ino != d->ino)) {
        unwatch(f, d);
        d->dev = facts.dev;
        d->ino = facts.ino;
        d->mtime = -1;
    }
    watch_directory(f, d);
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
    for (unsigned g = 0; g < f->options->n_groups; g++)
        for (unsigned i = 0; i < f->groups[g].config->paths.n; i++)
            if (glob_root(f->groups[g].config->paths.items[i], root, sizeof root) && root[0] == '/' &&
                !own_directory_of(f->config, root))
            {
            struct directory *d = discover_directory(f, root, true);
            if (d)
                d->root = true;
        }
}

/* Looks at one file as the scan does: by its name. */
static void recheck(struct files *f, struct file *file)
{
    char name[NAME_MAX + 1];
    if (!file->listed)
        return;
    snprintf(name, sizeof name, "%s", file->name);
    look_at(f, file->directory, name);
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
        if (file->away && ++away > AWAY_MAX)
            away_end(f, file);
        else if (file->away)
            away_look(f, file);
        else if (!file->listed && !file->is_waiting)
            file_ready(f, file); /* an orphan that could not be read */
        else if (f->scan_all || file->failed || !file->started || file->target || file->directory->wd < 0)
            recheck(f, file);
    }
    f->scan_all = false;
}

static void directory_free(struct files *f, struct directory *d)
{
    unwatch(f, d);
    table_remove(&f->directories_by_path, &d->by_path);
    *d->prev = d->next;
    if (d->next)
        d->next->prev = d->prev;
    else
        f->last_directory = d->prev;
    atomic_fetch_sub(&f->stats.directories, 1);
    thing_end(&d->thing);
}

void discover_scan(struct files *f)
{
    atomic_fetch_add(&f->stats.scans, 1);
    uint64_t unwatched = 0;
    for (struct directory *d = f->directories, *next; d; d = next) {
        scan_directory(f, d);
        next = d->next;
        unwatched += d->wd < 0;
        if (d->ino == 0 && d->refs == 0 && d->links == 0 && !d->root)
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

/* ---- events ---- */

static void event_in(struct files *f, struct directory *d, const struct inotify_event *e)
{
    if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) {
        d->mtime = -1;
        timer_set(&f->scan, 0);
        return;
    }
    if (!e->len)
        return;
    if (d->links && e->mask & (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE))
        for (struct file *file = f->all; file; file = file->next_all)
            if (file->target == d)
                file_ready(f, file);
    if (!d->wanted)
        return;
    if (e->mask & IN_ISDIR) {
        if (e->mask & (IN_CREATE | IN_MOVED_TO)) {
            subdirectory(f, d, e->name, false);
            for (struct directory *n = f->directories; n; n = n->next)
                if (n->mtime == -1 && n->ino == 0)
                    scan_directory(f, n);
        } else
            timer_set(&f->scan, 0);
        return;
    }
    struct file *file = file_by_name(f, d, e->name);
    if (file && e->mask & IN_MODIFY)
        file_ready(f, file);
    else if (!(e->mask & IN_MODIFY) || !file)
        look_at(f, d, e->name);
}

static void event(struct files *f, const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW) {
        f->scan_all = true;
        for (struct directory *d = f->directories; d; d = d->next)
            d->mtime = -1;
        timer_set(&f->scan, 0);
        return;
    }
    struct table_node *next;
    for (struct table_node *n = table_first(&f->directories_by_wd, (uint64_t)e->wd); n; n = next) {
        struct directory *d = container_of(n, struct directory, by_wd);
        next = table_next(n);
        if (e->mask & IN_IGNORED) { /* the kernel took the watch away */
            table_remove(&f->directories_by_wd, &d->by_wd);
            d->wd = -1;
            atomic_fetch_sub(&f->stats.watches, 1);
        } else
            event_in(f, d, e);
    }
}

static void events(struct watch *w, uint32_t mask)
{
    (void)mask;
    struct files *f = container_of(w, struct files, inotify_watch);
    _Alignas(struct inotify_event) char buf[16 * 1024];
    ssize_t n = fd_read(f->inotify.n, buf, sizeof buf);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const void *)(buf + at);
        at += (ssize_t)(sizeof *e + e->len);
        event(f, e);
    }
}

void discover_without_inotify(struct files *f)
{
    for (struct directory *d = f->directories; d; d = d->next)
        unwatch(f, d);
    watch_end(&f->inotify_watch);
    fd_close(&f->inotify);
}

int discover_begin(struct files *f)
{
    f->last_directory = &f->directories;
    int r = timer_begin(&f->scan, &f->scope, f->loop, "files scan", scan_due);
    if (r < 0)
        return r;
    int e = fd_inotify(&f->inotify, &f->scope);
    if (e == 0)
        e = watch_begin(&f->inotify_watch, &f->scope, f->loop, f->inotify.n, EPOLLIN, events);
    if (e < 0) {
        char every[UNITS_TEXT];
        log_warn("files", "no inotify: %s; new files and lines are found every %s", strerror(-e),
                 units_time_text(f->options->scan_interval, every));
        fd_close(&f->inotify);
    }
    make_roots(f);
    return 0;
}

void discover_end(struct files *f)
{
    while (f->directories) {
        struct directory *d = f->directories;
        f->directories = d->next;
        thing_end(&d->thing);
    }
}
