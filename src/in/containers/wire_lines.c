/* What arrives at a wire, from lines on: to records to batches. */
#include "in/containers/wire.h"

#include <assert.h>
#include <string.h>

#include "in/containers/wire_internal.h"

enum {
    WIRE_BATCH = 64 << 10, /* bytes, beyond one record */
    WIRE_MARKS = 1024,
    NUMBERS = 1000000000, /* a time is told apart within its second */
};

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

bool wire_block_for_memory(struct wire *w)
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

bool wire_room_for(struct wire *w, size_t bytes, size_t lines)
{
    size_t need = bytes + w->line[0].text.len + w->line[1].text.len;
    return make_room(w, need, lines + 2 * CURSOR_STREAMS + need / wire_longest(w));
}

/* ---- records ---- */

bool wire_ready_stream(struct wire *w, unsigned stream)
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
    return (w->streams[stream] && batch_stream(w->batch, w->streams[stream]) >= 0) || wire_block_for_memory(w);
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
    size_t most = wire_longest(w), done = 0;
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
    w->cursor.max_line = wire_longest(w);
    l->time = 0;
    l->skip = 0;
    l->is_kept = false;
    l->text.len = 0;
}

void wire_put_line(struct wire *w, unsigned stream, const char *text, size_t len)
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
        wire_put_line(w, stream, l->text.data, l->text.len);
    l->is_kept = false;
    if (!l->time) {
        l->time = met->time;
        l->tie = met->n - 1;
    }
    l->reached = *met;
}

/* Whether a line that it is added to has memory for it: wire_ready_line() saw to that. */
static bool is_buffered(const struct wire *w, unsigned stream, size_t len, bool more)
{
    return w->line[stream].text.len || more || len > wire_longest(w);
}

void wire_take(struct wire *w, unsigned stream, const char *text, size_t len, bool more)
{
    meet_line(w, stream);
    struct wire_line *l = &w->line[stream];
    size_t before = len < l->skip ? len : (size_t)l->skip;
    l->skip -= before;
    text += before;
    len -= before;
    if (!is_buffered(w, stream, len, more)) {
        wire_put_line(w, stream, text, len);
        return;
    }
    int r = len ? buf_add(&l->text, text, len) : 0;
    assert(r == 0);
    put_full(w, stream);
    if (more)
        put_crowded(w, stream);
    else
        wire_put_line(w, stream, l->text.data, l->text.len);
}

/* What is in line[] is as long as wire_longest() allowed when it came, which a reload may change: the limit is never in the way. */
bool wire_ready_line(struct wire *w, const struct mark *m, size_t most)
{
    struct buf *text = &w->line[m->stream].text;
    size_t need = text->len + most, usual = wire_longest(w) + WIRE_RAW_MOST;
    if (!is_buffered(w, m->stream, m->len, m->more))
        return true;
    text->limit = need > usual ? need : usual;
    return buf_reserve(text, most) == 0 || wire_block_for_memory(w);
}

void wire_shrink_lines(struct wire *w)
{
    for (int s = 0; s < CURSOR_STREAMS; s++)
        if (!w->line[s].text.len && w->line[s].text.cap)
            buf_shrink(&w->line[s].text, 0);
}

void wire_relabel(struct wire *w)
{
    for (int s = 0; s < CURSOR_STREAMS; s++) {
        stream_unref(w->streams[s]);
        w->streams[s] = NULL;
    }
}
