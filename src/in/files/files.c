#include "in/files/files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "in/files/away.h"
#include "in/files/descriptors.h"
#include "in/files/discover.h"
#include "in/files/followed_internal.h"
#include "in/files/groups.h"
#include "in/files/monitor.h"
#include "in/files/rotation.h"
#include "in/files/tail.h"
#include "in/files/wanted.h"

enum { RETRY_MS = 1000, UNEVEN_MS = 50 };

/* ---- turns ---- */

static void take_turn(struct nudge *n)
{
    struct files *f = container_of(n, struct files, work);
    struct file *file = f->ready;
    if (!file)
        return;
    f->ready = file->next_ready;
    if (!f->ready)
        f->last_ready = &f->ready;
    file->is_ready = false;
    struct followed *fl = followed_of(file);
    enum turn turn = tail_turn(f, file);
    if (turn == TURN_AGAIN)
        file_ready(f, file);
    else if (turn == TURN_BLOCKED) {
        /* First again, when there is room: the others would find none either. */
        file->is_ready = true;
        file->next_ready = f->ready;
        if (!f->ready)
            f->last_ready = &file->next_ready;
        f->ready = file;
        if (!timer_is_set(&f->tick) || f->tick.due > clock_mono() + RETRY_MS * MILLISECOND)
            timer_set(&f->tick, RETRY_MS * MILLISECOND);
        return;
    }
    if (fl)
        followed_turned(fl);
    if (f->ready)
        nudge_set(&f->work);
}

/* ---- times ---- */

/* Whether every sink has all of it. */
static bool delivered(const struct file *file)
{
    return !file->source->accounts || source_lowest(file->source).offset >= file->offset;
}

static void finished_due(struct files *f, struct file *file)
{
    if (file->source && !delivered(file)) {
        file_wait(f, file, RETRY_MS * MILLISECOND / 2);
        return;
    }
    struct followed *fl = followed_of(file);
    if (fl && fl->gone)
        followed_delivered(f, file);
    if (file->source && file->in_id && !file->deleted && !file->rest) {
        away_begin(f, file);
        return;
    }
    if (file->source)
        file_store_identity(file, IDENTITY_DONE);
    file_free(f, file);
}

static void file_due(struct files *f, struct file *file)
{
    if (file->finished) {
        finished_due(f, file);
        return;
    }
    int64_t patience = file->pending ? file->group->config->multiline.timeout : f->options->partial_flush;
    if (file->scanned && clock_mono() - file->grown >= patience)
        file->flush = true;
    else if (file->scanned && !file->orphan)
        file_wait(f, file, file->grown + patience - clock_mono());
    file_ready(f, file);
}

void files_look_soon(struct files *f)
{
    if (!timer_is_set(&f->tick) || f->tick.due > clock_mono() + UNEVEN_MS * MILLISECOND)
        timer_set(&f->tick, UNEVEN_MS * MILLISECOND);
}

/* A sink that was passed over may have room by now. */
static void look_at_uneven(struct files *f)
{
    bool some = false;
    if (!dispatch_passes(f->dispatcher))
        return;
    for (struct file *file = f->all; file; file = file->next_all)
        if (file->uneven && !file->finished) {
            some = true;
            if (source_place(file->source) < file->offset)
                file_ready(f, file);
        }
    if (some)
        files_look_soon(f);
}

static void tick_due(struct timer *t)
{
    struct files *f = container_of(t, struct files, tick);
    int64_t now = clock_mono(), next = INT64_MAX;
    struct file *due = NULL;
    for (struct file *file = f->waiting, *after; file; file = after) {
        after = file->next_waiting;
        if (file->due <= now) {
            file_unwait(f, file);
            file->next_waiting = due;
            due = file;
        } else if (file->due < next)
            next = file->due;
    }
    if (next != INT64_MAX)
        timer_set(&f->tick, next - now);
    while (due) {
        struct file *file = due;
        due = file->next_waiting;
        file_due(f, file);
    }
    look_at_uneven(f);
    rotation_bound_deleted(f);
    if (f->ready)
        nudge_set(&f->work);
}

void files_add_sink(struct files *f, const struct sink *sink)
{
    for (struct file *file = f->all; file; file = file->next_all) {
        struct account *a = file->source ? source_account(file->source, sink) : NULL;
        struct account *furthest = a ? source_furthest(file->source, sink) : NULL;
        if (!furthest || account_reach(a) >= account_reach(furthest))
            continue;
        if (file->finished || file->rest || file->held) {
            file_level(file);
        } else if (file->started) {
            file->uneven = true;
            file_ready(f, file);
        }
    }
}

/* ---- life ---- */

static bool is_file(const struct past_source *p)
{
    return strncmp(p->key, "file:", 5) == 0;
}

static int begin_known(struct files *f)
{
    size_t n = 0;
    for (struct past_source *p = f->past ? f->past->all : NULL; p; p = p->next)
        n += is_file(p);
    f->first_start = n == 0 && !(f->past && f->past->store_was_lost);
    f->knowns = scope_alloc(&f->scope, (n + 1) * sizeof *f->knowns);
    if (!f->knowns)
        return -ENOMEM;
    for (struct past_source *p = f->past ? f->past->all : NULL; p; p = p->next) {
        struct known *k = &f->knowns[f->n_knowns];
        if (!is_file(p) || !p->identity || !identity_parse(p->identity, &k->id, &k->size, &k->state))
            continue;
        k->past = p;
        table_put(&f->known, &k->node, identity_hash(k->id.dev, k->id.ino));
        f->n_knowns++;
    }
    return 0;
}

static int begin(struct files *f)
{
    struct table *tables[] = {&f->directories_by_path, &f->directories_by_wd, &f->files_by_name,
                              &f->files_by_id, &f->known};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof tables / sizeof *tables; i++)
        r = table_begin(tables[i], &f->scope);
    if (r == 0)
        r = file_begin_all(f);
    if (r == 0)
        r = followed_begin_all(f);
    if (r == 0)
        r = groups_begin(f);
    if (r == 0)
        r = begin_known(f);
    if (r == 0)
        r = nudge_begin(&f->work, &f->scope, f->loop, "files turn", take_turn);
    if (r == 0)
        r = timer_begin(&f->tick, &f->scope, f->loop, "files waiting", tick_due);
    if (r == 0)
        r = discover_begin(f);
    return r;
}

/* The first scan: what exists claims its position before anything is read, and what is missing is looked for. */
static void first_scan(struct timer *t)
{
    struct files *f = container_of(t, struct files, scan);
    void (*usual)(struct timer *) = f->usual_scan;
    f->first_scan = true;
    discover_scan(f);
    f->first_scan = false;
    rotation_seek_past(f);
    f->scan.fn = usual;
    timer_set(&f->scan, f->options->scan_interval);
}

int files_begin(struct files **out, struct scope *owner, struct loop *loop, const struct config *config,
                struct dispatcher *dispatcher, struct past *past)
{
    *out = NULL;
    struct files *f = scope_new(owner, sizeof *f, "files");
    if (!f)
        return -errno;
    f->loop = loop;
    f->config = config;
    f->options = &config->files;
    f->dispatcher = dispatcher;
    f->past = past;
    f->inotify.n = -1;
    f->last_ready = &f->ready;
    f->pool.wake = &f->work;
    struct facts facts;
    if (facts_of_fd(STDERR_FILENO, &facts) == 0 && (facts.mode & S_IFMT) == S_IFREG)
        f->own_output = facts;
    int r = begin(f);
    if (r < 0) {
        scope_end(&f->scope);
        return r;
    }
    f->usual_scan = f->scan.fn;
    f->scan.fn = first_scan;
    timer_set(&f->scan, 0);
    *out = f;
    return 0;
}

/* What was seen but is not everywhere yet: should it be gone at the next start, its size says how much is lost. */
static void store_sizes(struct files *f)
{
    for (struct file *file = f->all; file; file = file->next_all)
        if (file->source && file->started && file->source->accounts &&
            source_lowest(file->source).offset < file->size)
            file_store_identity(file, IDENTITY_OPEN);
}

void files_end(struct files *f)
{
    if (!f)
        return;
    store_sizes(f);
    dispatch_forget(f->dispatcher, &f->work);
    pool_wait_cancel(f->dispatcher->pool, &f->pool);
    while (f->all)
        file_free(f, f->all);
    while (f->followed)
        followed_end(f->followed);
    discover_end(f);
    scope_end(&f->scope);
}

const struct files_stats *files_stats(const struct files *f)
{
    return &f->stats;
}

/* ---- why ---- */

static void why_group(const struct files_group *group, unsigned i, const char *path, struct buf *out)
{
    const char *by, *excluded;
    if (!group_takes(group, path, &by))
        buf_printf(out, "Group %u: no pattern matches.\n", i + 1);
    else if (group_excludes(group, path, &excluded))
        buf_printf(out, "Group %u: %s matches, but %s excludes it.\n", i + 1, by, excluded);
    else
        buf_printf(out, "Group %u: %s matches.\n", i + 1, by);
}

static void why_file(const char *path, struct buf *out)
{
    struct facts facts;
    int r = facts_of_path(path, true, &facts);
    if (r < 0)
        buf_printf(out, "It cannot be looked at: %s.\n", strerror(-r));
    else if ((facts.mode & S_IFMT) != S_IFREG)
        buf_printf(out, "It is no regular file, and only those are read.\n");
    else if (access(path, R_OK) < 0)
        buf_printf(out, "It cannot be opened: %s.\n", strerror(errno));
    else
        buf_printf(out, "It is a regular file of %llu bytes (device %llx, inode %llu).\n",
                   (unsigned long long)facts.size, (unsigned long long)facts.dev, (unsigned long long)facts.ino);
}

static void why_own(const struct config *config, const char *path, struct buf *out)
{
    const char *own = own_directory_of(config, path);
    if (own)
        buf_printf(out, "It lies in %s, where logcap itself writes: nothing there is ever read.\n", own);
}

int files_why(const struct config *config, const char *path, struct buf *out)
{
    if (!config->files.enabled)
        buf_printf(out, "The file monitor is not enabled.\n");
    why_own(config, path, out);
    for (unsigned i = 0; i < config->files.n_groups; i++)
        why_group(&config->files.groups[i], i, path, out);
    why_file(path, out);
    return out->failed ? -ENOMEM : 0;
}

int files_why_file(const struct config *config, const char *path, struct buf *out)
{
    why_own(config, path, out);
    why_file(path, out);
    return out->failed ? -ENOMEM : 0;
}

int files_key(const char *path, char *key, size_t size)
{
    char text[IDENTITY_KEY];
    struct facts facts;
    int r = facts_of_path(path, true, &facts);
    if (r < 0)
        return r;
    identity_key(&(struct identity){.dev = facts.dev, .ino = facts.ino, .btime = facts.btime}, text);
    snprintf(key, size, "%s", text);
    return 0;
}
