#include "in/files/events.h"

#include <string.h>
#include <sys/inotify.h>

#include "config/units.h"
#include "in/files/awaited.h"
#include "in/files/directories.h"
#include "in/files/discover.h"
#include "in/files/monitor.h"
#include "in/files/unseen.h"

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
    if (e->mask & IN_MOVED_TO && !(e->mask & IN_ISDIR))
        unseen_arrived(f, d, e->name, e->cookie);
    if (e->mask & IN_MOVED_FROM && !(e->mask & IN_ISDIR))
        unseen_left(f, d, e->name, e->cookie);
    if (e->mask & (IN_CREATE | IN_DELETE))
        unseen_forget(f, d, e->name);
    if (d->awaited && e->mask & IN_ISDIR && e->mask & (IN_CREATE | IN_MOVED_TO))
        awaited_came(f, d);
    if (!d->wanted)
        return;
    if (e->mask & IN_ISDIR) {
        if (e->mask & (IN_CREATE | IN_MOVED_TO)) {
            discover_subdirectory(f, d, e->name, false);
            for (struct directory *n = f->directories; n; n = n->next)
                if (n->mtime == -1 && n->ino == 0)
                    discover_list(f, n);
        } else
            timer_set(&f->scan, 0);
        return;
    }
    struct file *file = file_by_name(f, d, e->name);
    if (file && e->mask & IN_MODIFY)
        file_ready(f, file);
    else if (!(e->mask & IN_MODIFY) || !file)
        discover_name(f, d, e->name);
}

static void event(struct files *f, const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW) {
        f->scan_all = true;
        unseen_forget_all(f);
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

static void on_events(struct watch *w, uint32_t mask)
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

void events_end(struct files *f)
{
    for (struct directory *d = f->directories; d; d = d->next)
        directory_unwatch(f, d);
    watch_end(&f->inotify_watch);
    fd_close(&f->inotify);
}

void events_begin(struct files *f)
{
    int r = fd_inotify(&f->inotify, &f->scope);
    if (r == 0)
        r = watch_begin(&f->inotify_watch, &f->scope, f->loop, f->inotify.n, EPOLLIN, on_events);
    if (r == 0)
        return;
    char every[UNITS_TEXT];
    log_warn("files", "no inotify: %s; new files and lines are found every %s", strerror(-r),
             units_time_text(f->options->scan_interval, every));
    fd_close(&f->inotify);
}
