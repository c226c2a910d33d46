#include "in/files/tail.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/lines.h"
#include "in/files/again.h"
#include "in/files/descriptors.h"
#include "in/files/monitor.h"
#include "in/files/rotation.h"

enum {
    CHUNK_MORE = 64 * 1024, /* beyond max_line_bytes */
    MARKS_MAX = 8192,
    LINE_GUESS = 40,        /* bytes, for the number of marks */
    PROBE_BYTES = 16 * 1024,
    RETRY_MS = 1000,
    HOLE_MIN = 1024 * 1024, /* bytes that a file may lack on disk before holes are looked for */
};

struct reading {
    struct files *f;
    struct file *file;
    struct batch *b;
    /* By what lines are made of it: the group's, or those of the span. */
    const struct files_group *config;
    struct pipeline *pipeline;
    struct stream *stream;
    uint64_t max_line;
    const struct past_span *span; /* that is read again; NULL: it is read for the first time */
    uint64_t limit;       /* a span begins there, and so a record */
    char tail[TAIL_BYTES];
    uint32_t tail_len, n; /* bytes before the offset, and read into the batch */
    uint32_t beyond;      /* of a rest: read into the batch behind the limit */
    bool at_end;          /* nothing lies behind what was read */
    bool last;            /* of a rest: that was all */
    int damage;           /* -errno: because it cannot be read any further */
    bool complete;        /* what has no end will get none: it is the last, or ends at the limit */
};

/* Read through `plain`: a rest. */
static bool is_plain(const struct file *file)
{
    return file->reader && file->reader->plain;
}

static enum turn blocked(struct files *f, struct file *file)
{
    atomic_store(&file->source->state, SOURCE_WAITING);
    return TURN_BLOCKED;
}

/* ---- what is there ---- */

/* Whether a line end, or too much for one line, lies in what came since the last look. */
static bool worth_reading(struct files *f, struct file *file)
{
    char probe[PROBE_BYTES];
    if (file->scanned == 0 || file->pending || file->flush)
        return true;
    while (file->offset + file->scanned < file->size) {
        ssize_t n = fd_pread(file->reader->fd.n, probe, sizeof probe, file->offset + file->scanned);
        if (n <= 0)
            return n < 0;
        if (memchr(probe, '\n', (size_t)n) || file->scanned + (uint64_t)n > f->options->max_line_bytes)
            return true;
        file->scanned += (uint64_t)n;
    }
    return false;
}

/* What lies behind belongs to a record that begins there. */
static void stop_at_limit(struct reading *r)
{
    if (r->file->offset + r->n < r->limit)
        return;
    uint32_t n = (uint32_t)(r->limit - r->file->offset);
    r->beyond = r->n - n;
    r->n = n;
    r->at_end = r->complete = true;
}

static ssize_t read_file(struct reading *r)
{
    struct file *file = r->file;
    r->tail_len = file->offset < TAIL_BYTES ? (uint32_t)file->offset : TAIL_BYTES;
    struct iovec iov[2] = {{r->tail, r->tail_len}, {r->b->data, r->b->size}};
    ssize_t n = fd_preadv(file->reader->fd.n, iov, 2, file->offset - r->tail_len);
    if (n < 0)
        return n;
    if (n < r->tail_len ||
        (file->tail_hash && fingerprint(r->tail, r->tail_len) != file->tail_hash))
        return -ESTALE;
    r->n = (uint32_t)n - r->tail_len;
    r->at_end = r->n < r->b->size || file->offset + r->n >= file->size;
    stop_at_limit(r);
    return 0;
}

static ssize_t read_plain(struct reading *r)
{
    struct file *file = r->file;
    r->tail_len = file->offset < TAIL_BYTES ? (uint32_t)file->offset : TAIL_BYTES;
    memcpy(r->tail, file->reader->carry.data, r->tail_len);
    uint32_t kept = (uint32_t)file->reader->carry.len - r->tail_len, have = kept;
    memcpy(r->b->data, file->reader->carry.data + r->tail_len, kept);
    ssize_t n = 1;
    while (have < r->b->size && (n = plain_read(file->reader->plain, r->b->data + have, r->b->size - have)) > 0)
        have += (uint32_t)n;
    if (n < 0 && have == 0)
        return n;
    r->n = have;
    r->at_end = r->complete = r->last = n <= 0;
    r->damage = n < 0 ? (int)n : 0;
    stop_at_limit(r);
    return 0;
}

/* A hole is no text: it is stepped over. Returns its end, or the offset. */
static uint64_t hole_end(const struct file *file, const struct facts *facts)
{
    if (facts->allocated + HOLE_MIN > facts->size)
        return file->offset;
    off_t data = lseek(file->reader->fd.n, (off_t)file->offset, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? facts->size : file->offset;
    return (uint64_t)data;
}

/* ---- marks ---- */

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

/* A multi-line record may be flushed earlier than a line without an end. */
static bool partial_is_due(const struct reading *r)
{
    return r->file->flush && clock_mono() - r->file->grown >= r->f->options->partial_flush;
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
    else if (rest && r->at_end && b->n < b->cap && (r->complete || partial_is_due(r))) {
        if (!memchr(b->data + b->used, '\n', rest)) {
            batch_mark(b, (struct mark){.off = b->used, .len = rest, .end = r->n});
            b->used = r->n;
        }
    }
}

/* ---- handing over ---- */

/* The last bytes before `used` bytes behind the offset. */
static uint32_t last_bytes(const struct reading *r, uint32_t used, char out[TAIL_BYTES])
{
    if (used >= TAIL_BYTES) {
        memcpy(out, r->b->data + used - TAIL_BYTES, TAIL_BYTES);
        return TAIL_BYTES;
    }
    uint32_t old = TAIL_BYTES - used < r->tail_len ? TAIL_BYTES - used : r->tail_len;
    memcpy(out, r->tail + r->tail_len - old, old);
    memcpy(out + old, r->b->data, used);
    return old + used;
}

static uint64_t tail_at(const struct reading *r, uint32_t used)
{
    char tail[TAIL_BYTES];
    uint32_t n = last_bytes(r, used, tail);
    return fingerprint(tail, n);
}

/* What cannot be read again: the tail before the next offset, and what was read behind it. */
static void keep_carry(struct reading *r, uint32_t used)
{
    struct file *file = r->file;
    char tail[TAIL_BYTES];
    uint32_t n = last_bytes(r, used, tail), rest = r->n + r->beyond - used;
    buf_clear(&file->reader->carry);
    if (buf_add(&file->reader->carry, tail, n) < 0 || buf_add(&file->reader->carry, r->b->data + used, rest) < 0) {
        file_lost(r->f, file, rest, "no memory to keep them");
        file_finish(r->f, file);
    }
}

static void hand_over(struct reading *r, uint64_t to)
{
    struct files *f = r->f;
    struct file *file = r->file;
    struct batch *b = r->b;
    uint32_t used = (uint32_t)(to - b->from);
    b->used = b->n || used < b->used ? used : b->used;
    b->to = to;
    b->tail_hash = file->tail_hash = tail_at(r, used);
    if (b->cut_bytes)
        atomic_fetch_add(&file->source->cut_bytes, b->cut_bytes);
    file->offset = to;
    atomic_store(&file->source->offset, to);
    atomic_store(&file->source->last_read, clock_real());
    dispatch(f->dispatcher, b);
}

/* Times of a file do not go back, so that their order is its order; the clock may: then they stay where it had been. */
static int64_t anchor_of(const struct reading *r)
{
    struct file *file = r->file;
    int64_t now = clock_real();
    int64_t anchor = r->span ? r->span->recipe.anchor : now > file->last_time ? now : file->last_time + 1;
    if (anchor + r->n > file->last_time)
        file->last_time = anchor + r->n;
    return anchor;
}

/* What must be known to make the same records of the same bytes. */
static void write_recipe(struct reading *r)
{
    struct recipe *recipe = &r->b->recipe;
    struct reader *reader = r->file->reader;
    if (r->span) {
        r->file->skipping = r->span->recipe.skipping;
        reader->tie = (struct pipeline_tie){r->span->recipe.tie, r->span->recipe.ties};
        recipe->settings = settings_get(r->span->settings, strlen(r->span->settings));
    } else
        recipe->settings = settings_ref(reader->settings);
    recipe->span = r->span;
    recipe->skipping = r->file->skipping;
    recipe->tie = reader->tie.found;
    recipe->ties = reader->tie.n;
    recipe->anchor = anchor_of(r);
}

/* How long what has no end yet waits for it. */
static void wait_for_end(struct reading *r)
{
    struct files *f = r->f;
    struct file *file = r->file;
    int64_t patience = f->options->partial_flush;
    if (file->pending)
        patience = file->group->config->multiline.timeout;
    int64_t left = file->grown + patience - clock_mono();
    file_wait(f, file, left > 0 ? left : 0);
}

/* Whether what was read but not marked is more than the beginning of a line: the marks were full, or it is too long. */
static bool more_to_mark(const struct reading *r)
{
    uint32_t rest = r->n - r->b->used;
    return rest > r->max_line || memchr(r->b->data + r->b->used, '\n', rest);
}

/* What is known to have been there is lost. */
static void end_damaged(struct files *f, struct file *file, int err)
{
    file_fail(f, file, "cannot read", err);
    if (file->size > file->offset)
        file_lost(f, file, file->size - file->offset, "what its lines were copied or compressed to is damaged");
    file_finish(f, file);
}

/* The batch was filled: marks it, and dispatches what is whole. */
static enum turn deliver(struct reading *r)
{
    struct files *f = r->f;
    struct file *file = r->file;
    struct batch *b = r->b;
    b->from = file->offset;
    write_recipe(r);
    mark_lines(r);
    b->to = b->from + b->used;
    bool flush = r->complete || file->flush, more = more_to_mark(r);
    file->pending = false;
    if (b->n)
        file->pending = pipeline_run(r->pipeline, b, b->recipe.anchor, &file->reader->tie, r->max_line,
                                     flush && r->at_end) == 1;
    uint64_t to = b->to;
    uint32_t used = (uint32_t)(to - b->from);
    uint64_t rest = r->n - used;
    if (is_plain(file))
        keep_carry(r, used);
    if (to == b->from)
        batch_drop(b);
    else
        hand_over(r, to);
    if (file->finished)
        return TURN_IDLE;
    if ((!r->at_end || file->offset == r->limit) && used)
        return TURN_AGAIN;
    if (is_plain(file) && r->last && rest == 0) {
        if (r->damage)
            end_damaged(f, file, r->damage);
        else
            file_finish(f, file);
        return TURN_IDLE;
    }
    if (rest && used && (more || is_plain(file) || file->flush))
        return TURN_AGAIN;
    file->flush = false;
    file->scanned = rest;
    if (rest)
        wait_for_end(r);
    return file->offset + rest < file->size && !is_plain(file) ? TURN_AGAIN : TURN_IDLE;
}

/* ---- a turn ---- */

/* For a sink that came; what the others were given already is not given to them again. */
static void go_back(struct files *f, struct file *file)
{
    uint64_t reach = source_reach(file->source, 0), tail = 0;
    file->back = false;
    if (reach >= file->offset || tail_take(file->reader->fd.n, reach, &tail) < 0)
        return;
    file_move(file, reach, tail);
    file->flush = false;
    file->skipping = tail_in_cut_line(f, file);
    file->behind = true;
}

/* A record ends where one ended for a sink that was given it, so that it gets no piece of it twice. */
static uint64_t end_for_others(struct file *file)
{
    uint64_t reach = file->behind ? source_reach(file->source, file->offset + 1) : UINT64_MAX;
    file->behind &= reach != UINT64_MAX;
    return reach;
}

static struct batch *new_batch(struct reading *r, uint32_t size, uint32_t marks)
{
    struct files *f = r->f;
    struct batch *b = batch_new(f->dispatcher->pool, r->file->source, size, marks < MARKS_MAX ? marks : MARKS_MAX);
    if (b && r->stream && batch_stream(b, r->stream) < 0) {
        batch_drop(b);
        b = NULL;
        errno = ENOMEM;
    }
    if (!b && errno == EDQUOT)
        pool_wait(f->dispatcher->pool, &f->pool);
    return b;
}

/* A rest also takes what was read behind a limit. */
static uint32_t chunk_size(const struct files *f, const struct file *file, uint64_t remaining)
{
    uint64_t chunk = f->options->max_line_bytes + CHUNK_MORE;
    if (is_plain(file) && file->reader->carry.len > chunk)
        chunk = file->reader->carry.len;
    return (uint32_t)(remaining < chunk ? remaining : chunk);
}

/* Reads into the batch and delivers it. */
static enum turn read_batch(struct reading *r)
{
    struct files *f = r->f;
    struct file *file = r->file;
    ssize_t n = is_plain(file) ? read_plain(r) : read_file(r);
    if (n == 0 && r->n == 0 && !is_plain(file))
        n = -ESTALE; /* shorter than a moment ago */
    if (n < 0) {
        batch_drop(r->b);
        if (n == -ESTALE)
            return rotation_truncated(f, file) ? TURN_AGAIN : TURN_IDLE;
        if (is_plain(file))
            end_damaged(f, file, (int)n);
        else
            file_fail(f, file, "cannot read", (int)n);
        return TURN_IDLE;
    }
    file_well(file);
    atomic_store(&file->source->state, SOURCE_READING);
    if (r->span && !is_plain(file) && file->offset + r->n < r->limit) { /* what was sent is not all there any more */
        batch_drop(r->b);
        past_span_read(f->past, file->source, r->span);
        return TURN_AGAIN;
    }
    return deliver(r);
}

/*
 * What was sent before a kill becomes the same batch again. false: it cannot be, and is read as what is new: its settings are
 * not understood, or there is not so much memory as there was.
 */
static bool read_again(struct files *f, struct file *file, const struct past_span *span, enum turn *turn)
{
    struct again again;
    struct reading r = {.f = f, .file = file, .span = span, .limit = span->to};
    uint64_t size = span->to - span->from;
    uint32_t least = is_plain(file) ? chunk_size(f, file, UINT64_MAX) : 0, marks = size < MARKS_MAX ? (uint32_t)size + 1 : MARKS_MAX;
    if (size > UINT32_MAX / 2 || batch_cost(f->dispatcher->pool, (uint32_t)size, marks) > f->dispatcher->pool->limit / 2)
        return false;
    int e = again_begin(&again, &f->scope, span->settings);
    if (e < 0) {
        *turn = blocked(f, file);
        return e == -ENOMEM;
    }
    r.config = &again.group;
    r.pipeline = again.pipeline;
    r.stream = again.stream;
    r.max_line = again.max_line_bytes;
    r.b = new_batch(&r, size > least ? (uint32_t)size : least, marks);
    *turn = r.b ? read_batch(&r) : blocked(f, file);
    again_end(&again);
    return true;
}

static enum turn fill(struct files *f, struct file *file, uint64_t remaining)
{
    enum turn turn;
    if (!dispatch_ready(f->dispatcher, &f->work))
        return blocked(f, file);
    const struct past_span *span = past_span_at(f->past, file->source, file->offset);
    if (span && span->from == file->offset) {
        struct source *source = source_ref(file->source);
        bool done = read_again(f, file, span, &turn);
        if (!done || atomic_load(&source->offset) > span->from)
            past_span_read(f->past, source, span);
        source_unref(source);
        if (done)
            return turn;
        span = past_span_at(f->past, file->source, file->offset);
    }
    struct reading r = {.f = f, .file = file, .config = file->group->config, .pipeline = file->group->pipeline,
                        .max_line = f->options->max_line_bytes, .limit = end_for_others(file)};
    if (span && span->from < r.limit)
        r.limit = span->from;
    uint32_t size = chunk_size(f, file, remaining);
    if (file_ensure_stream(f, file) < 0)
        return blocked(f, file);
    r.stream = file->reader->stream;
    /* A record of many short lines is joined only if all of them have their marks. */
    r.b = new_batch(&r, size, size / (pipeline_is_multiline(r.pipeline) ? 1 : LINE_GUESS) + 16);
    return r.b ? read_batch(&r) : blocked(f, file);
}

static enum turn skip_hole(struct files *f, struct file *file, uint64_t to)
{
    struct reading r = {.f = f, .file = file};
    if (!dispatch_ready(f->dispatcher, &f->work))
        return blocked(f, file);
    uint64_t tail = 0;
    int e = tail_take(file->reader->fd.n, to, &tail);
    r.b = e < 0 ? NULL : new_batch(&r, 1, 1);
    if (!r.b)
        return e < 0 ? TURN_IDLE : blocked(f, file);
    r.b->from = file->offset;
    r.b->to = to;
    r.b->cut_bytes = to - file->offset;
    r.b->tail_hash = file->tail_hash = tail;
    atomic_fetch_add(&file->source->cut_bytes, r.b->cut_bytes);
    file->offset = to;
    file->scanned = 0;
    file->pending = file->flush = false;
    atomic_store(&file->source->offset, to);
    dispatch(f->dispatcher, r.b);
    return to < file->size ? TURN_AGAIN : TURN_IDLE;
}

/* The head grows with the file until it is full; before it is taken anew it must still be what it was. */
static int follow_head(struct file *file, const struct facts *facts)
{
    if (file->id.head_len == HEAD_BYTES || facts->size <= file->id.head_len)
        return 0;
    int r = identity_check_head(&file->id, file->reader->fd.n);
    if (r == 0)
        return -ESTALE;
    if (r == 1)
        r = identity_take_head(&file->id, file->reader->fd.n);
    if (r < 0)
        return r;
    file->size = facts->size;
    file->grown = clock_mono();
    file_store_identity(file, IDENTITY_OPEN);
    return 0;
}

static enum turn at_end(struct files *f, struct file *file)
{
    atomic_store(&file->source->state, SOURCE_IDLE);
    if (file->orphan)
        rotation_orphan_quiet(f, file);
    return TURN_IDLE;
}

enum turn tail_turn(struct files *f, struct file *file)
{
    struct facts facts;
    if (is_plain(file))
        return fill(f, file, UINT64_MAX);
    int r = descriptor_open(f, file, &facts);
    if (r == 0 && !file->started)
        r = file_start(f, file, &facts);
    if (r == -ESTALE || r == -ENOENT) {
        rotation_lost_name(f, file);
        return TURN_IDLE;
    }
    if (r < 0) {
        file_fail(f, file, !file->reader ? "cannot open" : "cannot read", r);
        return TURN_IDLE;
    }
    if (rotation_hold(f, file, &facts))
        return TURN_IDLE;
    r = facts.size < file->offset ? -ESTALE : follow_head(file, &facts);
    if (r < 0)
        return r == -ESTALE && rotation_truncated(f, file) ? TURN_AGAIN : TURN_IDLE;
    if (facts.size != file->size || file->grown == 0)
        file->grown = clock_mono();
    file->size = facts.size;
    file->deleted = facts.links == 0;
    atomic_store(&file->source->size, facts.size);
    file_well(file);
    if (file->back)
        go_back(f, file);
    if (facts.size == file->offset)
        return at_end(f, file);
    uint64_t to = hole_end(file, &facts);
    if (to > file->offset)
        return skip_hole(f, file, to);
    if (!worth_reading(f, file)) {
        struct reading waiting = {.f = f, .file = file};
        wait_for_end(&waiting);
        return at_end(f, file);
    }
    enum turn turn = fill(f, file, facts.size - file->offset);
    return turn == TURN_IDLE && !file->finished ? at_end(f, file) : turn;
}
