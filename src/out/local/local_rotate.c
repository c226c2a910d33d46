#include "out/local/local_rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { SLICE = 256 << 10 };

static void on_slice(struct nudge *n);

int housekeeping_begin(struct housekeeping *h, struct scope *owner, struct sink *sink,
                       struct local_rows *rows)
{
    *h = (struct housekeeping){.sink = sink, .rows = rows};
    int r = scope_begin(&h->scope, owner, "housekeeping");
    return r < 0 ? r : nudge_begin(&h->slice, &h->scope, &sink->loop, "compress", on_slice);
}

/* 1: the row's file is there; 0: it is not, or is another; -errno: nobody knows. */
static int is_there(const struct local_row *row, struct stat *st)
{
    int r = file_stat(row->path, st);
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    return r < 0 ? r : S_ISREG(st->st_mode) && st->st_ino == row->inode;
}

/* ".20261121-050758" or with "-N" behind it. */
static bool is_rotated(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strspn(dot + 1, "0123456789-") == strlen(dot + 1) && strlen(dot) >= 16 &&
           dot[9] == '-';
}

static struct local_row *compressed_of(struct housekeeping *h, const struct local_row *row)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s.gz", row->path) >= (int)sizeof path)
        return NULL;
    return rows_find(h->rows, path);
}

/* ---- recovery ---- */

static void cut_back(struct housekeeping *h, struct local_row *row, uint64_t size)
{
    struct fd f;
    int r = fd_open(&f, &h->scope, row->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (r == 0) {
        r = fd_truncate(f.n, row->length);
        fd_close(&f);
    }
    if (r < 0) {
        log_error(
            h->sink->name,
            "cannot cut %s back to what is secured, %llu of %llu bytes: %s; lines may repeat",
            row->path, (unsigned long long)row->length, (unsigned long long)size,
            strerror(-r));
        rows_set_length(h->rows, row, size);
        return;
    }
    h->recovered_bytes += size - row->length;
    log_info(h->sink->name,
             "cut %s back by %llu bytes that were not secured; they are written again",
             row->path, (unsigned long long)(size - row->length));
}

static void recover(struct housekeeping *h, struct local_row *row)
{
    struct stat st;
    int there = is_there(row, &st);
    if (there < 0) {
        log_warn(h->sink->name, "cannot look at %s: %s", row->path,
                 strerror(-there));
        return;
    }
    if (!there) {
        log_debug(h->sink->name, "%s is gone or not ours any more", row->path);
        rows_drop(h->rows, row);
        return;
    }
    if ((uint64_t)st.st_size > row->length) {
        cut_back(h, row, (uint64_t)st.st_size);
    } else if ((uint64_t)st.st_size < row->length) {
        log_warn(h->sink->name, "%s is shorter than what was written to it; leaving it as it is",
                 row->path);
        rows_set_length(h->rows, row, (uint64_t)st.st_size);
    }
}

static void remove_file(struct housekeeping *h, struct local_row *row)
{
    struct stat st;
    int there = is_there(row, &st);
    if (there == 1 && file_unlink(row->path) < 0)
        return;
    /* Else a power cut may bring it back when nobody knows any more whose it is. If it cannot be synced, that is all it costs. */
    if (there == 1)
        (void)file_sync_name(&h->scope, row->path);
    rows_drop(h->rows, row);
}

void housekeeping_recover(struct housekeeping *h)
{
    for (struct local_row *row = h->rows->first; row; row = row->next)
        if (!row->gone)
            recover(h, row);
    for (struct local_row *row = h->rows->first; row; row = row->next) {
        struct local_row *gz = row->gone || !is_rotated(row->path) ? NULL : compressed_of(h, row);
        if (gz)
            remove_file(h, gz->length ? row : gz);
    }
    rows_sweep(h->rows);
}

/* ---- compression ---- */

static void zlib_end(struct thing *t)
{
    deflateEnd(&container_of(t, struct housekeeping, zlib)->stream);
}

static int begin_zlib(struct housekeeping *h)
{
    int r = thing_begin(&h->zlib, &h->work, BIRTH_HANDLE, "gzip", 0, zlib_end);
    if (r < 0)
        return r;
    h->stream = (z_stream){0};
    if (deflateInit2(&h->stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        thing_unborn(&h->zlib);
        return -ENOMEM;
    }
    return 0;
}

static void give_up(struct housekeeping *h, int err)
{
    log_warn(h->sink->name, "cannot compress %s: %s; it stays as it is", h->from->path, strerror(err));
    h->from->open = false;
    if (h->to) {
        h->to->open = false;
        file_unlink(h->to->path);
        rows_drop(h->rows, h->to);
    }
    h->from->plain = true;
    scope_end(&h->work);
    h->state = SQUEEZE_IDLE;
}

static void begin_squeeze(struct housekeeping *h, struct local_row *from)
{
    char path[PATH_MAX];
    struct stat st;
    int r = scope_begin(&h->work, &h->scope, "compression");
    if (r < 0)
        return;
    h->from = from;
    h->to = NULL;
    from->open = true;
    if (snprintf(path, sizeof path, "%s.gz", from->path) >= (int)sizeof path)
        r = -ENAMETOOLONG;
    if (r == 0)
        r = fd_open(&h->in, &h->work, from->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (r == 0)
        r = begin_zlib(h);
    if (r == 0 && !(h->buffers = mem_new(&h->work, 2 * SLICE, "compression")))
        r = -errno;
    if (r == 0)
        r = fd_open(&h->out, &h->work, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0640);
    if (r == 0) {
        if (fstat(h->out.n, &st) == 0)
            h->to = rows_add(h->rows, path, 0, st.st_ino);
        if (!h->to) {
            file_unlink(path);
            r = -ENOMEM;
        } else {
            h->to->open = true;
        }
    }
    if (r < 0) {
        give_up(h, -r);
        return;
    }
    h->state = SQUEEZE_ANNOUNCED;
    nudge_set(&h->slice);
}

/* One slice: 1 there is more, 0 all is written and synced, or -errno. */
static int squeeze(struct housekeeping *h)
{
    unsigned char *in = h->buffers, *out = h->buffers + SLICE;
    ssize_t n = fd_read(h->in.n, in, SLICE);
    if (n < 0)
        return (int)n;
    h->stream.next_in = in;
    h->stream.avail_in = (unsigned)n;
    do {
        h->stream.next_out = out;
        h->stream.avail_out = SLICE;
        deflate(&h->stream, n ? Z_NO_FLUSH : Z_FINISH);
        int r = fd_write_all(h->out.n, out, SLICE - h->stream.avail_out);
        if (r < 0)
            return r;
    } while (h->stream.avail_out == 0);
    if (n > 0)
        return 1;
    int r = fd_sync(h->out.n);
    return r < 0 ? r : file_sync_name(&h->work, h->to->path);
}

static void finish_squeeze(struct housekeeping *h)
{
    remove_file(h, h->from);
    h->from->open = h->to->open = false;
    h->compressed++;
    scope_end(&h->work);
    h->state = SQUEEZE_IDLE;
    housekeeping_run(h);
}

static void on_slice(struct nudge *n)
{
    struct housekeeping *h = container_of(n, struct housekeeping, slice);
    if (h->state == SQUEEZE_ANNOUNCED && row_is_known(h->rows, h->to))
        h->state = SQUEEZE_RUNNING;
    if (h->state == SQUEEZE_RUNNING) {
        int r = squeeze(h);
        if (r < 0) {
            give_up(h, -r);
        } else if (r > 0) {
            nudge_set(&h->slice);
        } else {
            rows_set_length(h->rows, h->to, h->stream.total_out);
            h->state = SQUEEZE_DONE;
        }
    }
    if (h->state == SQUEEZE_DONE && row_is_known(h->rows, h->to))
        finish_squeeze(h);
}

void housekeeping_stored(struct housekeeping *h)
{
    if (h->state != SQUEEZE_IDLE)
        nudge_set(&h->slice);
    rows_sweep(h->rows);
}

/* ---- retention ---- */

/* The oldest file that may be deleted, and how much there is. */
static struct local_row *find_oldest(struct housekeeping *h, int64_t *when, uint64_t *total)
{
    struct local_row *oldest = NULL;
    *total = 0;
    for (struct local_row *row = h->rows->first; row; row = row->next) {
        struct stat st;
        if (row->gone || is_there(row, &st) != 1)
            continue;
        *total += (uint64_t)st.st_size;
        int64_t written = st.st_mtim.tv_sec * SECOND + st.st_mtim.tv_nsec;
        if (!row->open && (!oldest || written < *when)) {
            oldest = row;
            *when = written;
        }
    }
    return oldest;
}

static void retain(struct housekeeping *h)
{
    const struct local_file_config *c = &h->sink->config->local_file;
    if (c->retention == 0 && c->retention_size == 0)
        return;
    for (;;) {
        int64_t when = 0;
        uint64_t total;
        struct local_row *oldest = find_oldest(h, &when, &total);
        bool old = c->retention && oldest && clock_real() - when > c->retention;
        bool much = c->retention_size && total > c->retention_size;
        if (!oldest || (!old && !much))
            return;
        log_info(h->sink->name, "deleting %s: %s", oldest->path,
                 old ? "older than retention" : "more than retention_size");
        remove_file(h, oldest);
        if (!oldest->gone)
            return;
        h->deleted++;
    }
}

void housekeeping_run(struct housekeeping *h)
{
    retain(h);
    for (struct local_row *row = h->rows->first;
         row && h->state == SQUEEZE_IDLE && h->sink->config->local_file.compress; row = row->next)
        if (!row->gone && !row->open && !row->plain && is_rotated(row->path))
            begin_squeeze(h, row);
    rows_sweep(h->rows);
}
