/* What arrives at a wire: bytes to messages to records to batches. */
#include "in/containers/wire.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
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
    uint64_t lines = w->line[0].text.cap + w->line[1].text.cap, now = lines + w->raw.cap;
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

void wire_forget_raw(struct wire *w)
{
    w->raw.len = 0;
    buf_shrink(&w->raw, 0);
    account(w);
}

/* What is known already comes again. */
static void begin_anew(struct wire *w)
{
    w->is_fresh = false;
    w->part = 0;
    w->frames = (struct frames){.tty = w->container->tty, .max_frame = (uint32_t)longest_frame(w) + FRAMES_STAMP};
    w->replay = (struct cursor_replay){0};
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        w->line[s].skip = w->cursor.at[s].given + w->line[s].text.len;
        w->line[s].is_kept = w->line[s].time;
    }
    wire_forget_raw(w);
}

int wire_begin_memory(struct wire *w)
{
    if (thing_alive(&w->memory.thing))
        return 0;
    int r = scope_begin(&w->memory, &w->scope, "unfinished");
    if (r == 0)
        r = buf_begin(&w->raw, &w->memory, "frame", RAW_MOST);
    for (int s = 0; s < CURSOR_STREAMS && r == 0; s++)
        r = buf_begin(&w->line[s].text, &w->memory, "line", 0); /* ready_line() says how long */
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

/* For want of memory, of which nobody says when there is some. */
static bool block_for_memory(struct wire *w)
{
    timer_set(&monitor_of(w->container)->look, SECOND);
    return block(w);
}

static void oldest_open(struct wire *w)
{
    w->cursor.open = 0;
    for (int s = 0; s < CURSOR_STREAMS; s++)
        if (w->line[s].time && (!w->cursor.open || w->line[s].time < w->cursor.open))
            w->cursor.open = w->line[s].time;
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
    return (w->streams[stream] && batch_stream(w->batch, w->streams[stream]) >= 0) || block_for_memory(w);
}

/* What has the time of the one before gets a nanosecond more, the same at each reading. */
static void put_record(struct wire *w, unsigned stream, const char *text, size_t len)
{
    struct batch *b = w->batch;
    int index = batch_stream(b, w->streams[stream]);
    uint64_t tie = (w->line[stream].tie + w->cursor.at[stream].pieces) % NUMBERS;
    assert(index >= 0 && b->size - b->used >= len);
    if (len)
        memcpy(b->data + b->used, text, len);
    bool marked = batch_mark(b, (struct mark){.off = b->used,
                                              .len = (uint32_t)len,
                                              .end = b->used + (uint32_t)len,
                                              .stream = (uint16_t)index,
                                              .time = w->line[stream].time + (int64_t)tie});
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
    struct buf *line = &w->line[stream].text;
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
    struct buf *line = &w->line[stream].text;
    if (m->held <= atomic_load(&m->dispatcher->pool->limit) / 4 || !line->len)
        return;
    put_piece(w, stream, line->data, line->len);
    w->cursor.cuts++;
    line->len = 0;
}

static void line_ends(struct wire *w, unsigned stream)
{
    struct wire_line *l = &w->line[stream];
    w->cursor.at[stream] = l->reached; /* nothing of the next one is given */
    w->cursor.max_line = longest(w);
    l->time = 0;
    l->skip = 0;
    l->is_kept = false;
    l->text.len = 0;
}

/* The line is whole, or nothing more will come of it: it is in line[], or is `text`. */
static void put_line(struct wire *w, unsigned stream, const char *text, size_t len)
{
    if (!w->cursor.at[stream].given || len)
        put_record(w, stream, text, len);
    line_ends(w, stream);
}

/* A message is there: it begins a line, or goes on with one, whose first one it is if that was kept. */
static void meet_line(struct wire *w, unsigned stream)
{
    struct wire_line *l = &w->line[stream];
    const struct cursor_place *met = &w->replay.met[stream];
    if (l->is_kept && (l->time != met->time || l->tie != met->n - 1)) /* the log does not have it any more */
        put_line(w, stream, l->text.data, l->text.len);
    l->is_kept = false;
    if (!l->time) {
        l->time = met->time;
        l->tie = met->n - 1;
    }
    l->reached = *met;
}

/* Whether a line that it is added to has memory for it: ready_line() saw to that. */
static bool is_buffered(const struct wire *w, unsigned stream, size_t len, bool more)
{
    return w->line[stream].text.len || more || len > longest(w);
}

/* A message, or a line of one; there is room for it. */
static void take(struct wire *w, unsigned stream, const char *text, size_t len, bool more)
{
    meet_line(w, stream);
    struct wire_line *l = &w->line[stream];
    size_t before = len < l->skip ? len : (size_t)l->skip;
    l->skip -= before;
    text += before;
    len -= before;
    if (!is_buffered(w, stream, len, more)) {
        put_line(w, stream, text, len);
        return;
    }
    int r = len ? buf_add(&l->text, text, len) : 0;
    assert(r == 0);
    put_full(w, stream);
    if (more)
        put_crowded(w, stream);
    else
        put_line(w, stream, l->text.data, l->text.len);
}

/*
 * Memory for `most` bytes more of the line, if that takes some. false: there is none, the wire is blocked for a while. What is
 * in line[] is as long as longest() allowed when it came, which a reload may change: the limit is never in the way.
 */
static bool ready_line(struct wire *w, const struct mark *m, size_t most)
{
    struct buf *text = &w->line[m->stream].text;
    size_t need = text->len + most, usual = longest(w) + RAW_MOST;
    if (!is_buffered(w, m->stream, m->len, m->more))
        return true;
    text->limit = need > usual ? need : usual;
    return buf_reserve(text, most) == 0 || block_for_memory(w);
}

static void shrink_lines(struct wire *w)
{
    for (int s = 0; s < CURSOR_STREAMS; s++)
        if (!w->line[s].text.len && w->line[s].text.cap)
            buf_shrink(&w->line[s].text, 0);
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

/* For so many bytes in so many lines, and for what they end, or is there without its beginning. */
static bool room_for(struct wire *w, size_t bytes, size_t lines)
{
    size_t need = bytes + w->line[0].text.len + w->line[1].text.len;
    return make_room(w, need, lines + 2 * CURSOR_STREAMS + need / longest(w));
}

static void take_mark(struct wire *w, const char *data, const struct mark *m, bool begins)
{
    if (begins)
        w->is_new = cursor_meet(&w->replay, &w->cursor, m->stream, m->time);
    if (w->is_new)
        take(w, m->stream, data + m->off, m->len, m->more);
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
    if (!room_for(w, consumed, n))
        return TAKEN_NOTHING;
    for (uint32_t i = 0; i < n; i++) {
        if (!settle_bare(w, data, &marks[i]))
            return TAKEN_FAULT;
        if (!ready_stream(w, marks[i].stream) || !ready_line(w, &marks[i], consumed))
            return TAKEN_NOTHING;
    }
    for (uint32_t i = 0; i < n; i++)
        take_mark(w, data, &marks[i], i || !w->frames.goes_on);
    shrink_lines(w);
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

/* All of it, and what is no whole message is kept. */
static enum http_piece take_piece(struct wire *w, const char *data, size_t n)
{
    data += w->part;
    n -= w->part;
    ssize_t done = take_messages(w, data, n);
    if (done < 0)
        return HTTP_STOP;
    w->part += (size_t)done;
    if (done == 0 && w->is_blocked)
        return HTTP_LATER;
    if ((size_t)done < n && buf_add(&w->raw, data + done, n - (size_t)done) < 0) {
        block_for_memory(w);
        return HTTP_LATER;
    }
    w->part = 0;
    return HTTP_TAKEN;
}

/* false: the stream is at fault. */
static bool take_raw(struct wire *w)
{
    struct buf *raw = &w->raw;
    ssize_t done = raw->len ? take_messages(w, raw->data, raw->len) : 0;
    if (done < 0)
        return false;
    if (done == 0)
        return true;
    raw->len -= (size_t)done;
    memmove(raw->data, raw->data + done, raw->len);
    return true;
}

/* What is left of what came before, and then this. HTTP_LATER: the same once more, of which a part may be taken (w->part). */
static enum http_piece take_bytes(struct wire *w, const char *data, size_t n)
{
    enum http_piece what = HTTP_TAKEN;
    if (w->raw.len == 0) {
        what = take_piece(w, data, n);
    } else if (n && buf_add(&w->raw, data, n) < 0) {
        block_for_memory(w);
        what = HTTP_LATER;
    } else if (!take_raw(w)) {
        what = HTTP_STOP;
    }
    if (w->raw.len == 0 && w->raw.cap)
        buf_shrink(&w->raw, 0);
    account(w);
    return what;
}

enum http_piece wire_piece(struct http_request *r, const char *data, size_t n)
{
    struct wire *w = container_of(r, struct wire, request);
    if (w->is_blocked)
        return HTTP_LATER;
    w->silent_since = clock_mono();
    if (n == 0) {
        wire_answered(w);
        return HTTP_TAKEN;
    }
    if (!wire_settle(w))
        return HTTP_LATER;
    w->ever = true;
    return take_bytes(w, data, n);
}

void wire_unblock(struct wire *w)
{
    if (!thing_alive(&w->memory.thing))
        return;
    if (w->raw.len && take_bytes(w, "", 0) == HTTP_STOP) {
        wire_forget_raw(w);
        wire_broken(w);
        return;
    }
    if (!w->is_blocked && w->ended)
        wire_go_on_ending(w);
    else if (!w->is_blocked)
        http_resume(&w->request);
}

/* ---- the end of a stream ---- */

/* What there is of a message whose end did not come. false: there is none, or (w->why) nobody knows when it was said. */
static bool find_rest(struct wire *w, struct mark *m)
{
    return w->raw.len && frames_rest(&w->frames, w->raw.data, (uint32_t)w->raw.len, m) && settle_bare(w, w->raw.data, m);
}

bool wire_is_torn(struct wire *w)
{
    struct mark m;
    return w->frames.left || (w->raw.len && (!w->frames.tty || !find_rest(w, &m)));
}

/* What came, whole or not, is in its line. is_over: no more will come. false: blocked. */
static bool take_rest(struct wire *w, bool is_over)
{
    struct mark m;
    w->frames.is_over = true;
    if (!take_raw(w)) {
        atomic_fetch_add(&monitor_of(w->container)->stats.malformed, 1);
        w->raw.len = 0;
    }
    if (w->is_blocked)
        return false;
    if (find_rest(w, &m)) {
        m.len -= !is_over && w->raw.data[m.off + m.len - 1] == '\r'; /* half of a line end, which comes again */
        if (!room_for(w, m.len, 1) || !ready_stream(w, m.stream) || !ready_line(w, &m, m.len))
            return false;
        take_mark(w, w->raw.data, &m, !w->frames.goes_on);
    } else if (is_over && w->why[0]) {
        log_warn("containers", "%s: %s", w->source->name, w->why);
    }
    w->why[0] = 0;
    w->frames.left = 0;
    w->raw.len = 0;
    return true;
}

bool wire_settle(struct wire *w)
{
    if (!w->is_fresh)
        return true;
    if (!take_rest(w, false))
        return false;
    begin_anew(w);
    return true;
}

/* The container has stopped, or is gone, in the middle of a line. */
bool wire_give_rest(struct wire *w)
{
    if (!take_rest(w, true))
        return false;
    for (unsigned s = 0; s < CURSOR_STREAMS; s++) {
        if (!w->line[s].time)
            continue;
        if (!room_for(w, 0, 1) || !ready_stream(w, s))
            return false;
        put_line(w, s, w->line[s].text.data, w->line[s].text.len);
    }
    return true;
}

void wire_count_rest(struct wire *w)
{
    struct amount lost = {.records = w->raw.len != 0, .bytes = w->raw.len};
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        lost.records += w->line[s].text.len != 0;
        lost.bytes += w->line[s].text.len;
    }
    if (!lost.records)
        return;
    log_warn("containers", "%s: there is no room for the last %" PRIu64 " bytes that it said: dropped and counted", w->source->name,
             lost.bytes);
    EACH_ACCOUNT(a, w->source)
        account_lost(a, lost, DROP_SHUTDOWN);
}

void wire_relabel(struct wire *w)
{
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        stream_unref(w->streams[s]);
        w->streams[s] = NULL;
    }
}
