#include "out/local/local_output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"

enum { FILE_MODE = 0640, DIRECTORY_MODE = 0750, OTHER_NAMES = 1000 };

int outputs_begin(struct outputs *s, struct scope *owner, struct sink *sink,
                  struct local_rows *rows, const char *directory, unsigned max_open)
{
    *s = (struct outputs){
        .sink = sink, .rows = rows, .directory = directory, .max_open = max_open ? max_open : 1};
    return scope_begin(&s->scope, owner, "outputs");
}

struct output *output_get(struct outputs *s, const char *name)
{
    size_t n = strlen(name) + 1;
    struct output **bucket = &s->buckets[XXH3_64bits(name, n) % 256], *o;
    for (o = *bucket; o; o = o->next)
        if (strcmp(o->name, name) == 0)
            return o;
    o = mem_new(&s->scope, sizeof *o + n, "output");
    if (!o)
        return NULL;
    o->name = memcpy(o + 1, name, n);
    o->fd.n = -1;
    o->used = clock_mono();
    o->next = *bucket;
    *bucket = o;
    return o;
}

static void close_output(struct outputs *s, struct output *o)
{
    if (o->fd.n >= 0) {
        fd_close(&o->fd);
        s->open--;
    }
}

/* Closing is no loss: a sync opens the file again and syncs all of it. false: none is open. */
static bool close_oldest(struct outputs *s)
{
    struct output *oldest = NULL;
    for (int i = 0; i < 256; i++)
        for (struct output *o = s->buckets[i]; o; o = o->next)
            if (o->fd.n >= 0 && (!oldest || o->used < oldest->used))
                oldest = o;
    if (oldest)
        close_output(s, oldest);
    return oldest != NULL;
}

static int open_file(struct outputs *s, struct output *o, const char *path, int flags)
{
    int r;
    while ((s->open >= s->max_open || fd_scarce()) && close_oldest(s))
        ;
    do
        r = fd_open(&o->fd, &s->scope, path,
                    O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | flags, FILE_MODE);
    while ((r == -EMFILE || r == -ENFILE) && close_oldest(s));
    s->open += r == 0;
    return r;
}

static int open_again(struct outputs *s, struct output *o)
{
    struct stat st;
    if (o->fd.n >= 0)
        return 0;
    int r = open_file(s, o, o->row->path, 0);
    if (r == 0 && (fstat(o->fd.n, &st) < 0 || st.st_ino != o->row->inode)) {
        close_output(s, o);
        r = -ESTALE;
    }
    return r == -ENOENT ? -ESTALE : r;
}

/* ---- making ---- */

static int make_parents(struct outputs *s, const char *path)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = 0;
    return file_mkdirs(&s->scope, parent, DIRECTORY_MODE);
}

/* As a crash leaves it between making a file and storing that it is ours. Nothing of anybody is lost by writing to it. */
static bool is_free(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_size == 0 && st->st_nlink == 1 && st->st_uid == geteuid();
}

static int take_over(struct outputs *s, struct output *o, const char *path)
{
    struct stat st;
    if (rows_find(s->rows, path) || file_stat(path, &st) < 0 || !is_free(&st))
        return -EEXIST;
    int r = open_file(s, o, path, 0);
    if (r == 0 && (fstat(o->fd.n, &st) < 0 || !is_free(&st))) {
        close_output(s, o);
        r = -EEXIST;
    }
    return r == -ELOOP || r == -EACCES ? -EEXIST : r;
}

static int create(struct outputs *s, struct output *o, const char *path)
{
    struct stat st;
    int r = open_file(s, o, path, O_CREAT | O_EXCL);
    if (r == -ENOENT && (r = make_parents(s, path)) == 0)
        r = open_file(s, o, path, O_CREAT | O_EXCL);
    if (r == -EEXIST)
        r = take_over(s, o, path);
    if (r < 0)
        return r;
    if (fstat(o->fd.n, &st) == 0)
        o->row = rows_add(s->rows, path, 0, st.st_ino);
    if (!o->row) {
        close_output(s, o);
        return -ENOMEM;
    }
    o->length = o->whole = o->synced = 0;
    return 0;
}

/* The file of an earlier time, if it is still there and still ours. */
static bool find_again(struct outputs *s, struct output *o, const char *path)
{
    struct stat st;
    struct local_row *row = rows_find(s->rows, path);
    if (!row)
        return false;
    if (row->open || file_stat(path, &st) < 0 || st.st_ino != row->inode) {
        if (!row->open)
            rows_drop(s->rows, row);
        return false;
    }
    o->row = row;
    o->length = o->whole = o->synced = (uint64_t)st.st_size;
    rows_set_length(s->rows, row, o->length);
    return true;
}

static int make(struct outputs *s, struct output *o)
{
    char path[PATH_MAX];
    int r = -EEXIST;
    o->cut = o->named = false;
    for (int k = 1; k <= OTHER_NAMES && r == -EEXIST; k++) {
        int n = snprintf(path, sizeof path, "%s/%s", s->directory, o->name);
        if (k > 1 && n < (int)sizeof path)
            n += snprintf(path + n, sizeof path - (size_t)n, "~%d", k);
        if (n >= (int)sizeof path)
            return -ENAMETOOLONG;
        if (find_again(s, o, path))
            r = 0;
        else
            r = create(s, o, path);
        if (r == -EEXIST && k == 1)
            log_warn(s->sink->name,
                     "%s was not made by logcap and stays as it is; writing beside it",
                     path);
    }
    if (r == 0)
        o->row->open = true;
    return r;
}

static bool is_at(const char *path, uint64_t inode)
{
    struct stat st;
    return file_stat(path, &st) == 0 && st.st_ino == inode;
}

/* The old name is forgotten only when the new one is on the disk. */
static int finish_rotation(struct outputs *s, struct output *o)
{
    if (!row_is_known(s->rows, o->rotated))
        return -EAGAIN;
    int r = file_rename(o->row->path, o->rotated->path);
    if (r == -ENOENT && is_at(o->rotated->path, o->row->inode))
        r = 0; /* it was renamed, and could not be synced then */
    if (r == 0)
        r = file_sync_name(&s->scope, o->rotated->path);
    if (r < 0 && r != -ENOENT)
        return r;
    close_output(s, o);
    rows_drop(s->rows, o->row);
    if (r < 0)
        rows_drop(s->rows, o->rotated); /* somebody took the file away before */
    else
        o->rotated->open = false;
    o->row = o->rotated = NULL;
    return 0;
}

int output_prepare(struct outputs *s, struct output *o)
{
    int r = o->rotated ? finish_rotation(s, o) : 0;
    if (r == 0 && !o->row)
        r = make(s, o);
    if (r == 0 && o->length == 0 && !row_is_known(s->rows, o->row))
        r = -EAGAIN;
    return r;
}

int output_rotate(struct outputs *s, struct output *o)
{
    char path[PATH_MAX], stamp[32];
    struct stat st;
    struct tm tm;
    time_t now = (time_t)(clock_real() / SECOND);
    int r = -EEXIST;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
    for (int k = 1; k < 1000 && r == -EEXIST; k++) {
        int n =
            snprintf(path, sizeof path - 8, k > 1 ? "%s.%s-%d" : "%s.%s", o->row->path, stamp, k);
        if (n >= (int)sizeof path - 8)
            return -ENAMETOOLONG;
        r = rows_find(s->rows, path) ? -EEXIST : file_stat(path, &st);
        if (r == 0)
            r = -EEXIST;
    }
    if (r != -ENOENT)
        return r;
    o->rotated = rows_add(s->rows, path, o->synced, o->row->inode);
    if (!o->rotated)
        return -ENOMEM;
    o->rotated->open = true;
    return 0;
}

/* ---- writing ---- */

static void mark_dirty(struct outputs *s, struct output *o)
{
    o->used = clock_mono();
    if (o->dirty)
        return;
    o->dirty = true;
    o->next_dirty = s->dirty;
    s->dirty = o;
}

static void lose(struct outputs *s, struct output *o)
{
    close_output(s, o);
    rows_drop(s->rows, o->row);
    if (o->rotated)
        rows_drop(s->rows, o->rotated);
    o->row = o->rotated = NULL;
    o->length = o->whole = o->synced = 0;
    o->cut = false;
}

int output_check(struct outputs *s, struct output *o)
{
    struct stat st;
    int r = file_stat(o->row->path, &st);
    if (r == -ENOENT || (r == 0 && st.st_ino != o->row->inode)) {
        log_warn(s->sink->name, "%s was taken away; beginning a new one", o->row->path);
        outputs_cut_back(s, true);
        lose(s, o);
        return -ESTALE;
    }
    if (r == 0 && !o->cut && (uint64_t)st.st_size != o->length) {
        mark_dirty(s, o);
        return 1;
    }
    return r;
}

static int cut(struct outputs *s, struct output *o)
{
    int r = open_again(s, o);
    if (r == 0)
        r = fd_truncate(o->fd.n, o->length);
    o->cut = r < 0;
    return r;
}

int output_write(struct outputs *s, struct output *o, struct iovec *iov, int n)
{
    int r = o->cut ? cut(s, o) : open_again(s, o);
    if (r < 0)
        return r;
    mark_dirty(s, o);
    uint64_t done = 0;
    while (n > 0) {
        ssize_t w = fd_writev(o->fd.n, iov, n);
        if (w <= 0) {
            o->cut = done > 0;
            return w < 0 ? (int)w : -ENOSPC;
        }
        done += (uint64_t)w;
        while (n > 0 && (size_t)w >= iov->iov_len) {
            w -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + w;
            iov->iov_len -= (size_t)w;
        }
    }
    o->length += done;
    return 0;
}

void outputs_whole(struct outputs *s)
{
    for (struct output *o = s->dirty; o; o = o->next_dirty)
        o->whole = o->length;
}

void outputs_cut_back(struct outputs *s, bool to_synced)
{
    for (struct output *o = s->dirty; o; o = o->next_dirty) {
        if (to_synced)
            o->whole = o->synced;
        o->cut |= o->length > o->whole;
        o->length = o->whole;
        if (o->cut)
            cut(s, o);
    }
}

/*
 * What somebody else added since, before our bytes or behind them, is now part of the file: the length that is stored is
 * the file's. Else a start would cut off the last bytes, which are theirs, or ours that are secured.
 */
static int take_size(struct outputs *s, struct output *o)
{
    struct stat st;
    if (fstat(o->fd.n, &st) < 0)
        return -errno;
    if (o->cut || o->length != o->whole || (uint64_t)st.st_size == o->length)
        return 0;
    log_warn(s->sink->name, "somebody else changed %s; going on at its end", o->row->path);
    o->length = o->whole = (uint64_t)st.st_size;
    return 0;
}

int outputs_sync(struct outputs *s)
{
    int result = 0;
    for (struct output *o = s->dirty; o && result == 0; o = o->next_dirty) {
        if (!o->row)
            continue;
        result = open_again(s, o);
        if (result == 0)
            result = fd_sync(o->fd.n);
        if (result == 0 && !o->named) {
            result = file_sync_name(&s->scope, o->row->path);
            o->named = result == 0;
        }
        if (result == 0)
            result = take_size(s, o);
    }
    return result;
}

void outputs_commit(struct outputs *s)
{
    while (s->dirty) {
        struct output *o = s->dirty;
        s->dirty = o->next_dirty;
        o->dirty = false;
        o->synced = o->whole;
        if (o->row)
            rows_set_length(s->rows, o->row, o->synced);
    }
}

void outputs_close_idle(struct outputs *s, int64_t before)
{
    for (int i = 0; i < 256; i++)
        for (struct output **at = &s->buckets[i]; *at;) {
            struct output *o = *at;
            if (o->used >= before || o->dirty || o->cut || o->rotated) {
                at = &o->next;
                continue;
            }
            close_output(s, o);
            if (o->row)
                o->row->open = false;
            *at = o->next;
            mem_free(o);
        }
}
