#include "in/files/tail.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/messages.h"
#include "in/files/again.h"
#include "in/files/descriptors.h"
#include "in/files/reading.h"
#include "in/files/rotation.h"

enum {
    CHUNK_MORE = 64 * 1024, /* beyond max_line_bytes */
    MARKS_MAX = 8192,
    LINE_GUESS = 40,        /* bytes, for the number of marks */
    PROBE_BYTES = 16 * 1024,
    RETRY_MS = 1000,
    ROOM_POLL_MS = 100,
    HOLE_MIN = 1024 * 1024, /* bytes that a file may lack on disk before holes are looked for */
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
    if (file->scanned == 0 || file->pending || file->flush || followed_stopped(file))
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

/* ---- handing over ---- */

/* Of a rest of wrapped lines all of it lies in the carry, as it was. */
static bool keeps_raw(const struct reading *r)
{
    return reading_is_plain(r) && r->config && r->config->wrapping != WRAPPED_NOT;
}

/* Of a file whose bytes were changed in the batch. 0: they are not there any more. */
static uint32_t last_bytes_of_file(const struct reading *r, uint32_t used, char out[TAIL_BYTES])
{
    uint64_t at = r->file->offset + used;
    uint32_t n = at < TAIL_BYTES ? (uint32_t)at : TAIL_BYTES;
    return fd_pread(r->file->reader->fd.n, out, n, at - n) == (ssize_t)n ? n : 0;
}

/* The last bytes before `used` bytes behind the offset. */
static uint32_t last_bytes(const struct reading *r, uint32_t used, char out[TAIL_BYTES])
{
    if (keeps_raw(r)) { /* keep_carry() was here */
        uint32_t kept = r->tail_len + used < TAIL_BYTES ? r->tail_len + used : TAIL_BYTES;
        memcpy(out, r->file->reader->carry.data, kept);
        return kept;
    }
    if (r->changed)
        return last_bytes_of_file(r, used, out);
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
    if (keeps_raw(r)) {
        uint32_t end = r->tail_len + used, drop = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
        struct buf *carry = &file->reader->carry;
        carry->len -= drop;
        memmove(carry->data, carry->data + drop, carry->len);
        return;
    }
    uint32_t n = last_bytes(r, used, tail), rest = r->n + r->beyond - used;
    buf_clear(&file->reader->carry);
    if (buf_add(&file->reader->carry, tail, n) < 0 || buf_add(&file->reader->carry, r->b->data + used, rest) < 0) {
        file_lost(r->f, file, rest, "no memory to keep them");
        file_finish(r->f, file);
    }
}

static void give(struct files *f, struct file *file, struct batch *b)
{
    dispatch(f->dispatcher, b);
    if (dispatch_passes(f->dispatcher)) {
        file->uneven = true;
        files_look_soon(f);
    }
}

static void hand_over(struct reading *r, uint64_t to)
{
    struct files *f = r->f;
    struct file *file = r->file;
    struct batch *b = r->b;
    uint32_t used = (uint32_t)(to - b->from);
    b->used = b->n || used < b->used ? used : b->used;
    b->used += r->borrowed;
    b->to = to;
    b->tail_hash = file->tail_hash = tail_at(r, used);
    if (b->cut_bytes)
        atomic_fetch_add(&file->source->cut_bytes, b->cut_bytes);
    file->offset = to;
    atomic_store(&file->source->offset, to);
    atomic_store(&file->source->last_read, clock_real());
    struct amount before = {atomic_load(&file->source->read_records), atomic_load(&file->source->read_bytes)};
    give(f, file, b);
    struct followed *fl = followed_of(file);
    if (fl) {
        fl->records += atomic_load(&file->source->read_records) - before.records;
        fl->bytes += atomic_load(&file->source->read_bytes) - before.bytes;
        fl->last_read = clock_real();
    }
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
    int64_t left = r->unwritten ? patience : file->grown + patience - clock_mono();
    file_wait(f, file, left > 0 ? left : 0);
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
    if ((r->config->wrapping == WRAPPED_NOT ? reading_mark_lines(r) : reading_mark_wrapped(r)) < 0) {
        batch_drop(b);
        return blocked(f, file);
    }
    uint32_t used = r->used, rest = r->n - used;
    if (is_plain(file))
        keep_carry(r, used);
    if (used == 0)
        batch_drop(b);
    else
        hand_over(r, b->from + used);
    if (file->finished)
        return TURN_IDLE;
    if (r->narrow || ((!r->at_end || file->offset == r->limit) && used))
        return TURN_AGAIN;
    if (is_plain(file) && r->last && rest == 0) {
        if (r->damage)
            end_damaged(f, file, r->damage);
        else
            file_finish(f, file);
        return TURN_IDLE;
    }
    if (rest && used && (r->more || is_plain(file) || file->flush))
        return TURN_AGAIN;
    file->flush = false;
    file->scanned = rest;
    if (rest)
        wait_for_end(r);
    return file->offset + rest < file->size && !is_plain(file) ? TURN_AGAIN : TURN_IDLE;
}

/* ---- a turn ---- */

/* At the lowest place of the sinks that have room; what others were given already is not given to them again. */
static void find_place(struct files *f, struct file *file)
{
    uint64_t place = source_place(file->source), tail = 0;
    if (place != UINT64_MAX && place != file->offset && place <= file->size &&
        tail_take(file->reader->fd.n, place, &tail) == 0) {
        file_move(file, place, tail);
        file->flush = false;
        file->skipping = tail_in_cut_line(f, file);
    }
    file->uneven = source_reach(file->source, 0) < file->offset || source_reach(file->source, file->offset + 1) != UINT64_MAX;
}

/* A record ends where one ended for a sink that was given it, so that it gets no piece of it twice. */
static uint64_t end_for_others(struct file *file)
{
    return file->uneven ? source_reach(file->source, file->offset + 1) : UINT64_MAX;
}

static struct batch *new_batch(struct reading *r, uint32_t size, uint32_t marks)
{
    struct files *f = r->f;
    struct batch *b = batch_new(f->dispatcher->pool, r->file->source, size, marks);
    bool wrapped = r->config && r->config->wrapping != WRAPPED_NOT; /* those get what they need when that is known */
    if (b)
        b->repeatable = !is_plain(r->file);
    if (b && r->outlets && !wrapped && batch_stream(b, r->outlets->of[WRAPPED_BARE]) < 0) {
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
    uint64_t chunk = file->wide ? wrapped_wide_chunk(f) : f->options->max_line_bytes + CHUNK_MORE;
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

/* No more than a batch had when it was read first. */
static uint32_t marks_for(const struct reading *r, uint32_t chunk, uint64_t size)
{
    if (r->config->wrapping != WRAPPED_NOT)
        return messages_marks(wrapped_lines_in(size < UINT32_MAX / LINE_GUESS ? size * LINE_GUESS : UINT32_MAX, true), chunk, r->max_line);
    return size < MARKS_MAX ? (uint32_t)size + 1 : MARKS_MAX;
}

/* ---- over a rotation ---- */

/* The sinks that are not further begin behind what went with the file before it. */
static int place_next(struct file *next, uint64_t to)
{
    struct position p = {.offset = to};
    int r = tail_take(next->reader->fd.n, to, &p.tail_hash);
    if (r < 0 || next->offset >= to)
        return r;
    EACH_ACCOUNT(a, next->source) {
        struct position had;
        struct counts counts;
        char cursor[POSITION_CURSOR];
        account_read(a, &had, cursor, &counts);
        if (had.offset < to)
            account_place(a, &p);
    }
    next->offset = to;
    next->tail_hash = p.tail_hash;
    next->scanned = 0;
    next->pending = false;
    atomic_store(&next->source->offset, to);
    file_store_identity(next, IDENTITY_OPEN); /* so that the places are stored, with the older file's position at the latest */
    return 0;
}

/* What the file has left, and behind it at most `head` bytes of the next one. 0, or -errno: it is not all there. */
static int read_over(struct reading *r, const struct file *next, uint32_t own, uint32_t head)
{
    int e = (int)read_file(r);
    if (e < 0)
        return e;
    if (r->n < own)
        return -ESTALE;
    ssize_t n = fd_pread(next->reader->fd.n, r->b->data + own, head, 0);
    r->n = own + (n > 0 ? (uint32_t)n : 0);
    return n < 0 ? (int)n : 0;
}

static struct settings *settings_over(const struct reading *r, const struct file *next, uint64_t bytes)
{
    char key[IDENTITY_KEY];
    identity_key(&next->id, key);
    return again_settings(&r->f->scope, r->outlets->of[WRAPPED_BARE], r->config, r->max_line, &(struct again_next){key, bytes});
}

/* Both are open, and the reading says by what rules. exact: so many bytes of the next file, as it was before a kill; else 0. */
static enum turn join(struct reading *r, struct file *next, uint32_t exact)
{
    struct files *f = r->f;
    struct file *file = r->file;
    uint32_t own = (uint32_t)(file->size - file->offset), head = exact ? exact : (uint32_t)f->options->max_line_bytes + CHUNK_MORE;
    r->limit = file->size;
    r->b = new_batch(r, own + head, messages_marks(wrapped_lines_in(own + head, true), own + head, r->max_line));
    if (!r->b)
        return blocked(f, file);
    r->b->from = file->offset;
    int e = read_over(r, next, own, head);
    if (e == 0 && r->n < own + exact)
        e = -ESTALE;
    if (e == 0) {
        write_recipe(r);
        e = reading_mark_over(r, own, exact);
        if (e < 0) {
            batch_drop(r->b);
            return blocked(f, file);
        }
    }
    if (e == 0 && r->used > own && place_next(next, r->used - own) == 0) {
        settings_unref(r->b->recipe.settings);
        r->b->recipe.settings = settings_over(r, next, r->used - own);
        r->borrowed = r->used - own;
        file->scanned = 0;
        hand_over(r, file->size);
        return TURN_AGAIN;
    }
    file->flush = e < 0 || r->n == own + head; /* it is not there, or too far away */
    batch_drop(r->b);
    if (file->flush)
        return TURN_AGAIN;
    wait_for_end(r);
    return TURN_IDLE;
}

static bool open_next(struct files *f, struct file *file, struct file *next)
{
    struct facts facts;
    int r = descriptor_open(f, next, &facts);
    if (r == 0 && !next->started)
        r = file_start(f, next, &facts);
    return r == 0 && next->reader && file->reader && !next->reader->plain;
}

/* Of a rotated file that ends within a record: the rest of it is in the next one. false: it is not, and the file is read by itself. */
static bool read_on_in_next(struct files *f, struct file *file, enum turn *turn)
{
    struct file *next = file->scanned && !file->flush && !file->pending ? followed_next(file) : NULL;
    if (!next || past_span_at(f->past, file->source, file->offset))
        return false;
    if (!dispatch_ready(f->dispatcher, &f->work)) {
        *turn = blocked(f, file);
        return true;
    }
    if (!open_next(f, file, next) || file_ensure_outlets(f, file) < 0)
        return false;
    struct reading r = {.f = f, .file = file, .config = file->group->config, .pipeline = file->group->pipeline,
                        .max_line = f->options->max_line_bytes, .outlets = &file->reader->outlets};
    *turn = join(&r, next, 0);
    return true;
}

static struct file *file_of_key(struct file *file, const char *key)
{
    char its[IDENTITY_KEY];
    struct followed *fl = followed_of(file);
    for (struct file *other = fl ? fl->files : NULL; other; other = other->next_followed) {
        identity_key(&other->id, its);
        if (strcmp(its, key) == 0)
            return other;
    }
    return NULL;
}

/* The same before a kill. false: it cannot be the same again. */
static bool join_again(struct reading *r, const struct again_next *it, enum turn *turn)
{
    struct file *next = is_plain(r->file) ? NULL : file_of_key(r->file, it->key);
    if (!next || !open_next(r->f, r->file, next) || r->span->to != r->file->size || it->bytes == 0 || it->bytes > UINT32_MAX / 4)
        return false;
    uint64_t before = r->file->offset;
    *turn = join(r, next, (uint32_t)it->bytes);
    r->file->flush = false;
    return r->file->offset != before || *turn == TURN_BLOCKED;
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
    uint32_t least = is_plain(file) ? chunk_size(f, file, UINT64_MAX) : 0;
    if (size > UINT32_MAX / 2)
        return false;
    int e = again_begin(&again, &f->scope, span->settings);
    if (e < 0) {
        *turn = blocked(f, file);
        return e == -ENOMEM;
    }
    r.config = &again.group;
    r.pipeline = again.pipeline;
    r.outlets = &again.outlets;
    r.max_line = again.max_line_bytes;
    if (again.next.key) {
        bool done = join_again(&r, &again.next, turn);
        again_end(&again);
        return done;
    }
    uint32_t chunk = size > least ? (uint32_t)size : least, marks = marks_for(&r, chunk, size);
    bool fits = batch_cost(f->dispatcher->pool, chunk, marks) <= f->dispatcher->pool->limit / 2;
    if (fits) {
        r.b = new_batch(&r, chunk, marks);
        *turn = r.b ? read_batch(&r) : blocked(f, file);
    }
    again_end(&again);
    return fits;
}

static uint32_t marks_of_new(const struct reading *r, uint32_t size)
{
    if (r->config->wrapping != WRAPPED_NOT)
        return messages_marks(wrapped_lines_in(size, r->file->wide), size, r->max_line);
    /* A record of many short lines is joined only if all of them have their marks. */
    uint32_t marks = size / (pipeline_is_multiline(r->pipeline) ? 1 : LINE_GUESS) + 16;
    return marks < MARKS_MAX ? marks : MARKS_MAX;
}

/* A rest cannot be read again: it waits for a sink that takes nothing, while the other files go on. */
static enum turn wait_for_room(struct files *f, struct file *file)
{
    enum turn turn = blocked(f, file);
    if (!is_plain(file) || !dispatch_ready_again(f->dispatcher, &f->work))
        return turn;
    file_wait(f, file, ROOM_POLL_MS * MILLISECOND);
    return TURN_IDLE;
}

static bool has_room(struct files *f, const struct file *file)
{
    return is_plain(file) ? dispatch_ready(f->dispatcher, &f->work) : dispatch_ready_again(f->dispatcher, &f->work);
}

static enum turn fill(struct files *f, struct file *file, uint64_t remaining)
{
    enum turn turn;
    if (!has_room(f, file))
        return wait_for_room(f, file);
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
    if (file_ensure_outlets(f, file) < 0)
        return blocked(f, file);
    r.outlets = &file->reader->outlets;
    r.b = new_batch(&r, size, marks_of_new(&r, size));
    return r.b ? read_batch(&r) : blocked(f, file);
}

static enum turn skip_hole(struct files *f, struct file *file, uint64_t to)
{
    struct reading r = {.f = f, .file = file};
    if (!has_room(f, file))
        return wait_for_room(f, file);
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
    give(f, file, r.b);
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
    if (file->uneven)
        find_place(f, file);
    if (followed_held(file) || followed_waits_its_turn(f, file))
        return TURN_IDLE;
    if (facts.size == file->offset)
        return at_end(f, file);
    enum turn turn;
    if (read_on_in_next(f, file, &turn))
        return turn;
    uint64_t to = hole_end(file, &facts);
    if (to > file->offset)
        return skip_hole(f, file, to);
    if (!worth_reading(f, file)) {
        struct reading waiting = {.f = f, .file = file};
        wait_for_end(&waiting);
        return at_end(f, file);
    }
    turn = fill(f, file, facts.size - file->offset);
    return turn == TURN_IDLE && !file->finished ? at_end(f, file) : turn;
}
