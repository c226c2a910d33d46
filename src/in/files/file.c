#include "in/files/file.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "in/files/again.h"
#include "in/files/descriptors.h"
#include "in/files/directories.h"
#include "in/files/followed_internal.h"
#include "in/files/monitor.h"
#include "in/files/tail.h"

const struct task_kind file_reader_kind = {.name = "file_reader"};

enum { DELIVERY_POLL_MS = 500 };

static uint64_t hash_of_name(const struct directory *d, const char *name)
{
    return XXH3_64bits_withSeed(name, strlen(name), (uintptr_t)d);
}

const char *file_path(const struct file *file, char *path, size_t size)
{
    const char *d = file->directory->path;
    snprintf(path, size, "%s%s%s", d, d[1] ? "/" : "", file->name);
    return path;
}

/* ---- birth and death ---- */

static void give_back(struct file *file)
{
    source_unref(file->source);
    mem_raw_free(file->name);
    mem_raw_free(file);
}

static void files_thing_end(struct thing *t)
{
    struct files *f = container_of(t, struct files, all_thing);
    assert(!f->all);
}

int file_begin_all(struct files *f)
{
    return thing_begin(&f->all_thing, &f->scope, BIRTH_MEMORY, "file entries", 0, files_thing_end);
}

static char *copy_of(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = mem_raw_alloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

struct file *file_new_bare(struct files *f, struct directory *d, const char *name, struct group *group,
                           const struct identity *id)
{
    struct file *file = mem_raw_alloc(sizeof *file);
    if (!file)
        return NULL;
    file->name = copy_of(name);
    int r = file->name ? thing_resize(&f->all_thing, f->all_thing.bytes + sizeof *file) : -ENOMEM;
    if (r < 0) {
        give_back(file);
        errno = -r;
        return NULL;
    }
    file->directory = d;
    d->refs++;
    file_set_group(file, group);
    file->id = *id;
    file->next_all = f->all;
    if (f->all)
        f->all->prev_all = file;
    f->all = file;
    atomic_fetch_add(&f->stats.files, 1);
    return file;
}

void file_set_group(struct file *file, struct group *group)
{
    struct followed *old = followed_of(file);
    for (struct file **at = old ? &old->files : NULL; at && *at; at = &(*at)->next_followed)
        if (*at == file) {
            *at = file->next_followed;
            break;
        }
    followed_touch(old);
    file->group = group;
    struct followed *new = followed_of(file);
    if (new) {
        file->next_followed = new->files;
        new->files = file;
    }
    followed_touch(new);
}

void file_identify(struct files *f, struct file *file)
{
    table_put(&f->files_by_id, &file->by_id, identity_hash(file->id.dev, file->id.ino));
    file->in_id = true;
}

static struct source *new_source(const struct file *file, const struct identity *id)
{
    char key[IDENTITY_KEY], path[PATH_MAX];
    identity_key(id, key);
    return source_obtain(SOURCE_FILE, key, file_path(file, path, sizeof path));
}

struct file *file_new(struct files *f, struct directory *d, const char *name, struct group *group,
                      const struct facts *facts)
{
    struct identity id = {.dev = facts->dev, .ino = facts->ino, .btime = facts->btime};
    struct file *file = file_new_bare(f, d, name, group, &id);
    if (!file)
        return NULL;
    file->source = new_source(file, &id);
    if (!file->source || file_list(f, file, d, name) < 0) {
        file_free(f, file);
        errno = ENOMEM;
        return NULL;
    }
    file->size = facts->size;
    file_identify(f, file);
    return file;
}

static void leave_ready(struct files *f, struct file *file)
{
    struct file *before = NULL;
    for (struct file **at = &f->ready; file->is_ready && *at; before = *at, at = &(*at)->next_ready)
        if (*at == file) {
            *at = file->next_ready;
            if (!*at)
                f->last_ready = before ? &before->next_ready : &f->ready;
            file->is_ready = false;
            break;
        }
}

void file_free(struct files *f, struct file *file)
{
    if (file->started)
        gone_add(f, &file->id, file->offset, file->tail_hash);
    file_unlist(f, file);
    file_set_group(file, NULL);
    leave_ready(f, file);
    file_unwait(f, file);
    descriptor_close(f, file);
    if (file->in_id)
        table_remove(&f->files_by_id, &file->by_id);
    file->directory->refs--;
    if (f->recheck == file)
        f->recheck = file->next_all;
    if (f->walk == file)
        f->walk = file->next_all;
    if (file->prev_all)
        file->prev_all->next_all = file->next_all;
    else
        f->all = file->next_all;
    if (file->next_all)
        file->next_all->prev_all = file->prev_all;
    atomic_fetch_sub(&f->stats.files, 1);
    thing_resize(&f->all_thing, f->all_thing.bytes - sizeof *file);
    give_back(file);
}

/* ---- names ---- */

static void set_name(struct file *file, struct directory *d, char *name)
{
    mem_raw_free(file->name);
    file->name = name;
    file->directory->refs--;
    file->directory = d;
    d->refs++;
}

int file_renamed(struct files *f, struct file *file, const char *path)
{
    char where[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) >= sizeof where)
        return -EINVAL;
    snprintf(where, sizeof where, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    struct directory *d = directory_get(f, where, false);
    char *copy = d ? copy_of(slash + 1) : NULL;
    if (!copy)
        return -ENOMEM;
    set_name(file, d, copy);
    return 0;
}

int file_list(struct files *f, struct file *file, struct directory *d, const char *name)
{
    char *copy = copy_of(name);
    if (!copy)
        return -ENOMEM;
    file_unlist(f, file);
    set_name(file, d, copy);
    file->listed = true;
    file->orphan = false;
    table_put(&f->files_by_name, &file->by_name, hash_of_name(d, name));
    file->prev_in = NULL;
    file->next_in = d->files;
    if (d->files)
        d->files->prev_in = file;
    d->files = file;
    return 0;
}

void file_unlist(struct files *f, struct file *file)
{
    if (!file->listed)
        return;
    file->listed = false;
    table_remove(&f->files_by_name, &file->by_name);
    if (file->prev_in)
        file->prev_in->next_in = file->next_in;
    else
        file->directory->files = file->next_in;
    if (file->next_in)
        file->next_in->prev_in = file->prev_in;
    if (file->target) {
        file->target->links--;
        file->target = NULL;
    }
}

struct file *file_by_name(struct files *f, const struct directory *d, const char *name)
{
    struct table_node *n = table_first(&f->files_by_name, hash_of_name(d, name));
    for (; n; n = table_next(n)) {
        struct file *file = container_of(n, struct file, by_name);
        if (file->directory == d && strcmp(file->name, name) == 0)
            return file;
    }
    return NULL;
}

struct file *file_by_facts(struct files *f, const struct facts *facts)
{
    struct table_node *n = table_first(&f->files_by_id, identity_hash(facts->dev, facts->ino));
    for (; n; n = table_next(n)) {
        struct file *file = container_of(n, struct file, by_id);
        if (facts_are(facts, &file->id))
            return file;
    }
    return NULL;
}

/* ---- positions ---- */

void file_store_identity(struct file *file, enum identity_state state)
{
    char text[IDENTITY_TEXT];
    /* What is held back is no loss when it is gone. */
    identity_print(&file->id, file->held ? 0 : file->size, state, text);
    source_set_identity(file->source, text);
}

void file_set_position(struct file *file, uint64_t offset, uint64_t tail_hash)
{
    struct position p = {.offset = offset, .tail_hash = tail_hash};
    EACH_ACCOUNT(a, file->source)
        account_place(a, &p);
    file_move(file, offset, tail_hash);
}

void file_move(struct file *file, uint64_t offset, uint64_t tail_hash)
{
    file->offset = offset;
    file->tail_hash = tail_hash;
    file->scanned = 0;
    file->pending = file->skipping = false;
    atomic_store(&file->source->offset, offset);
}

static int replace_source(struct files *f, struct file *file, const struct identity *id)
{
    struct source *s = new_source(file, id);
    if (!s)
        return -ENOMEM;
    s->matched = file->source ? file->source->matched : "";
    source_unref(file->source);
    file->source = s;
    file->id = *id;
    return 0;
}

uint64_t file_lowest(const struct file *file)
{
    uint64_t reach = file->uneven ? source_reach(file->source, 0) : file->offset;
    return reach < file->offset ? reach : file->offset;
}

void file_level(struct file *file)
{
    const struct position here = {.offset = file->offset, .tail_hash = file->tail_hash};
    EACH_ACCOUNT(a, file->source)
        if (account_reach(a) < file->offset)
            account_place(a, &here);
}

int file_next_generation(struct files *f, struct file *file)
{
    struct identity id = file->id;
    gone_add(f, &file->id, file->offset, file->tail_hash);
    id.generation++;
    id.head_len = 0;
    id.head_hash = 0;
    int r = replace_source(f, file, &id);
    if (r < 0)
        return r;
    file->offset = file->tail_hash = file->scanned = 0;
    file->pending = file->flush = file->skipping = false;
    return 0;
}

/* Whether every position that is known lies in this file, between the bytes it was taken between. */
static int positions_hold(struct files *f, int fd, const struct known *k)
{
    int r = identity_check_head(&k->id, fd);
    for (unsigned i = 0; r == 1 && i < f->past->n_sinks; i++) {
        const struct past_at *at = &k->past->at[i];
        uint64_t tail = 0;
        if (!at->known || at->position.offset == 0)
            continue;
        int t = tail_take(fd, at->position.offset, &tail);
        if (t == -ENODATA)
            return 0;
        if (t < 0)
            return t;
        r = at->position.tail_hash == 0 || at->position.tail_hash == tail;
    }
    return r;
}

/* The latest generation an earlier process knew, whatever became of it. */
static struct known *latest_known(struct files *f, const struct identity *id)
{
    struct known *latest = NULL;
    struct table_node *n = table_first(&f->known, identity_hash(id->dev, id->ino));
    for (; n; n = table_next(n)) {
        struct known *k = container_of(n, struct known, node);
        if (k->id.dev == id->dev && k->id.ino == id->ino && k->id.btime == id->btime &&
            (!latest || k->id.generation > latest->id.generation))
            latest = k;
    }
    return latest;
}

static int resume(struct files *f, struct file *file, struct known *k)
{
    int r = positions_hold(f, file->reader->fd.n, k);
    if (r < 0)
        return r;
    struct identity id = k->id;
    if (r == 0) { /* truncated, or another file under a used number */
        id.generation++;
        id.head_len = 0;
        id.head_hash = 0;
        atomic_fetch_add(&f->stats.truncations, 1);
    }
    int e = replace_source(f, file, &id);
    if (e < 0 || r == 0)
        return e;
    past_claim(f->past, k->past, file->source);
    struct position p = source_lowest(file->source);
    file->offset = p.offset;
    file->skipping = tail_in_cut_line(f, file);
    return tail_take(file->reader->fd.n, file->offset, &file->tail_hash);
}

/* This process read a file of this device, inode and birth time before: perhaps this one, perhaps another. */
static int follow_gone(struct files *f, struct file *file, const struct gone *gone, struct known *k)
{
    struct identity id = file->id;
    uint64_t tail = 0, offset = 0;
    if (gone && gone->offset && identity_check_head(&gone->id, file->reader->fd.n) == 1 &&
        tail_take(file->reader->fd.n, gone->offset, &tail) == 0 && tail == gone->tail_hash)
        offset = gone->offset;
    id.generation = gone ? gone->id.generation : 0;
    if (k && k->id.generation > id.generation)
        id.generation = k->id.generation;
    id.generation++;
    int r = replace_source(f, file, &id);
    if (r == 0)
        file_set_position(file, offset, tail);
    return r;
}

static bool begins_at_end(const struct files *f, const struct file *file)
{
    const struct followed *fl = followed_of(file);
    if (fl)
        return fl->at_end && fl->beginning;
    return f->first_scan && f->first_start && file->group->config->start_at == START_END;
}

int file_start(struct files *f, struct file *file, const struct facts *facts)
{
    struct known *k = latest_known(f, &file->id);
    const struct gone *gone = gone_find(f, &file->id);
    int r = 0;
    if (gone || (k && k->past->claimed))
        r = follow_gone(f, file, gone, k);
    else if (k)
        r = resume(f, file, k);
    else if (begins_at_end(f, file)) {
        uint64_t tail = 0;
        r = tail_take(file->reader->fd.n, facts->size, &tail);
        if (r == 0)
            file_set_position(file, facts->size, tail);
    }
    if (r == 0)
        r = identity_take_head(&file->id, file->reader->fd.n);
    if (r < 0)
        return r;
    file->started = true;
    if (followed_of(file))
        followed_of(file)->found = true;
    file->size = facts->size;
    file->grown = clock_mono();
    atomic_store(&file->source->offset, file->offset);
    atomic_store(&file->source->size, file->size);
    file_store_identity(file, IDENTITY_OPEN);
    return 0;
}

uint64_t file_unread(struct files *f, const struct file *file)
{
    uint64_t offset = file->offset;
    const struct known *k = file->started ? NULL : latest_known(f, &file->id);
    if (k && !k->past->claimed) { /* not opened in this process: what the earlier one left */
        offset = file->size;
        for (unsigned i = 0; i < f->past->n_sinks; i++) {
            const struct past_at *at = &k->past->at[i];
            uint64_t reached = at->known ? at->position.offset : 0;
            offset = reached < offset ? reached : offset;
        }
    }
    return file->size > offset ? file->size - offset : 0;
}

/* What the labels say of a file: those of a container's log are all its container's. */
static size_t labels_of(const struct files *f, const struct file *file, const char *path, struct label labels[STREAM_LABELS + 8])
{
    const struct label_list *own = &file->group->config->labels;
    bool container = followed_of(file);
    const char *slash = strrchr(path, '/');
    size_t n = 0;
    if (!container) {
        labels[n++] = (struct label){"source", "file"};
        labels[n++] = (struct label){"service", "host"};
        labels[n++] = (struct label){"instance", f->config->host};
    }
    for (unsigned i = 0; i < own->n && i < STREAM_LABELS; i++)
        labels[n++] = own->items[i];
    if (!container) {
        labels[n++] = (struct label){"file_path", path};
        labels[n++] = (struct label){"file_name", slash ? slash + 1 : path};
    }
    return n;
}

int file_ensure_outlets(struct files *f, struct file *file)
{
    struct reader *reader = file->reader;
    if (outlets_made(&reader->outlets))
        return 0;
    struct label labels[STREAM_LABELS + 8];
    const struct files_group *group = file->group->config;
    int r = outlets_make(&reader->outlets, group->wrapping, labels, labels_of(f, file, file->source->name, labels));
    if (r == 0)
        reader->settings = again_settings(&f->scope, reader->outlets.of[WRAPPED_BARE], group, f->options->max_line_bytes, NULL);
    return r;
}

/* ---- what it says ---- */

void file_fail(struct files *f, struct file *file, const char *what, int err)
{
    char path[PATH_MAX];
    struct followed *fl = followed_of(file);
    if (fl)
        fl->error = err;
    followed_touch(fl);
    atomic_fetch_add(&f->stats.errors, 1);
    if (!file->failed) {
        file->failed = true;
        file->denied = err == -EACCES || err == -EPERM;
        log_warn("files", "%s %s: %s; it is tried again at each scan", what, file_path(file, path, sizeof path),
                 strerror(-err));
    }
    if (file->source) {
        source_set_error(file->source, "%s: %s", what, strerror(-err));
        atomic_store(&file->source->state, SOURCE_FAILED);
    }
}

void file_well(struct file *file)
{
    if (!file->failed)
        return;
    file->failed = file->denied = false;
    source_set_error(file->source, NULL);
}

void file_lost(struct files *f, struct file *file, uint64_t bytes, const char *why)
{
    char path[PATH_MAX];
    if (bytes == 0)
        return;
    atomic_fetch_add(&f->stats.lost_by_rotator, bytes);
    if (file->source)
        atomic_fetch_add(&file->source->lost_by_rotator, bytes);
    log_warn("files", "at least %llu bytes of %s are lost: %s", (unsigned long long)bytes,
             file_path(file, path, sizeof path), why);
}

/* ---- turns and times ---- */

void file_ready(struct files *f, struct file *file)
{
    if (file->is_ready || file->finished)
        return;
    file->is_ready = true;
    file->next_ready = NULL;
    *f->last_ready = file;
    f->last_ready = &file->next_ready;
    nudge_set(&f->work);
}

void file_wait(struct files *f, struct file *file, int64_t delay)
{
    int64_t due = clock_mono() + delay;
    if (file->is_waiting) {
        if (due < file->due)
            file->due = due;
    } else {
        file->is_waiting = true;
        file->due = due;
        file->prev_waiting = NULL;
        file->next_waiting = f->waiting;
        if (f->waiting)
            f->waiting->prev_waiting = file;
        f->waiting = file;
    }
    if (!timer_is_set(&f->tick) || f->tick.due > file->due)
        timer_set(&f->tick, delay);
}

void file_unwait(struct files *f, struct file *file)
{
    if (!file->is_waiting)
        return;
    file->is_waiting = false;
    if (file->prev_waiting)
        file->prev_waiting->next_waiting = file->next_waiting;
    else
        f->waiting = file->next_waiting;
    if (file->next_waiting)
        file->next_waiting->prev_waiting = file->prev_waiting;
}

void file_finish(struct files *f, struct file *file)
{
    descriptor_close(f, file);
    leave_ready(f, file);
    file->finished = true;
    if (file->source)
        atomic_store(&file->source->state, SOURCE_GONE);
    file_unwait(f, file);
    file_wait(f, file, file->source ? DELIVERY_POLL_MS * MILLISECOND : 0);
}
