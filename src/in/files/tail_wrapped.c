#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "core/messages.h"
#include "in/files/reading.h"

enum {
    LINES_MAX = 8192, /* of a batch */
    WIDE_LINES_MAX = 4 * LINES_MAX,
    LINE_GUESS = 40,  /* bytes, wrapping included */
    WIDE = 8,         /* of max_line_bytes: a record of each stream, and what escapes and wrapping add */
    SHARE = 4,        /* of the memory for batches, that one may take at most */
};

uint32_t wrapped_lines_in(uint64_t size, bool wide)
{
    uint64_t lines = size / LINE_GUESS + 16, most = wide ? WIDE_LINES_MAX : LINES_MAX;
    return (uint32_t)(lines < most ? lines : most);
}

uint64_t wrapped_wide_chunk(const struct files *f)
{
    uint64_t usual = f->options->max_line_bytes + 64 * 1024, share = f->dispatcher->pool->limit / SHARE;
    uint64_t wide = f->options->max_line_bytes * WIDE + 64 * 1024;
    wide = wide < share ? wide : share;
    wide = wide < UINT32_MAX / 4 ? wide : UINT32_MAX / 4;
    return wide > usual ? wide : usual;
}

/* A rest cannot be read again, and what is unescaped in the batch is not what it was: the carry keeps it all. */
static int keep_raw(struct reading *r)
{
    struct buf *carry = &r->file->reader->carry;
    int e = buf_reserve(carry, r->tail_len + r->n + r->beyond);
    if (e < 0)
        return e;
    buf_clear(carry);
    buf_add(carry, r->tail, r->tail_len);
    return buf_add(carry, r->b->data, r->n + r->beyond);
}

/* What has no line end, and gets none, is a line. */
static void mark_rest(struct batch *b, uint32_t n)
{
    batch_mark(b, (struct mark){.off = b->used, .len = n - b->used, .end = n, .stream = WRAPPED_BARE, .time = WRAPPED_NO_TIME});
    b->used = n;
}

static enum messages_end end_of(const struct reading *r, bool all, bool flush)
{
    if (flush)
        return MESSAGES_FLUSH;
    if (r->at_end && all)
        return MESSAGES_WAIT;
    return r->file->wide ? MESSAGES_FORCE : MESSAGES_MORE;
}

static void count(struct reading *r, const struct messages *m)
{
    struct followed *fl = followed_of(r->file);
    if (fl) {
        fl->malformed += m->malformed;
        fl->torn += m->torn;
    }
    atomic_fetch_add(&r->f->stats.malformed, m->malformed);
    atomic_fetch_add(&r->f->stats.torn, m->torn);
}

int reading_mark_over(struct reading *r, uint32_t own, bool exact)
{
    struct batch *b = r->b;
    struct messages m = {.max_bytes = r->max_line, .cut_long = r->config->long_lines == LONG_CUT,
                         .end = exact ? MESSAGES_FLUSH : MESSAGES_WAIT, .least = exact ? 0 : own + 1};
    b->n = wrapped_mark(r->config->wrapping, b->data, r->n, b->marks, messages_lines(b->cap, r->n, r->max_line), &b->used, &r->changed);
    int e = messages_make(&m, r->pipeline, b, &r->f->scope, b->recipe.anchor, &r->file->reader->tie);
    if (e == 0)
        e = outlets_connect(r->outlets, b);
    if (e < 0)
        return e;
    /* All of it is secured with the file's own bytes. */
    for (uint32_t i = 0; i < b->n; i++)
        b->marks[i].end = b->marks[i].end < own ? b->marks[i].end : own;
    r->used = m.to;
    r->changed |= m.changed;
    count(r, &m);
    return 0;
}

int reading_mark_wrapped(struct reading *r)
{
    struct file *file = r->file;
    struct batch *b = r->b;
    uint32_t lines = messages_lines(b->cap, r->n, r->max_line);
    if (reading_is_plain(r) && keep_raw(r) < 0)
        return -ENOMEM;
    b->n = wrapped_mark(r->config->wrapping, b->data, r->n, b->marks, lines, &b->used, &r->changed);
    uint32_t rest = r->n - b->used;
    bool all = b->n < lines || !memchr(b->data + b->used, '\n', rest);
    r->unwritten = rest && all && !r->complete && followed_is_written(file);
    bool over = r->complete || followed_stopped(file), flush = all && r->at_end && !r->unwritten && (over || file->flush);
    struct messages m = {.max_bytes = r->max_line, .cut_long = r->config->long_lines == LONG_CUT, .end = end_of(r, all, flush)};
    if (rest && all && b->n < lines && ((flush && (over || reading_partial_is_due(r))) || (m.end == MESSAGES_FORCE && b->n == 0)))
        mark_rest(b, r->n);
    int e = messages_make(&m, r->pipeline, b, &r->f->scope, b->recipe.anchor, &file->reader->tie);
    if (e == 0)
        e = outlets_connect(r->outlets, b);
    if (e < 0)
        return e;
    r->used = m.to;
    r->more = !all;
    r->changed |= m.changed;
    r->narrow = m.to == 0 && m.end == MESSAGES_MORE;
    file->wide = r->narrow || (m.to == 0 && file->wide);
    file->pending = m.for_lines;
    count(r, &m);
    return 0;
}
