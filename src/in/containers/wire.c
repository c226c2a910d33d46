/* What arrives: bytes to messages to records to batches. Connections are wire_open.c's. */
#include "in/containers/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/wrapped.h"
#include "in/containers/container.h"
#include "in/containers/wire_internal.h"

enum {
    WIRE_BATCH = 64 << 10, /* bytes, beyond one record */
    WIRE_MARKS = 1024,
    STEP_MARKS = 64,      /* messages that are looked for at once */
    STAMP_ROOM = 64,      /* the time before a message */
    FRAME_LEAST = 64 << 10,
    NUMBERS = 1000000000, /* a time is told apart within its second */
};

static uint64_t longest(const struct wire *f)
{
    return monitor_of(f->container)->config->files.max_line_bytes;
}

/* ---- memory of what is not whole ---- */

static void account(struct wire *f)
{
    struct containers *m = monitor_of(f->container);
    uint64_t now = f->raw.cap + f->line[0].cap + f->line[1].cap;
    if (now > f->claimed)
        pool_claim(m->dispatcher->pool, now - f->claimed);
    else if (now < f->claimed)
        pool_release(m->dispatcher->pool, f->claimed - now);
    m->held += now - f->claimed;
    f->claimed = now;
}

int wire_begin_memory(struct wire *f)
{
    size_t frame = longest(f) > FRAME_LEAST ? longest(f) : FRAME_LEAST;
    f->frames = (struct frames){.tty = f->container->tty, .max_frame = (uint32_t)frame + STAMP_ROOM};
    int r = scope_begin(&f->memory, &f->scope, "unfinished");
    if (r == 0)
        r = buf_begin(&f->raw, &f->memory, "frame", 2 * frame + (64 << 10));
    for (int s = 0; s < CURSOR_STREAMS && r == 0; s++)
        r = buf_begin(&f->line[s], &f->memory, "line", 2 * longest(f) + frame + 1024);
    if (r < 0)
        scope_end(&f->memory);
    return r;
}

void wire_end_memory(struct wire *f)
{
    scope_end(&f->memory);
    memset(&f->raw, 0, sizeof f->raw);
    memset(f->line, 0, sizeof f->line);
    if (f->scope.thing.scope)
        account(f);
}

/* ---- batches ---- */

static void keep_filled(struct wire *f)
{
    struct containers *m = monitor_of(f->container);
    if (f->is_filled)
        return;
    f->is_filled = true;
    f->next_filled = m->filled;
    m->filled = f;
    nudge_set(&m->flush);
}

static bool block(struct wire *f)
{
    struct containers *m = monitor_of(f->container);
    if (!f->is_blocked) {
        f->is_blocked = true;
        f->next_blocked = m->blocked;
        m->blocked = f;
    }
    atomic_store(&f->source->state, SOURCE_WAITING);
    return false;
}

static void oldest_open(struct wire *f)
{
    f->cursor.open = 0;
    for (int s = 0; s < CURSOR_STREAMS; s++)
        if (f->first[s].time && (!f->cursor.open || f->first[s].time < f->cursor.open))
            f->cursor.open = f->first[s].time;
}

void wire_flush(struct wire *f)
{
    struct batch *b = f->batch;
    struct container *c = f->container;
    if (!b)
        return;
    f->batch = NULL;
    if (b->n == 0) { /* all that came was read before */
        batch_drop(b);
        return;
    }
    b->to = f->next;
    oldest_open(f);
    cursor_write(&f->cursor, b->cursor);
    atomic_fetch_add(&c->records, b->n);
    atomic_fetch_add(&c->bytes, b->used);
    atomic_store(&c->last_read, clock_real());
    atomic_store(&f->source->offset, f->next);
    atomic_store(&f->source->size, f->next);
    atomic_store(&f->source->last_read, clock_real());
    atomic_store(&f->source->state, SOURCE_READING);
    dispatch(monitor_of(c)->dispatcher, b);
}

/* Room for so many bytes in so many records. false: not now, the wire is blocked. */
static bool make_room(struct wire *f, size_t bytes, size_t records)
{
    struct containers *m = monitor_of(f->container);
    struct batch *b = f->batch;
    if (b && (b->size - b->used < bytes || b->cap - b->n < records))
        wire_flush(f);
    if (f->batch)
        return true;
    if (!dispatch_ready(m->dispatcher, &m->work))
        return block(f);
    f->batch = batch_new(m->dispatcher->pool, f->source, (uint32_t)(bytes > WIRE_BATCH ? bytes : WIRE_BATCH),
                         (uint32_t)(records > WIRE_MARKS ? records : WIRE_MARKS));
    if (!f->batch) {
        pool_wait(m->dispatcher->pool, &m->memory);
        return block(f);
    }
    f->batch->ordinal = true;
    f->batch->from = f->next;
    keep_filled(f);
    return true;
}

/* ---- records ---- */

/* Its index in the batch. false: no memory; the wire is blocked for a while. */
static bool ready_stream(struct wire *f, unsigned stream)
{
    static const char *const names[] = {"stdout", "stderr"};
    struct label labels[STREAM_LABELS];
    if (!f->streams[stream]) {
        unsigned n = container_labels(f->container, labels);
        if (n == STREAM_LABELS)
            n--;
        labels[n++] = (struct label){"stream", names[stream]};
        f->streams[stream] = stream_get(labels, n);
    }
    if (f->streams[stream] && batch_stream(f->batch, f->streams[stream]) >= 0)
        return true;
    timer_set(&monitor_of(f->container)->look, SECOND);
    return block(f);
}

/* What has the time of the one before gets a nanosecond more, the same at each reading. */
static void put_record(struct wire *f, unsigned stream, const char *text, size_t len)
{
    struct batch *b = f->batch;
    int index = batch_stream(b, f->streams[stream]);
    uint64_t tie = (f->first[stream].tie + f->cursor.at[stream].given) % NUMBERS;
    assert(index >= 0 && b->size - b->used >= len);
    if (len)
        memcpy(b->data + b->used, text, len);
    bool marked = batch_mark(b, (struct mark){.off = b->used,
                                              .len = (uint32_t)len,
                                              .end = b->used + (uint32_t)len,
                                              .stream = (uint16_t)index,
                                              .time = f->first[stream].time + (int64_t)tie});
    assert(marked);
    b->used += (uint32_t)len;
    f->next++;
}

/* A record of a line that goes on. Those that were given before the stream was opened are left out. */
static void put_piece(struct wire *f, unsigned stream, const char *text, size_t len)
{
    if (f->skip[stream]) {
        f->skip[stream]--;
        return;
    }
    put_record(f, stream, text, len);
    f->cursor.at[stream].given++;
}

/* Takes full records off the front of the unfinished line. */
static void put_full(struct wire *f, unsigned stream)
{
    struct buf *line = &f->line[stream];
    size_t most = longest(f), done = 0;
    for (; line->len - done > most; done += most)
        put_piece(f, stream, line->data + done, most);
    line->len -= done;
    memmove(line->data, line->data + done, line->len);
}

/* All wires together may hold a quarter of the pool; beyond it the line is given as far as it is. */
static void put_crowded(struct wire *f, unsigned stream)
{
    struct containers *m = monitor_of(f->container);
    struct buf *line = &f->line[stream];
    if (m->held <= atomic_load(&m->dispatcher->pool->limit) / 4 || !line->len)
        return;
    put_piece(f, stream, line->data, line->len);
    line->len = 0;
    buf_shrink(line, 0);
}

static void line_ends(struct wire *f, unsigned stream)
{
    f->cursor.at[stream] = f->replay.met[stream];
    f->cursor.at[stream].given = 0;
    f->cursor.max_line = longest(f);
    f->skip[stream] = 0;
    f->first[stream].time = 0;
    f->line[stream].len = 0;
    if (f->line[stream].cap)
        buf_shrink(&f->line[stream], 0);
}

/* The line is whole: it is in line[], or is `text`. */
static void put_line(struct wire *f, unsigned stream, const char *text, size_t len)
{
    bool given = f->cursor.at[stream].given || f->skip[stream];
    if (!given || len)
        put_record(f, stream, text, len);
    line_ends(f, stream);
}

/* A message, or a line of one; there is room for it. false: no memory for a piece. */
static bool take(struct wire *f, unsigned stream, const char *text, size_t len, bool more)
{
    struct buf *line = &f->line[stream];
    if (!f->first[stream].time) {
        f->first[stream].time = f->replay.met[stream].time;
        f->first[stream].tie = f->replay.met[stream].n - 1;
    }
    if (!line->len && !more && len <= longest(f)) {
        put_line(f, stream, text, len);
        return true;
    }
    if (len && buf_add(line, text, len) < 0) {
        snprintf(f->why, sizeof f->why, "no memory for a line of %zu bytes", line->len + len);
        return false;
    }
    put_full(f, stream);
    if (more)
        put_crowded(f, stream);
    else
        put_line(f, stream, line->data, line->len);
    return true;
}

/* ---- messages ---- */

/* What has no time: of a TTY it is what follows a very long line. Else the engine speaks. false: the stream is at fault. */
static bool settle_bare(struct wire *f, const char *data, struct mark *m)
{
    if (m->stream != WRAPPED_BARE)
        return true;
    if (f->frames.tty && f->replay.met[0].time) {
        m->stream = WRAPPED_STDOUT;
        m->time = f->replay.met[0].time;
        return true;
    }
    snprintf(f->why, sizeof f->why, "the engine says: %.*s", (int)(m->len < 150 ? m->len : 150), data + m->off);
    return false;
}

/* The bytes of the frame at p, if all of it is there; else what there is. */
static uint32_t one_frame(const struct wire *f, const char *p, size_t size)
{
    const unsigned char *u = (const unsigned char *)p;
    if (f->frames.tty || size < FRAMES_HEADER)
        return (uint32_t)size;
    uint64_t len = (uint64_t)FRAMES_HEADER + ((uint32_t)u[4] << 24 | (uint32_t)u[5] << 16 | (uint32_t)u[6] << 8 | u[7]);
    return (uint32_t)(len < size ? len : size);
}

enum taken { TAKEN, TAKEN_NOTHING /* it is not whole, or there is no room: see is_blocked */, TAKEN_FAULT };

/* One frame, or one line of a TTY: all of it or nothing. */
static enum taken take_message(struct wire *f, const char *data, size_t size, size_t *done)
{
    struct mark marks[STEP_MARKS];
    uint32_t consumed = 0;
    int error = 0;
    uint32_t n = frames_mark(&f->frames, data, one_frame(f, data, size), marks, f->frames.tty ? 1 : STEP_MARKS, &consumed, &error);
    if (error < 0) {
        snprintf(f->why, sizeof f->why,
                 error == -EMSGSIZE ? "the engine announces a message that is too long" : "what the engine sends has no frames");
        return TAKEN_FAULT;
    }
    if (consumed == 0)
        return TAKEN_NOTHING;
    size_t need = consumed + f->line[0].len + f->line[1].len;
    if (!make_room(f, need, n + 2 + need / longest(f)))
        return TAKEN_NOTHING;
    for (uint32_t i = 0; i < n; i++) {
        if (!settle_bare(f, data, &marks[i]))
            return TAKEN_FAULT;
        if (!ready_stream(f, marks[i].stream))
            return TAKEN_NOTHING;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct mark *m = &marks[i];
        if (cursor_meet(&f->replay, &f->cursor, m->stream, m->time) && !take(f, m->stream, data + m->off, m->len, m->more))
            return TAKEN_FAULT;
    }
    *done += consumed;
    return TAKEN;
}

/* Says how many bytes are done with; -1: the stream is at fault. */
static ssize_t take_messages(struct wire *f, const char *data, size_t size)
{
    size_t done = 0;
    enum taken taken = TAKEN;
    while (done < size && taken == TAKEN)
        taken = take_message(f, data + done, size - done, &done);
    return taken == TAKEN_FAULT ? -1 : (ssize_t)done;
}

/* What is left of what came before, and then this. false: the stream is at fault. */
static bool take_bytes(struct wire *f, const char *data, size_t n)
{
    struct buf *raw = &f->raw;
    ssize_t done;
    if (raw->len == 0) {
        done = take_messages(f, data, n);
        if (done < 0 || ((size_t)done < n && buf_add(raw, data + done, n - (size_t)done) < 0))
            return false;
    } else {
        if (n && buf_add(raw, data, n) < 0)
            return false;
        done = take_messages(f, raw->data, raw->len);
        if (done < 0)
            return false;
        raw->len -= (size_t)done;
        memmove(raw->data, raw->data + done, raw->len);
    }
    if (raw->len == 0 && raw->cap)
        buf_shrink(raw, 0);
    account(f);
    return true;
}

enum http_piece wire_piece(struct http_request *r, const char *data, size_t n)
{
    struct wire *f = container_of(r, struct wire, request);
    if (f->is_blocked)
        return HTTP_LATER;
    f->silent_since = clock_mono();
    if (n == 0) {
        wire_answered(f);
        return HTTP_TAKEN;
    }
    f->backoff = 0;
    f->ever = true;
    return take_bytes(f, data, n) ? HTTP_TAKEN : HTTP_STOP;
}

void wire_unblock(struct wire *f)
{
    if (!thing_alive(&f->memory.thing))
        return;
    if (f->raw.len && !take_bytes(f, "", 0)) {
        wire_broken(f);
        return;
    }
    if (!f->is_blocked && f->ended)
        wire_go_on_ending(f);
    else if (!f->is_blocked)
        http_resume(&f->request);
}

/* The container has stopped in the middle of a line. */
bool wire_give_rest(struct wire *f)
{
    for (unsigned s = 0; s < CURSOR_STREAMS; s++) {
        if (!f->first[s].time)
            continue;
        if (!make_room(f, f->line[s].len, 1) || !ready_stream(f, s))
            return false;
        put_line(f, s, f->line[s].data, f->line[s].len);
    }
    return true;
}

void wire_relabel(struct wire *f)
{
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        stream_unref(f->streams[s]);
        f->streams[s] = NULL;
    }
}
