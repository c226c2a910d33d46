#include "store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/fault.h"
#include "store/spool_record.h"

enum { NAME_DIGITS = 10, SEGMENTS_MAX = 64 << 20 /* bytes of the list: never met */ };

static int path_of(const struct spool *s, uint32_t number, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s/%0*u.seg", s->directory, NAME_DIGITS, number);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* ---- segments ---- */

static struct spool_segment *all(const struct spool *s)
{
    return (void *)s->segments.data;
}

unsigned spool_count(const struct spool *s)
{
    return (unsigned)(s->segments.len / sizeof(struct spool_segment));
}

const struct spool_segment *spool_at(const struct spool *s, unsigned i)
{
    return &all(s)[i];
}

const struct spool_segment *spool_from(const struct spool *s, uint32_t number)
{
    unsigned low = 0, high = spool_count(s);
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (all(s)[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spool_count(s) ? &all(s)[low] : NULL;
}

static struct spool_segment *last(struct spool *s)
{
    return &all(s)[spool_count(s) - 1];
}

void spool_seal(struct spool *s, uint32_t number)
{
    if (s->writer.n >= 0 && last(s)->number == number)
        fd_close(&s->writer);
}

int spool_remove(struct spool *s, uint32_t number)
{
    char path[PATH_MAX];
    struct spool_segment *at = (struct spool_segment *)spool_from(s, number);
    if (!at || at->number != number)
        return 0;
    spool_seal(s, number);
    int r = path_of(s, number, path);
    if (r == 0)
        r = file_unlink(path);
    if (r < 0 && r != -ENOENT)
        return r;
    s->bytes -= at->size;
    size_t behind = (size_t)(all(s) + spool_count(s) - at - 1) * sizeof *at;
    memmove(at, at + 1, behind);
    s->segments.len -= sizeof *at;
    return 0;
}

/* ---- life ---- */

/* 0: not the name of a segment. */
static uint32_t number_of(const char *name)
{
    if (strspn(name, "0123456789") != NAME_DIGITS || strcmp(name + NAME_DIGITS, ".seg") != 0)
        return 0;
    unsigned long long n = strtoull(name, NULL, 10);
    return n < UINT32_MAX ? (uint32_t)n : 0;
}

static int add_segment(struct spool *s, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    struct spool_segment segment = {.number = number_of(name)};
    if (!segment.number)
        return 0;
    int r = path_of(s, segment.number, path);
    if (r == 0)
        r = file_stat(path, &st);
    if (r < 0 || !S_ISREG(st.st_mode))
        return r == -ENOENT ? 0 : r;
    segment.size = (uint64_t)st.st_size < UINT32_MAX ? (uint64_t)st.st_size : UINT32_MAX;
    s->bytes += segment.size;
    return buf_add(&s->segments, &segment, sizeof segment);
}

static int by_number(const void *a, const void *b)
{
    const struct spool_segment *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int list(struct spool *s)
{
    struct dir d;
    int r = dir_open(&d, &s->scope, s->directory);
    if (r < 0)
        return r;
    struct dirent *e = NULL;
    while (r == 0 && (e = dir_next(&d)))
        r = add_segment(s, e->d_name);
    if (r == 0 && errno)
        r = -errno;
    dir_close(&d);
    if (spool_count(s))
        qsort(s->segments.data, spool_count(s), sizeof(struct spool_segment), by_number);
    return r;
}

static int begin(struct spool *s, const char *directory)
{
    s->directory = scope_strdup(&s->scope, directory);
    int r = s->directory ? 0 : -ENOMEM;
    if (r == 0)
        r = buf_begin(&s->segments, &s->scope, "segments", SEGMENTS_MAX);
    if (r == 0)
        r = buf_begin(&s->head, &s->scope, "record's head", SPOOL_HEAD_MAX);
    return r < 0 ? r : list(s);
}

static void number_from(struct spool *s, uint64_t after)
{
    uint32_t highest = spool_segment(after);
    if (spool_count(s) && last(s)->number > highest)
        highest = last(s)->number;
    s->next_number = highest + 1;
    s->barrier = spool_place(s->next_number, 0);
}

int spool_begin(struct spool *s, struct scope *owner, const char *directory, uint64_t segment_size, uint64_t after)
{
    memset(s, 0, sizeof *s);
    s->segment_size = segment_size;
    s->writer.n = s->directory_fd.n = -1;
    int r = scope_begin(&s->scope, owner, "spool");
    if (r < 0)
        return r;
    r = file_mkdirs(&s->scope, directory, 0700);
    if (r == 0)
        r = begin(s, directory);
    if (r == 0)
        r = fd_open(&s->directory_fd, &s->scope, directory, O_RDONLY | O_DIRECTORY, 0);
    if (r < 0)
        scope_end(&s->scope);
    else
        number_from(s, after);
    return r;
}

void spool_end(struct spool *s)
{
    if (thing_alive(&s->scope.thing))
        scope_end(&s->scope);
}

/* ---- writing ---- */

static int begin_segment(struct spool *s)
{
    char path[PATH_MAX];
    struct spool_segment segment = {.number = s->next_number};
    int r = path_of(s, segment.number, path);
    if (r == 0)
        r = buf_reserve(&s->segments, sizeof segment);
    if (r == 0)
        r = fd_open(&s->writer, &s->scope, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (r == -EEXIST)
        s->next_number++; /* somebody's: left alone */
    if (r < 0)
        return r;
    buf_add(&s->segments, &segment, sizeof segment);
    s->next_number++;
    s->synced = 0;
    s->unsynced_name = true;
    return 0;
}

static int write_all(int fd, struct iovec *iov, int n)
{
    while (n) {
        ssize_t w = fd_writev(fd, iov, n);
        if (w < 0)
            return (int)w;
        for (; n && (size_t)w >= iov->iov_len; iov++, n--)
            w -= (ssize_t)iov->iov_len;
        if (n) {
            iov->iov_base = (char *)iov->iov_base + w;
            iov->iov_len -= (size_t)w;
        }
    }
    return 0;
}

static int ensure_segment(struct spool *s, uint64_t size)
{
    if (s->writer.n >= 0 && last(s)->size && last(s)->size + size > s->segment_size) {
        int r = spool_sync(s);
        if (r < 0)
            return r;
        fd_close(&s->writer);
    }
    return s->writer.n >= 0 ? 0 : begin_segment(s);
}

int spool_append(struct spool *s, struct spool_head *h, const char *labels, const struct mark *marks, const char *data)
{
    h->body_hash = record_body_hash(h, labels, marks, data);
    int r = record_encode(&s->head, h);
    uint64_t size = s->head.len + record_body_size(h);
    if (r == 0 && size > INT32_MAX)
        r = -EMSGSIZE;
    if (r == 0)
        r = ensure_segment(s, size);
    if (r < 0)
        return r;
    struct spool_segment *segment = last(s);
    struct iovec iov[] = {{s->head.data, s->head.len},
                          {(void *)(uintptr_t)labels, h->labels_size},
                          {(void *)(uintptr_t)marks, h->n_marks * sizeof *marks},
                          {(void *)(uintptr_t)data, h->data_size}};
    r = write_all(s->writer.n, iov, sizeof iov / sizeof *iov);
    if (r < 0)
        return r;
    h->place = spool_place(segment->number, (uint32_t)segment->size);
    segment->size += size;
    h->next = h->place + size;
    s->bytes += size;
    s->written += size;
    return 0;
}

int spool_sync(struct spool *s)
{
    if (s->writer.n < 0)
        return 0;
    int r = fd_sync(s->writer.n);
    if (r == 0 && s->unsynced_name)
        r = fd_sync_names(s->directory_fd.n);
    if (r < 0)
        return r;
    s->unsynced_name = false;
    s->synced = last(s)->size;
    return 0;
}

/* What a failed sync left on the disk is not known: it is never synced again, and nothing is put behind it. */
void spool_undo(struct spool *s)
{
    if (s->writer.n >= 0) {
        struct spool_segment *segment = last(s);
        s->bytes -= segment->size - s->synced;
        segment->size = s->synced;
        (void)fd_truncate(s->writer.n, s->synced);
        fd_close(&s->writer);
        if (s->synced == 0)
            (void)spool_remove(s, segment->number);
    }
    s->barrier = spool_place(s->next_number, 0);
}

int spool_disk(const struct spool *s, uint64_t *available, uint64_t *size)
{
    struct statvfs v;
    if (fault_here("statvfs") || statvfs(s->directory, &v) < 0)
        return -errno;
    *available = (uint64_t)v.f_bavail * v.f_frsize;
    *size = (uint64_t)v.f_blocks * v.f_frsize;
    return 0;
}
