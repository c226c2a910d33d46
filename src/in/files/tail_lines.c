#include <string.h>

#include "base/clock.h"
#include "codec/lines.h"
#include "in/files/reading.h"
#include "in/files/tail.h"

enum { PROBE_BYTES = 16 * 1024 };

static bool continues_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Where a line of more than `max` bytes is split: not within a UTF-8 sequence. */
static uint32_t split_at(const char *line, uint32_t max)
{
    uint32_t at = max;
    while (at > 0 && max - at < 3 && continues_character(line[at]))
        at--;
    return at == 0 || continues_character(line[at]) ? max : at;
}

/* A finished line that is too long becomes several records, or a shorter one. */
static void limit_line(struct reading *r, uint32_t i)
{
    struct batch *b = r->b;
    uint32_t max = (uint32_t)r->max_line;
    struct mark *m = &b->marks[i];
    if (r->config->long_lines == LONG_CUT) {
        b->cut_bytes += m->len - max;
        m->len = max;
        return;
    }
    if (b->n == b->cap && --b->n == i) /* the last line is read again in the next batch, be it this one */
        return;
    uint32_t at = split_at(b->data + m->off, max);
    memmove(m + 1, m, (b->n - i) * sizeof *m);
    b->n++;
    m[0].len = at;
    m[0].end = m[0].off + at;
    m[1].off += at;
    m[1].len -= at;
}

static void limit_lines(struct reading *r)
{
    struct batch *b = r->b;
    uint64_t max = r->max_line;
    for (uint32_t i = 0; r->n > max && i < b->n; i++)
        if (b->marks[i].len > max)
            limit_line(r, i);
}

/* The head of a line that does not end within what was read; the rest is skipped, or the next record. */
static void mark_head(struct reading *r, uint32_t from)
{
    struct batch *b = r->b;
    uint32_t max = (uint32_t)r->max_line;
    if (r->config->long_lines == LONG_CUT) {
        batch_mark(b, (struct mark){.off = from, .len = max, .end = r->n});
        b->cut_bytes += r->n - from - max;
        r->file->skipping = true;
        b->used = r->n;
        return;
    }
    uint32_t at = split_at(b->data + from, max);
    batch_mark(b, (struct mark){.off = from, .len = at, .end = from + at});
    b->used = from + at;
}

bool tail_in_cut_line(struct files *f, const struct file *file)
{
    char piece[PROBE_BYTES];
    uint64_t left = f->options->max_line_bytes + 1;
    if (file->group->config->long_lines != LONG_CUT || file->offset < left)
        return false;
    struct plain *p = plain_open(&f->scope, file->reader->fd.n);
    bool within = p && plain_skip(p, file->offset - left) == 0;
    while (within && left) {
        size_t want = left < sizeof piece ? left : sizeof piece;
        within = plain_read(p, piece, want) == (ssize_t)want && !memchr(piece, '\n', want);
        left -= want;
    }
    plain_close(p);
    return within;
}

/* The rest of a line that was cut; returns where the next line begins. */
static uint32_t skip_cut(struct reading *r)
{
    if (!r->file->skipping)
        return 0;
    const char *end = memchr(r->b->data, '\n', r->n);
    uint32_t skipped = end ? (uint32_t)(end - r->b->data) : r->n;
    r->b->cut_bytes += skipped;
    r->file->skipping = !end;
    return end ? skipped + 1 : r->n;
}

static void mark_lines(struct reading *r)
{
    struct batch *b = r->b;
    uint32_t first = skip_cut(r), used = 0;
    b->n = lines_mark(b->data + first, r->n - first, b->marks, b->cap, &used);
    for (uint32_t i = 0; first && i < b->n; i++) {
        b->marks[i].off += first;
        b->marks[i].end += first;
    }
    b->used = first + used;
    limit_lines(r);
    if (b->n)
        b->used = b->marks[b->n - 1].end;
    uint32_t rest = r->n - b->used;
    if (b->n == 0 && rest > r->max_line)
        mark_head(r, b->used);
    else if (rest && r->at_end && b->n < b->cap && (r->complete || reading_partial_is_due(r))) {
        if (!memchr(b->data + b->used, '\n', rest)) {
            batch_mark(b, (struct mark){.off = b->used, .len = rest, .end = r->n});
            b->used = r->n;
        }
    }
}

/* Whether what was read but not marked is more than the beginning of a line: the marks were full, or it is too long. */
static bool more_to_mark(const struct reading *r)
{
    uint32_t rest = r->n - r->b->used;
    return rest > r->max_line || memchr(r->b->data + r->b->used, '\n', rest);
}

int reading_mark_lines(struct reading *r)
{
    struct file *file = r->file;
    struct batch *b = r->b;
    mark_lines(r);
    b->to = b->from + b->used;
    bool flush = r->complete || file->flush;
    r->more = more_to_mark(r);
    file->pending = false;
    if (b->n)
        file->pending = pipeline_run(r->pipeline, b, b->recipe.anchor, &file->reader->tie, r->max_line, flush && r->at_end) == 1;
    r->used = (uint32_t)(b->to - b->from);
    return 0;
}
