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
    FRAME_LEAST = 64 << 10,
    RAW_MOST = FRAMES_KEPT + (256 << 10), /* what libcurl gives at once is less */
    NUMBERS = 1000000000, /* a time is told apart within its second */
};

static uint64_t longest(const struct wire *w)
{
    return monitor_of(w->container)->config->files.max_line_bytes;
}

/* ---- memory of what is not whole ---- */

static void account(struct wire *w)
{
    struct containers *m = monitor_of(w->container);
    uint64_t lines = w->line[0].cap + w->line[1].cap, now = lines + w->raw.cap;
    if (now > w->claimed)
        pool_claim(m->dispatcher->pool, now - w->claimed);
    else if (now < w->claimed)
        pool_release(m->dispatcher->pool, w->claimed - now);
    m->held += lines - w->held;
    w->claimed = now;
    w->held = lines;
}

static size_t longest_frame(const struct wire *w)
{
    return longest(w) > FRAME_LEAST ? longest(w) : FRAME_LEAST;
}

/* Of the stream before nothing is left: what it did not finish comes again. */
static void begin_anew(struct wire *w)
{
    w->is_fresh = false;
    w->frames = (struct frames){.tty = w->container->tty, .max_frame = (uint32_t)longest_frame(w) + FRAMES_STAMP};
    w->replay = (struct cursor_replay){0};
    memset(w->first, 0, sizeof w->first);
    w->raw.len = 0;
    buf_shrink(&w->raw, 0);
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        w->skip[s] = w->cursor.at[s].given;
        w->line[s].len = 0;
        buf_shrink(&w->line[s], 0);
    }
    account(w);
}

int wire_begin_memory(struct wire *w)
{
    if (thing_alive(&w->memory.thing))
        return 0;
    int r = scope_begin(&w->memory, &w->scope, "unfinished");
    if (r == 0)
        r = buf_begin(&w->raw, &w->memory, "frame", RAW_MOST);
    for (int s = 0; s < CURSOR_STREAMS && r == 0; s++)
        r = buf_begin(&w->line[s], &w->memory, "line", 2 * longest(w) + longest_frame(w) + 1024);
    if (r < 0)
        scope_end(&w->memory);
    else
        begin_anew(w);
    return r;
}

void wire_end_memory(struct wire *w)
{
    scope_end(&w->memory);
    memset(&w->raw, 0, sizeof w->raw);
    memset(w->line, 0, sizeof w->line);
    if (w->scope.thing.scope)
        account(w);
}

/* ---- batches ---- */

static void keep_filled(struct wire *w)
{
    struct containers *m = monitor_of(w->container);
    if (w->is_filled)
        return;
    w->is_filled = true;
    w->next_filled = m->filled;
    m->filled = w;
    nudge_set(&m->flush);
}

static bool block(struct wire *w)
{
    struct containers *m = monitor_of(w->container);
    if (!w->is_blocked) {
        w->is_blocked = true;
        w->next_blocked = m->blocked;
        m->blocked = w;
    }
    atomic_store(&w->source->state, SOURCE_WAITING);
    return false;
}

static void oldest_open(struct wire *w)
{
    w->cursor.open = 0;
    for (int s = 0; s < CURSOR_STREAMS; s++)
        if (w->first[s].time && (!w->cursor.open || w->first[s].time < w->cursor.open))
            w->cursor.open = w->first[s].time;
}

void wire_flush(struct wire *w)
{
    struct batch *b = w->batch;
    struct container *c = w->container;
    if (!b)
        return;
    w->batch = NULL;
    if (b->n == 0) { /* all that came was read before */
        batch_drop(b);
        return;
    }
    b->to = w->next;
    oldest_open(w);
    cursor_write(&w->cursor, b->cursor);
    atomic_fetch_add(&c->records, b->n);
    atomic_fetch_add(&c->bytes, b->used);
    atomic_store(&c->last_read, clock_real());
    atomic_store(&w->source->offset, w->next);
    atomic_store(&w->source->size, w->next);
    atomic_store(&w->source->last_read, clock_real());
    atomic_store(&w->source->state, SOURCE_READING);
    dispatch(monitor_of(c)->dispatcher, b);
}

/* Room for so many bytes in so many records. false: not now, the wire is blocked. */
static bool make_room(struct wire *w, size_t bytes, size_t records)
{
    struct containers *m = monitor_of(w->container);
    struct batch *b = w->batch;
    if (b && (b->size - b->used < bytes || b->cap - b->n < records))
        wire_flush(w);
    if (w->batch)
        return true;
    if (!dispatch_ready(m->dispatcher, &m->work))
        return block(w);
    w->batch = batch_new(m->dispatcher->pool, w->source, (uint32_t)(bytes > WIRE_BATCH ? bytes : WIRE_BATCH),
                         (uint32_t)(records > WIRE_MARKS ? records : WIRE_MARKS));
    if (!w->batch) {
        pool_wait(m->dispatcher->pool, &m->memory);
        return block(w);
    }
    w->batch->ordinal = true;
    w->batch->from = w->next;
    keep_filled(w);
    return true;
}

/* ---- records ---- */

/* Its index in the batch. false: no memory; the wire is blocked for a while. */
static bool ready_stream(struct wire *w, unsigned stream)
{
    static const char *const names[] = {"stdout", "stderr"};
    struct label labels[STREAM_LABELS];
    if (!w->streams[stream]) {
        unsigned n = container_labels(w->container, labels);
        if (n == STREAM_LABELS)
            n--;
        labels[n++] = (struct label){"stream", names[stream]};
        w->streams[stream] = stream_get(labels, n);
    }
    if (w->streams[stream] && batch_stream(w->batch, w->streams[stream]) >= 0)
        return true;
    timer_set(&monitor_of(w->container)->look, SECOND);
    return block(w);
}

/* What has the time of the one before gets a nanosecond more, the same at each reading. */
static void put_record(struct wire *w, unsigned stream, const char *text, size_t len)
{
    struct batch *b = w->batch;
    int index = batch_stream(b, w->streams[stream]);
    uint64_t tie = (w->first[stream].tie + w->cursor.at[stream].pieces) % NUMBERS;
    assert(index >= 0 && b->size - b->used >= len);
    if (len)
        memcpy(b->data + b->used, text, len);
    bool marked = batch_mark(b, (struct mark){.off = b->used,
                                              .len = (uint32_t)len,
                                              .end = b->used + (uint32_t)len,
                                              .stream = (uint16_t)index,
                                              .time = w->first[stream].time + (int64_t)tie});
    assert(marked);
    b->used += (uint32_t)len;
    w->next++;
    w->backoff = 0; /* what only came again is no progress */
    w->torn = 0;
}

/* A record of a line that goes on. */
static void put_piece(struct wire *w, unsigned stream, const char *text, size_t len)
{
    put_record(w, stream, text, len);
    w->cursor.at[stream].given += len;
    w->cursor.at[stream].pieces++;
}

/* Takes full records off the front of the unfinished line. */
static void put_full(struct wire *w, unsigned stream)
{
    struct buf *line = &w->line[stream];
    size_t most = longest(w), done = 0;
    for (; line->len - done > most; done += most)
        put_piece(w, stream, line->data + done, most);
    if (!done)
        return; /* there may be no line at all: all of it was given before */
    line->len -= done;
    memmove(line->data, line->data + done, line->len);
}

/* All wires together may hold a quarter of the pool; beyond it the line is given as far as it is. */
static void put_crowded(struct wire *w, unsigned stream)
{
    struct containers *m = monitor_of(w->container);
    struct buf *line = &w->line[stream];
    if (m->held <= atomic_load(&m->dispatcher->pool->limit) / 4 || !line->len)
        return;
    put_piece(w, stream, line->data, line->len);
    w->cursor.cuts++;
    line->len = 0;
    buf_shrink(line, 0);
}

static void line_ends(struct wire *w, unsigned stream)
{
    w->cursor.at[stream] = w->replay.met[stream]; /* nothing of the next one is given */
    w->cursor.max_line = longest(w);
    w->skip[stream] = 0;
    w->first[stream].time = 0;
    w->line[stream].len = 0;
    if (w->line[stream].cap)
        buf_shrink(&w->line[stream], 0);
}

/* The line is whole: it is in line[], or is `text`. */
static void put_line(struct wire *w, unsigned stream, const char *text, size_t len)
{
    if (!w->cursor.at[stream].given || len)
        put_record(w, stream, text, len);
    line_ends(w, stream);
}

/* A message, or a line of one; there is room for it. false: no memory for a piece. */
static bool take(struct wire *w, unsigned stream, const char *text, size_t len, bool more)
{
    struct buf *line = &w->line[stream];
    if (!w->first[stream].time) {
        w->first[stream].time = w->replay.met[stream].time;
        w->first[stream].tie = w->replay.met[stream].n - 1;
    }
    size_t before = len < w->skip[stream] ? len : (size_t)w->skip[stream];
    w->skip[stream] -= before;
    text += before;
    len -= before;
    if (!line->len && !more && len <= longest(w)) {
        put_line(w, stream, text, len);
        return true;
    }
    if (len && buf_add(line, text, len) < 0) {
        snprintf(w->why, sizeof w->why, "no memory for a line of %zu bytes", line->len + len);
        return false;
    }
    put_full(w, stream);
    if (more)
        put_crowded(w, stream);
    else
        put_line(w, stream, line->data, line->len);
    return true;
}

/* ---- messages ---- */

/* What has no time: of a TTY it is a line like the one before. Else the engine speaks. false: the stream is at fault. */
static bool settle_bare(struct wire *w, const char *data, struct mark *m)
{
    if (m->stream != WRAPPED_BARE)
        return true;
    if (w->frames.tty && w->replay.met[0].time) {
        m->stream = WRAPPED_STDOUT;
        m->time = w->replay.met[0].time;
        return true;
    }
    snprintf(w->why, sizeof w->why, "the engine says: %.*s", (int)(m->len < 150 ? m->len : 150), data + m->off);
    return false;
}

enum taken { TAKEN, TAKEN_NOTHING /* too little is there, or there is no room: see is_blocked */, TAKEN_FAULT };

/* One frame, or one line of a TTY, as far as it is there: all of that or nothing. */
static enum taken take_message(struct wire *w, const char *data, size_t size, size_t *done)
{
    struct mark marks[STEP_MARKS];
    struct frames behind = w->frames;
    uint32_t consumed = 0;
    int error = 0;
    uint32_t one = frames_one(&w->frames, data, (uint32_t)size);
    uint32_t n = frames_mark(&behind, data, one, marks, w->frames.tty ? 1 : STEP_MARKS, &consumed, &error);
    if (error < 0) {
        snprintf(w->why, sizeof w->why,
                 error == -EMSGSIZE ? "the engine announces a message that is too long" : "what the engine sends has no frames");
        return TAKEN_FAULT;
    }
    if (consumed == 0)
        return TAKEN_NOTHING;
    size_t need = consumed + w->line[0].len + w->line[1].len;
    if (!make_room(w, need, n + 2 + need / longest(w)))
        return TAKEN_NOTHING;
    for (uint32_t i = 0; i < n; i++) {
        if (!settle_bare(w, data, &marks[i]))
            return TAKEN_FAULT;
        if (!ready_stream(w, marks[i].stream))
            return TAKEN_NOTHING;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct mark *m = &marks[i];
        if (i || !w->frames.goes_on)
            w->is_new = cursor_meet(&w->replay, &w->cursor, m->stream, m->time);
        if (w->is_new && !take(w, m->stream, data + m->off, m->len, m->more))
            return TAKEN_FAULT;
    }
    w->frames = behind;
    *done += consumed;
    return TAKEN;
}

/* Says how many bytes are done with; -1: the stream is at fault. */
static ssize_t take_messages(struct wire *w, const char *data, size_t size)
{
    size_t done = 0;
    enum taken taken = TAKEN;
    while (done < size && taken == TAKEN)
        taken = take_message(w, data + done, size - done, &done);
    return taken == TAKEN_FAULT ? -1 : (ssize_t)done;
}

/* What is left of what came before, and then this. HTTP_LATER: nothing of it, and nothing is kept of it meanwhile. */
static enum http_piece take_bytes(struct wire *w, const char *data, size_t n)
{
    struct buf *raw = &w->raw;
    ssize_t done;
    if (raw->len == 0) {
        done = take_messages(w, data, n);
        if (done == 0 && w->is_blocked)
            return HTTP_LATER;
        if (done < 0 || ((size_t)done < n && buf_add(raw, data + done, n - (size_t)done) < 0))
            return HTTP_STOP;
    } else {
        if (n && buf_add(raw, data, n) < 0)
            return HTTP_STOP;
        done = take_messages(w, raw->data, raw->len);
        if (done < 0)
            return HTTP_STOP;
        raw->len -= (size_t)done;
        memmove(raw->data, raw->data + done, raw->len);
    }
    if (raw->len == 0 && raw->cap)
        buf_shrink(raw, 0);
    account(w);
    return HTTP_TAKEN;
}

enum http_piece wire_piece(struct http_request *r, const char *data, size_t n)
{
    struct wire *w = container_of(r, struct wire, request);
    if (w->is_blocked)
        return HTTP_LATER;
    w->silent_since = clock_mono();
    if (w->is_fresh)
        begin_anew(w);
    if (n == 0) {
        wire_answered(w);
        return HTTP_TAKEN;
    }
    w->ever = true;
    return take_bytes(w, data, n);
}

void wire_unblock(struct wire *w)
{
    if (!thing_alive(&w->memory.thing))
        return;
    if (w->raw.len && take_bytes(w, "", 0) == HTTP_STOP) {
        wire_end_memory(w);
        wire_broken(w);
        return;
    }
    if (!w->is_blocked && w->ended)
        wire_go_on_ending(w);
    else if (!w->is_blocked)
        http_resume(&w->request);
}

/* The last line of a TTY, whose end did not come. false: there is none, or (w->why) nobody knows when it was said. */
static bool find_rest(struct wire *w, struct mark *m)
{
    return w->raw.len && frames_rest(&w->frames, w->raw.data, (uint32_t)w->raw.len, m) && settle_bare(w, w->raw.data, m);
}

bool wire_is_torn(struct wire *w)
{
    struct mark m;
    return w->frames.left || (w->raw.len && !find_rest(w, &m));
}

/* false: blocked. */
static bool take_rest(struct wire *w)
{
    struct mark m;
    if (!find_rest(w, &m)) {
        if (w->why[0])
            log_warn("containers", "%s: %s", w->source->name, w->why);
        return true;
    }
    size_t need = w->raw.len + w->line[0].len;
    if (!make_room(w, need, 2 + need / longest(w)) || !ready_stream(w, m.stream))
        return false;
    if (buf_reserve(&w->line[m.stream], m.len) < 0) {
        timer_set(&monitor_of(w->container)->look, SECOND);
        return block(w);
    }
    if (!w->frames.goes_on)
        w->is_new = cursor_meet(&w->replay, &w->cursor, m.stream, m.time);
    bool taken = !w->is_new || take(w, m.stream, w->raw.data + m.off, m.len, true);
    assert(taken);
    w->raw.len = 0;
    return true;
}

/* The container has stopped, or is gone, in the middle of a line. */
bool wire_give_rest(struct wire *w)
{
    if (!take_rest(w))
        return false;
    for (unsigned s = 0; s < CURSOR_STREAMS; s++) {
        if (!w->first[s].time)
            continue;
        if (!make_room(w, w->line[s].len, 1) || !ready_stream(w, s))
            return false;
        put_line(w, s, w->line[s].data, w->line[s].len);
    }
    return true;
}

void wire_relabel(struct wire *w)
{
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        stream_unref(w->streams[s]);
        w->streams[s] = NULL;
    }
}
