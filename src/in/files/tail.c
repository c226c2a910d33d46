#include "in/files/tail.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/messages.h"
#include "in/files/again.h"
#include "in/files/descriptors.h"
#include "in/files/reading.h"
#include "in/files/rotation.h"

enum {
    MARKS_MAX = 8192,
    LINE_GUESS = 40,        /* bytes, for the number of marks */
    PROBE_BYTES = 16 * 1024,
    ROOM_POLL_MS = 100,
    HOLE_MIN = 1024 * 1024, /* bytes that a file may lack on disk before holes are looked for */
};

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

/* ---- what was read ---- */

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
    reading_write_recipe(r);
    if ((r->config->wrapping == WRAPPED_NOT ? reading_mark_lines(r) : reading_mark_wrapped(r)) < 0) {
        batch_drop(b);
        return reading_blocked(f, file);
    }
    uint32_t used = r->used, rest = r->n - used;
    if (file_is_plain(file))
        reading_keep_carry(r, used);
    if (used == 0)
        batch_drop(b);
    else
        reading_hand_over(r, b->from + used);
    if (file->finished)
        return TURN_IDLE;
    if (r->narrow || ((!r->at_end || file->offset == r->limit) && used))
        return TURN_AGAIN;
    if (file_is_plain(file) && r->last && rest == 0) {
        if (r->damage)
            end_damaged(f, file, r->damage);
        else
            file_finish(f, file);
        return TURN_IDLE;
    }
    if (rest && used && (r->more || file_is_plain(file) || file->flush))
        return TURN_AGAIN;
    file->flush = false;
    file->scanned = rest;
    if (rest)
        reading_wait_for_end(r);
    return file->offset + rest < file->size && !file_is_plain(file) ? TURN_AGAIN : TURN_IDLE;
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

/* A rest also takes what was read behind a limit. */
static uint32_t chunk_size(const struct files *f, const struct file *file, uint64_t remaining)
{
    uint64_t chunk = file->wide ? wrapped_wide_chunk(f) : f->options->max_line_bytes + CHUNK_MORE;
    if (file_is_plain(file) && file->reader->carry.len > chunk)
        chunk = file->reader->carry.len;
    return (uint32_t)(remaining < chunk ? remaining : chunk);
}

/* Reads into the batch and delivers it. */
static enum turn read_batch(struct reading *r)
{
    struct files *f = r->f;
    struct file *file = r->file;
    ssize_t n = file_is_plain(file) ? reading_from_plain(r) : reading_from_file(r);
    if (n == 0 && r->n == 0 && !file_is_plain(file))
        n = -ESTALE; /* shorter than a moment ago */
    if (n < 0) {
        batch_drop(r->b);
        if (n == -ESTALE)
            return rotation_truncated(f, file) ? TURN_AGAIN : TURN_IDLE;
        if (file_is_plain(file))
            end_damaged(f, file, (int)n);
        else
            file_fail(f, file, "cannot read", (int)n);
        return TURN_IDLE;
    }
    file_well(file);
    atomic_store(&file->source->state, SOURCE_READING);
    if (r->span && !file_is_plain(file) && file->offset + r->n < r->limit) { /* what was sent is not all there any more */
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

/*
 * What was sent before a kill becomes the same batch again. false: it cannot be, and is read as what is new: its settings are
 * not understood, or there is not so much memory as there was.
 */
static bool read_again(struct files *f, struct file *file, const struct past_span *span, enum turn *turn)
{
    struct again again;
    struct reading r = {.f = f, .file = file, .span = span, .limit = span->to};
    uint64_t size = span->to - span->from;
    uint32_t least = file_is_plain(file) ? chunk_size(f, file, UINT64_MAX) : 0;
    if (size > UINT32_MAX / 2)
        return false;
    int e = again_begin(&again, &f->scope, span->settings);
    if (e < 0) {
        *turn = reading_blocked(f, file);
        return e == -ENOMEM;
    }
    r.config = &again.group;
    r.pipeline = again.pipeline;
    r.outlets = &again.outlets;
    r.max_line = again.max_line_bytes;
    if (again.next.key) {
        bool done = reading_join_again(&r, &again.next, turn);
        again_end(&again);
        return done;
    }
    uint32_t chunk = size > least ? (uint32_t)size : least, marks = marks_for(&r, chunk, size);
    bool fits = batch_cost(f->dispatcher->pool, chunk, marks) <= f->dispatcher->pool->limit / 2;
    if (fits) {
        r.b = reading_new_batch(&r, chunk, marks);
        *turn = r.b ? read_batch(&r) : reading_blocked(f, file);
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
    enum turn turn = reading_blocked(f, file);
    if (!file_is_plain(file) || !dispatch_ready_again(f->dispatcher, &f->work))
        return turn;
    file_wait(f, file, ROOM_POLL_MS * MILLISECOND);
    return TURN_IDLE;
}

static bool has_room(struct files *f, const struct file *file)
{
    return file_is_plain(file) ? dispatch_ready(f->dispatcher, &f->work) : dispatch_ready_again(f->dispatcher, &f->work);
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
        return reading_blocked(f, file);
    r.outlets = &file->reader->outlets;
    r.b = reading_new_batch(&r, size, marks_of_new(&r, size));
    return r.b ? read_batch(&r) : reading_blocked(f, file);
}

static enum turn skip_hole(struct files *f, struct file *file, uint64_t to)
{
    struct reading r = {.f = f, .file = file};
    if (!has_room(f, file))
        return wait_for_room(f, file);
    uint64_t tail = 0;
    int e = tail_take(file->reader->fd.n, to, &tail);
    r.b = e < 0 ? NULL : reading_new_batch(&r, 1, 1);
    if (!r.b)
        return e < 0 ? TURN_IDLE : reading_blocked(f, file);
    r.b->from = file->offset;
    r.b->to = to;
    r.b->cut_bytes = to - file->offset;
    r.b->tail_hash = file->tail_hash = tail;
    atomic_fetch_add(&file->source->cut_bytes, r.b->cut_bytes);
    file->offset = to;
    file->scanned = 0;
    file->pending = file->flush = false;
    atomic_store(&file->source->offset, to);
    reading_give(f, file, r.b);
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
    if (file_is_plain(file))
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
    if (reading_on_in_next(f, file, &turn))
        return turn;
    uint64_t to = hole_end(file, &facts);
    if (to > file->offset)
        return skip_hole(f, file, to);
    if (!worth_reading(f, file)) {
        struct reading waiting = {.f = f, .file = file};
        reading_wait_for_end(&waiting);
        return at_end(f, file);
    }
    turn = fill(f, file, facts.size - file->offset);
    return turn == TURN_IDLE && !file->finished ? at_end(f, file) : turn;
}
