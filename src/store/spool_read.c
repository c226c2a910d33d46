#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "store/spool_record.h"

enum { USUAL_HEAD = 512 };

int spool_reader_begin(struct spool_reader *r, struct spool *s, struct scope *owner)
{
    *r = (struct spool_reader){.spool = s, .file.n = -1};
    return buf_begin(&r->head, owner, "head read", SPOOL_HEAD_MAX);
}

void spool_reader_end(struct spool_reader *r)
{
    fd_close(&r->file);
    buf_end(&r->head);
}

static int open_segment(struct spool_reader *r, uint32_t number)
{
    char path[PATH_MAX];
    if (r->file.n >= 0 && r->number == number)
        return 0;
    fd_close(&r->file);
    if (snprintf(path, sizeof path, "%s/%010u.seg", r->spool->directory, number) >= (int)sizeof path)
        return -ENAMETOOLONG;
    r->number = number;
    return fd_open(&r->file, &r->spool->scope, path, O_RDONLY | O_NOFOLLOW, 0);
}

/* All of it, or -EUCLEAN: the file is shorter. */
static int read_all(int fd, struct iovec *iov, int n, uint64_t offset)
{
    while (n) {
        ssize_t got = fd_preadv(fd, iov, n, offset);
        if (got < 0)
            return (int)got;
        bool at_end = got == 0;
        offset += (uint64_t)got;
        for (; n && (size_t)got >= iov->iov_len; iov++, n--)
            got -= (ssize_t)iov->iov_len;
        if (n && at_end)
            break;
        if (n) {
            iov->iov_base = (char *)iov->iov_base + got;
            iov->iov_len -= (size_t)got;
        }
    }
    return n ? -EUCLEAN : 0;
}

static int parse_at(struct spool_reader *r, uint64_t offset, uint64_t end, struct spool_head *h, bool *cut)
{
    size_t have = 0, want = USUAL_HEAD;
    for (;;) {
        if (want > end - offset)
            want = end - offset;
        *cut = want <= have;
        int e = *cut ? -EUCLEAN : buf_reserve(&r->head, want);
        if (e < 0)
            return e;
        struct iovec iov = {r->head.data + have, want - have};
        e = read_all(r->file.n, &iov, 1, offset + have);
        if (e < 0)
            return e;
        have = want;
        e = spool_parse_head(r->head.data, have, h);
        if (e != -EAGAIN)
            return e;
        want = h->next;
    }
}

static int next_segment(const struct spool *s, uint32_t number, struct spool_head *h)
{
    const struct spool_segment *next = spool_from(s, number + 1);
    memset(h, 0, sizeof *h);
    h->next = next ? spool_place(next->number, 0) : UINT64_MAX;
    return 1;
}

/* cut: it is not readable because the file ends within it. */
static int read_head(struct spool_reader *r, uint64_t place, struct spool_head *h, bool *cut)
{
    uint32_t number = spool_segment(place);
    uint64_t offset = (uint32_t)place;
    const struct spool_segment *segment = spool_from(r->spool, number);
    if (!segment || segment->number != number)
        return -ENOENT;
    if (offset >= segment->size)
        return next_segment(r->spool, number, h);
    int e = open_segment(r, number);
    if (e == 0)
        e = parse_at(r, offset, segment->size, h, cut);
    if (e < 0)
        return e;
    *cut = h->next > segment->size - offset;
    if (*cut)
        return -EUCLEAN;
    h->place = place;
    h->next += place;
    return 0;
}

int spool_read_head(struct spool_reader *r, uint64_t place, struct spool_head *h)
{
    bool cut;
    return read_head(r, place, h, &cut);
}

static bool good_marks(const struct spool_head *h, const struct mark *marks)
{
    for (uint32_t i = 0; i < h->n_marks; i++)
        if (marks[i].off > h->data_size || marks[i].len > h->data_size - marks[i].off || marks[i].stream >= h->n_streams)
            return false;
    return true;
}

static bool good_labels(const struct spool_head *h, const char *labels)
{
    struct label items[STREAM_LABELS];
    const char *at = labels, *end = labels + h->labels_size;
    for (unsigned i = 0; i < h->n_streams; i++)
        if (spool_next_labels(&at, end, items) < 0)
            return false;
    return at == end;
}

int spool_read_body(struct spool_reader *r, const struct spool_head *h, char *labels, struct mark *marks, char *data)
{
    struct iovec iov[] = {{labels, h->labels_size}, {marks, h->n_marks * sizeof *marks}, {data, h->data_size}};
    int e = open_segment(r, spool_segment(h->place));
    if (e == 0)
        e = read_all(r->file.n, iov, sizeof iov / sizeof *iov, (uint32_t)h->next - record_body_size(h));
    if (e < 0)
        return e;
    if (record_body_hash(h, labels, marks, data) != h->body_hash || !good_marks(h, marks) || !good_labels(h, labels))
        return -EUCLEAN;
    return 0;
}

/* ---- looking ---- */

static int check_body(struct spool_reader *r, struct scope *scope, const struct spool_head *h, struct spool_found *found)
{
    size_t marks = h->n_marks * sizeof(struct mark);
    char *body = mem_new(scope, record_body_size(h) + 1, "record");
    if (!body)
        return -errno;
    int e = spool_read_body(r, h, body + marks, (struct mark *)(void *)body, body + marks + h->labels_size);
    mem_free(body);
    found->damaged += e == -EUCLEAN;
    return e == -EUCLEAN ? 0 : e;
}

static int check_segment(struct spool_reader *r, struct scope *scope, uint32_t number, struct spool_found *found)
{
    struct spool_head h;
    bool cut = false;
    int e;
    for (uint64_t place = spool_place(number, 0); (e = read_head(r, place, &h, &cut)) == 0; place = h.next) {
        found->records++;
        e = check_body(r, scope, &h, found);
        if (e < 0)
            return e;
    }
    found->unreadable += e == -EUCLEAN && !cut;
    found->unfinished += e == -EUCLEAN && cut;
    return e == -EUCLEAN || e == 1 ? 0 : e;
}

int spool_check(struct scope *owner, const char *directory, struct spool_found *found)
{
    struct spool s;
    struct spool_reader r;
    struct stat st;
    *found = (struct spool_found){0};
    int e = file_stat(directory, &st);
    if (e == 0)
        e = spool_begin(&s, owner, directory, SPOOL_SEGMENT, 0);
    if (e < 0)
        return e;
    e = spool_reader_begin(&r, &s, &s.scope);
    for (unsigned i = 0; e == 0 && i < spool_count(&s); i++)
        e = check_segment(&r, &s.scope, spool_at(&s, i)->number, found);
    found->segments = spool_count(&s);
    found->bytes = s.bytes;
    spool_end(&s);
    return e;
}
