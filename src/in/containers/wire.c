/* What arrives at a wire: bytes to messages to lines, and what of these is not whole. */
#include "in/containers/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/wrapped.h"
#include "in/containers/wire_internal.h"

enum {
    STEP_MARKS = 64, /* messages that are looked for at once */
    FRAME_LEAST = 64 << 10,
};

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
    return wire_longest(w) > FRAME_LEAST ? wire_longest(w) : FRAME_LEAST;
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
        r = buf_begin(&w->raw, &w->memory, "frame", WIRE_RAW_MOST);
    for (int s = 0; s < CURSOR_STREAMS && r == 0; s++)
        r = buf_begin(&w->line[s].text, &w->memory, "line", 0); /* wire_wire_ready_line() says how long */
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

static void take_mark(struct wire *w, const char *data, const struct mark *m, bool begins)
{
    if (begins)
        w->is_new = cursor_meet(&w->replay, &w->cursor, m->stream, m->time);
    if (w->is_new)
        wire_take(w, m->stream, data + m->off, m->len, m->more);
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
    if (!wire_room_for(w, consumed, n))
        return TAKEN_NOTHING;
    for (uint32_t i = 0; i < n; i++) {
        if (!settle_bare(w, data, &marks[i]))
            return TAKEN_FAULT;
        if (!wire_ready_stream(w, marks[i].stream) || !wire_ready_line(w, &marks[i], consumed))
            return TAKEN_NOTHING;
    }
    for (uint32_t i = 0; i < n; i++)
        take_mark(w, data, &marks[i], i || !w->frames.goes_on);
    wire_shrink_lines(w);
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
        wire_block_for_memory(w);
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
        wire_block_for_memory(w);
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
        if (!wire_room_for(w, m.len, 1) || !wire_ready_stream(w, m.stream) || !wire_ready_line(w, &m, m.len))
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
        if (!wire_room_for(w, 0, 1) || !wire_ready_stream(w, s))
            return false;
        wire_put_line(w, s, w->line[s].text.data, w->line[s].text.len);
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
