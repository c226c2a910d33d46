#include "in/files/rotation.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "in/files/away.h"
#include "in/files/descriptors.h"
#include "in/files/directories.h"
#include "in/files/monitor.h"
#include "in/files/siblings.h"
#include "in/files/tail.h"
#include "in/files/wanted.h"

enum {
    ORPHAN_POLL_MS = 200,
    COPY_QUIET_S = 5,
    WIDE_AT_START = 4096, /* directories listed to find what earlier processes left */
};

/* ---- names that are gone ---- */

void rotation_orphaned(struct files *f, struct file *file)
{
    file->orphan = true;
    atomic_fetch_add(&f->stats.rotations, 1);
    atomic_fetch_add(&file->source->rotations, 1);
    file_ready(f, file);
}

/* A link's target lies elsewhere. What is not read yet, or had news that were not looked at, is worth a wide search. */
static bool find_renamed(struct files *f, const struct file *file, const struct directory *target, struct sibling *out)
{
    bool wide = file->is_ready || file_unread(f, file) > 0;
    return (target && siblings_find_inode(f, target, &file->id, false, out)) ||
           siblings_find_inode(f, file->directory, &file->id, wide, out);
}

void rotation_lost_name(struct files *f, struct file *file)
{
    struct sibling now;
    if (file->finished) {
        file_unlist(f, file);
        return;
    }
    if (file->orphan) {
        if (!file->reader && !file->rest) /* renamed again before it was read: the next scan looks where it is */
            away_begin(f, file);
        return;
    }
    struct directory *target = file->target;
    file_unlist(f, file);
    if (file->held) {
        file->held = false;
        file_set_position(file, file->size, 0);
        file_finish(f, file);
        return;
    }
    if (!file->reader && find_renamed(f, file, target, &now) &&
        descriptor_open_as(f, file, now.path, &now.facts) == 0 && !file->started)
        file_start(f, file, &now.facts);
    if (file->reader && file->started) {
        rotation_orphaned(f, file);
        return;
    }
    if (!file->denied)
        file_lost(f, file, file_unread(f, file), "it was deleted while it was not open");
    file->deleted = true;
    if (file->started)
        file_finish(f, file);
    else
        file_free(f, file);
}

void rotation_orphan_quiet(struct files *f, struct file *file)
{
    int64_t patience = file->deleted ? f->options->partial_flush : f->options->idle_close;
    if (file->scanned)
        patience = f->options->partial_flush + SECOND;
    if (clock_mono() - file->grown >= patience && file->scanned == 0 && file_lowest(file) == file->offset)
        file_finish(f, file);
    else
        file_wait(f, file, ORPHAN_POLL_MS * MILLISECOND);
}

/* What waits for its turn while a sink is full was looked at long ago. */
static void look_again(struct file *file)
{
    struct facts facts;
    if (!file->is_ready || facts_of_fd(file->reader->fd.n, &facts) < 0 || facts.size < file->offset)
        return;
    file->size = facts.size;
    file->deleted = facts.links == 0;
}

void rotation_bound_deleted(struct files *f)
{
    for (struct file *file = f->open_oldest; file; file = file->reader->newer)
        look_again(file);
    for (;;) {
        uint64_t bytes = 0;
        struct file *oldest = NULL;
        for (struct file *file = f->open_oldest; file; file = file->reader->newer)
            if (file->deleted && !file->finished && file->size > file_lowest(file)) {
                bytes += file->size - file_lowest(file);
                if (!oldest || file->grown < oldest->grown)
                    oldest = file;
            }
        atomic_store(&f->stats.deleted_bytes, bytes);
        if (bytes <= f->options->max_deleted_bytes || !oldest)
            return;
        file_lost(f, oldest, oldest->size - file_lowest(oldest), "deleted files hold more than max_deleted_bytes");
        file_level(oldest);
        file_finish(f, oldest);
    }
}

/* ---- truncation ---- */

/* Gives the rest of a source to a file of its own, that reads it from the copy. */
static bool read_rest(struct files *f, struct file *of, const char *path)
{
    struct file *rest = file_new_bare(f, of->directory, of->name, of->group, &of->id);
    if (!rest)
        return false;
    rest->rest = rest->orphan = rest->started = true;
    rest->source = source_ref(of->source);
    rest->offset = of->offset;
    rest->tail_hash = of->tail_hash;
    rest->last_time = of->last_time;
    rest->uneven = of->uneven;
    rest->size = of->size;
    if (file_renamed(f, rest, path) < 0 || siblings_open_rest(f, rest, path) < 0) {
        file_free(f, rest);
        return false;
    }
    atomic_store(&rest->source->state, SOURCE_READING);
    file_ready(f, rest);
    return true;
}

/* The copy need not be read again when a glob matches it. */
static void skip_copy(struct files *f, const struct facts *copy)
{
    struct file *file = file_by_facts(f, copy);
    uint64_t tail = 0;
    struct facts facts;
    if (!file || file->offset > 0 || descriptor_open(f, file, &facts) < 0)
        return;
    if (!file->started && file_start(f, file, &facts) < 0)
        return;
    file->held = false;
    if (file->offset == 0 && tail_take(file->reader->fd.n, facts.size, &tail) == 0) {
        file_set_position(file, facts.size, tail);
        file->size = facts.size;
        file_store_identity(file, IDENTITY_OPEN);
    }
}

bool rotation_truncated(struct files *f, struct file *file)
{
    struct sibling copy;
    if (file_lowest(file) < file->offset)
        file_move(file, file_lowest(file), 0); /* what a sink does not have is unread too */
    bool found = siblings_find_copy(f, file, false, &copy);
    bool taken = found && read_rest(f, file, copy.path);
    if (found)
        skip_copy(f, &copy.facts);
    if (!taken && file->size > file->offset)
        file_lost(f, file, file->size - file->offset, "it was truncated and no copy of it was found");
    struct source *old = source_ref(file->source);
    atomic_fetch_add(&f->stats.truncations, 1);
    atomic_fetch_add(&old->truncations, 1);
    int r = file_next_generation(f, file);
    if (r < 0) {
        source_unref(old);
        file_fail(f, file, "cannot follow", r);
        return false;
    }
    atomic_store(&file->source->truncations, atomic_load(&old->truncations));
    atomic_store(&file->source->rotations, atomic_load(&old->rotations));
    if (!taken) { /* nothing more is read of it; what is on its way keeps it */
        struct file *gone = file_new_bare(f, file->directory, file->name, file->group, &file->id);
        if (gone) {
            gone->id.generation--;
            gone->source = source_ref(old);
            gone->offset = gone->size = atomic_load(&old->offset);
            gone->deleted = gone->started = true;
            file_finish(f, gone);
        }
    }
    source_unref(old);
    file->size = 0;
    file->grown = clock_mono();
    file_store_identity(file, IDENTITY_OPEN);
    return true;
}

/* ---- copies that the configuration matches ---- */

/* Whether `name` is what a rotator would call a copy of `of`: app.log.1, app.log-20261121, app-20261121.log. */
static struct file *original_of(struct files *f, const struct file *file)
{
    char base[NAME_MAX + 1];
    const char *name = file->name, *end = strrchr(name, '.');
    for (size_t i = strlen(name); i-- > 1;) {
        if (!strchr(".-_", name[i]))
            continue;
        snprintf(base, sizeof base, "%.*s", (int)i, name);
        struct file *original = file_by_name(f, file->directory, base);
        if (!original && end && end > name + i) {
            snprintf(base, sizeof base, "%.*s%s", (int)i, name, end);
            original = file_by_name(f, file->directory, base);
        }
        if (original && original != file)
            return original;
    }
    return NULL;
}

/* As far as both go the copy has the original's bytes: its head, and what lies before the original's position. */
static bool is_copy(const struct file *file, const struct facts *facts, const struct file *original)
{
    uint64_t tail = 0;
    if (!original->started || original->id.head_len == 0 || facts->size == 0)
        return false;
    if (facts->size < original->id.head_len || identity_check_head(&original->id, file->reader->fd.n) != 1)
        return false;
    if (facts->size < original->offset) /* still being made, unless nothing was added for long */
        return clock_real() - facts->mtime < COPY_QUIET_S * SECOND;
    return tail_take(file->reader->fd.n, original->offset, &tail) == 0 && tail == original->tail_hash;
}

/* What a pattern matches that should not: its bytes are no lines. */
static bool is_compressed(const struct file *file)
{
    char head[4];
    ssize_t n = fd_pread(file->reader->fd.n, head, sizeof head, 0);
    return n > 0 && plain_kind_of(head, (size_t)n) != PLAIN_PLAIN;
}

static void hold(struct file *file, const struct facts *facts, const char *why)
{
    file->size = facts->size;
    if (file->held)
        return;
    file->held = true;
    source_set_error(file->source, "%s", why);
    file_store_identity(file, IDENTITY_OPEN);
}

bool rotation_hold(struct files *f, struct file *file, const struct facts *facts)
{
    char why[NAME_MAX + 64], path[PATH_MAX];
    if (file->offset > 0 || !file->listed)
        return false;
    struct file *original = original_of(f, file);
    if (original && !original->held && is_copy(file, facts, original)) {
        snprintf(why, sizeof why, "a copy of %s, whose lines are not read twice", original->name);
        hold(file, facts, why);
        file_wait(f, file, SECOND);
        return true;
    }
    if (is_compressed(file)) {
        if (!file->held)
            log_warn("files", "%s is compressed and not read: only what a file that was followed had unread is taken from such a copy; exclude it",
                     file_path(file, path, sizeof path));
        hold(file, facts, "compressed: such files are not read, but for what a followed file had unread");
        descriptor_close(f, file);
        return true;
    }
    if (file->held)
        source_set_error(file->source, NULL);
    file->held = false;
    return false;
}

/* ---- what earlier processes left ---- */

static bool same_name_still(const struct known *k)
{
    struct facts facts;
    return facts_of_path(k->past->name, true, &facts) == 0 && facts_are(&facts, &k->id);
}

static struct file *file_of_past(struct files *f, struct known *k)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(k->past->name, '/');
    if (!slash || slash == k->past->name || (size_t)(slash - k->past->name) >= sizeof dir)
        return NULL;
    snprintf(dir, sizeof dir, "%.*s", (int)(slash - k->past->name), k->past->name);
    const char *by;
    struct group *group = wanted_group(f, k->past->name, &by);
    struct directory *d = group ? directory_get(f, dir, false) : NULL;
    struct file *file = d ? file_new_bare(f, d, slash + 1, group, &k->id) : NULL;
    if (!file)
        return NULL;
    file->source = source_obtain(SOURCE_FILE, k->past->key, k->past->name);
    if (!file->source) {
        file_free(f, file);
        return NULL;
    }
    past_claim(f->past, k->past, file->source);
    struct position p = source_lowest(file->source);
    file->started = file->rest = file->orphan = true;
    file->offset = p.offset;
    file->tail_hash = p.tail_hash;
    file->size = k->size > p.offset ? k->size : p.offset;
    atomic_store(&file->source->offset, file->offset);
    atomic_store(&file->source->size, file->size);
    return file;
}

/* The file itself, renamed: it is gone on with. */
static bool seek_renamed(struct files *f, struct known *k, struct file *file)
{
    struct sibling now;
    struct facts facts;
    uint64_t tail = 0;
    if (!siblings_find_inode(f, file->directory, &file->id, true, &now) || file_renamed(f, file, now.path) < 0 ||
        descriptor_open(f, file, &facts) < 0)
        return false;
    if (identity_check_head(&k->id, file->reader->fd.n) != 1 || tail_take(file->reader->fd.n, file->offset, &tail) < 0 ||
        (file->tail_hash && tail != file->tail_hash)) {
        descriptor_close(f, file);
        return false;
    }
    file->tail_hash = tail;
    file->rest = false;
    file->skipping = tail_in_cut_line(f, file);
    file->grown = clock_mono();
    file_identify(f, file);
    if (k->state == IDENTITY_AWAY && facts.size == file->offset) {
        file->size = facts.size;
        descriptor_close(f, file);
        away_begin(f, file);
    } else
        rotation_orphaned(f, file);
    return true;
}

/* Its bytes in a copy of it, or in what the copy was compressed to. */
static bool seek_copy(struct files *f, struct file *file)
{
    struct sibling copy;
    if (!siblings_find_copy(f, file, true, &copy) || siblings_open_rest(f, file, copy.path) < 0)
        return false;
    skip_copy(f, &copy.facts);
    rotation_orphaned(f, file);
    return true;
}

static void seek(struct files *f, struct known *k)
{
    struct file *file = file_of_past(f, k);
    if (!file || seek_renamed(f, k, file))
        return;
    if (k->state == IDENTITY_OPEN) {
        if (seek_copy(f, file))
            return;
        if (k->size > file->offset)
            file_lost(f, file, k->size - file->offset, "it is gone, and so is every copy of it");
    }
    file->offset = 0; /* nothing waits for delivery */
    file->deleted = true;
    file_finish(f, file);
}

/* One that cannot be opened yet claims it when it can. */
static void seek_known(struct files *f, struct known *k)
{
    if (k->state == IDENTITY_DONE || k->past->claimed || !k->id.dev)
        return;
    k->sought = true;
    /* A listed file of this identity that did not claim it was truncated since, so its rest is in a copy. */
    struct facts facts = {.dev = k->id.dev, .ino = k->id.ino, .btime = k->id.btime};
    struct file *now = file_by_facts(f, &facts);
    if (now ? now->started : !same_name_still(k))
        seek(f, k);
}

void rotation_seek_past(struct files *f)
{
    f->wide_left = WIDE_AT_START;
    for (size_t i = 0; i < f->n_knowns; i++)
        if (!f->knowns[i].sought)
            seek_known(f, &f->knowns[i]);
}

void rotation_seek_past_of(struct files *f, const char *path)
{
    for (size_t i = 0; i < f->n_knowns; i++)
        if (strcmp(f->knowns[i].past->name, path) == 0)
            seek_known(f, &f->knowns[i]);
}
