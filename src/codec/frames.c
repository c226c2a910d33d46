#include "codec/frames.h"

#include <errno.h>
#include <string.h>

#include "codec/rfc3339.h"

enum type { TYPE_STDIN, TYPE_STDOUT, TYPE_STDERR, TYPE_DAEMON };

/* Takes the time and its blank off. Returns where the text begins. */
static const char *take_time(struct rfc3339 *last, const char *p, const char *end, struct mark *m)
{
    const char *text = rfc3339_parse(last, p, end, &m->time);
    if (text && text < end && *text == ' ')
        return text + 1;
    m->time = WRAPPED_NO_TIME;
    m->stream = WRAPPED_BARE;
    return p;
}

/* From text to its end; `newline` is where that is, NULL: the line goes on. */
static void put(const char *data, const char *text, const char *end, const char *newline, struct mark *m)
{
    m->off = (uint32_t)(text - data);
    m->len = (uint32_t)(end - text);
    m->more = !newline;
    m->len -= newline && m->len && end[-1] == '\r';
    m->end = (uint32_t)((newline ? newline + 1 : end) - data);
}

/* Where what is there of a line ends, whose own end is not. */
static const char *part_end(const char *p, const char *end)
{
    return end > p && end[-1] == '\r' ? end - 1 : end;
}

/* ---- frames ---- */

static uint32_t big_endian(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static int check_header(const struct frames *f, const char *p)
{
    if ((unsigned char)p[0] > TYPE_DAEMON || p[1] || p[2] || p[3])
        return -EBADMSG;
    return big_endian(p + 4) > f->max_frame ? -EMSGSIZE : 0;
}

/* The header and the time. Returns where the text begins; NULL: too little is there, or an error. */
static const char *begin_frame(struct frames *f, const char *p, const char *end, int *error)
{
    struct rfc3339 last = {0};
    struct mark m = {.stream = WRAPPED_BARE, .time = WRAPPED_NO_TIME};
    if (end - p < FRAMES_HEADER || (*error = check_header(f, p)) < 0)
        return NULL;
    uint32_t len = big_endian(p + 4);
    const char *text = p + FRAMES_HEADER;
    bool whole = (size_t)(end - text) >= len;
    if (!whole && !f->is_over && end - text < (*p == TYPE_DAEMON ? FRAMES_DAEMON : FRAMES_STAMP))
        return NULL;
    if (*p != TYPE_DAEMON) {
        m.stream = *p == TYPE_STDERR ? WRAPPED_STDERR : WRAPPED_STDOUT;
        const char *begin = text, *stop = whole ? text + len : end;
        text = take_time(&last, text, stop, &m);
        if (!whole && stop - begin < FRAMES_STAMP && m.stream == WRAPPED_BARE) /* torn within its time */
            return NULL;
        len -= (uint32_t)(text - begin);
    }
    f->left = len;
    f->stream = m.stream;
    f->time = m.time;
    f->goes_on = false;
    return text;
}

/* The lines of a message from *p on, as far as they are there. How many; none: what is there says nothing yet. */
static uint32_t mark_message(struct frames *f, const char *data, const char **p, const char *end, struct mark *marks, uint32_t cap)
{
    bool whole = (size_t)(end - *p) >= f->left;
    uint32_t n = 0;
    if (whole)
        end = *p + f->left;
    do {
        const char *newline = memchr(*p, '\n', (size_t)(end - *p));
        const char *stop = newline ? newline : whole ? end : part_end(*p, end);
        if (!newline && !whole && stop == *p)
            break;
        marks[n] = (struct mark){.stream = f->stream, .time = f->time};
        put(data, *p, stop, newline, &marks[n]);
        f->left -= marks[n].end - (uint32_t)(*p - data);
        *p = data + marks[n++].end;
        f->goes_on = !newline && f->left;
    } while (n < cap && *p < end);
    return n;
}

static uint32_t mark_frames(struct frames *f, const char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed,
                            int *error)
{
    const char *p = data, *end = data + size;
    uint32_t n = 0;
    while (n < cap && p < end) {
        if (!f->left) {
            bool empty = end - p >= FRAMES_HEADER && !big_endian(p + 4);
            const char *text = begin_frame(f, p, end, error);
            if (!text)
                break;
            p = text;
            if (empty)
                continue;
        }
        uint32_t made = mark_message(f, data, &p, end, marks + n, cap - n);
        if (!made)
            break;
        n += made;
    }
    *consumed = (uint32_t)(p - data);
    return n;
}

/* ---- a TTY ---- */

/* Where the piece ends that is known by its length and by the time behind it; NULL: the line is no piece. */
static const char *piece_end(struct rfc3339 *last, const char *text, const char *end)
{
    int64_t time;
    if (end - text <= FRAMES_PIECE)
        return NULL;
    const char *next = text + FRAMES_PIECE, *behind = rfc3339_parse(last, next, end, &time);
    return behind && behind < end && *behind == ' ' ? next : NULL;
}

static uint32_t mark_tty(struct frames *f, const char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed)
{
    struct rfc3339 last = {0};
    const char *p = data, *end = data + size;
    uint32_t n = 0;
    while (n < cap && p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end, *text = p, *piece = NULL;
        struct mark m = {.stream = f->stream, .time = f->time};
        if (!f->goes_on) {
            m.stream = WRAPPED_STDOUT;
            text = take_time(&last, p, stop, &m);
            piece = m.stream == WRAPPED_STDOUT ? piece_end(&last, text, stop) : NULL;
            if (!piece && !newline && end - text <= FRAMES_PIECE + FRAMES_STAMP)
                break;
        }
        if (piece) {
            stop = piece;
            newline = NULL;
        } else if (!newline) {
            stop = part_end(p, end);
            if (stop == p)
                break;
        }
        f->goes_on = !piece && !newline;
        f->stream = m.stream;
        f->time = m.time;
        put(data, text, stop, newline, &m);
        marks[n++] = m;
        p = data + m.end;
    }
    *consumed = (uint32_t)(p - data);
    return n;
}

/* ---- either ---- */

uint32_t frames_one(const struct frames *f, const char *data, uint32_t size)
{
    uint64_t len = f->left;
    if (f->tty || (!len && size < FRAMES_HEADER))
        return size;
    if (!len)
        len = (uint64_t)FRAMES_HEADER + big_endian(data + 4);
    return len < size ? (uint32_t)len : size;
}

uint32_t frames_mark(struct frames *f, const char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed, int *error)
{
    *error = 0;
    return f->tty ? mark_tty(f, data, size, marks, cap, consumed) : mark_frames(f, data, size, marks, cap, consumed, error);
}

/* A time that is not there to its end: a line would begin behind it. */
static bool is_torn_time(const char *p, const char *end)
{
    if (end - p >= FRAMES_STAMP)
        return false;
    while (p < end && *p && strchr("0123456789-+:.TZ", *p))
        p++;
    return p == end;
}

bool frames_rest(struct frames *f, const char *data, uint32_t size, struct mark *mark)
{
    struct rfc3339 last = {0};
    const char *text = data, *end = data + size;
    if (!f->tty)
        return false;
    *mark = (struct mark){.stream = f->goes_on ? f->stream : WRAPPED_STDOUT, .time = f->time};
    if (!f->goes_on) {
        text = take_time(&last, data, end, mark);
        if (mark->stream == WRAPPED_BARE && is_torn_time(text, end))
            return false;
        if (end - text > FRAMES_PIECE && is_torn_time(text + FRAMES_PIECE, end))
            end = text + FRAMES_PIECE;
    }
    put(data, text, end, NULL, mark);
    return text < end;
}
