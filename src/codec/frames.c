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

static void put(const char *data, const char *text, const char *end, const char *newline, struct mark *m)
{
    m->off = (uint32_t)(text - data);
    m->len = (uint32_t)(end - text);
    m->more = !newline && m->stream != WRAPPED_BARE;
    m->len -= newline && m->len && end[-1] == '\r';
    m->end = (uint32_t)((newline ? newline + 1 : end) - data);
}

/* The lines of one frame, the last mark taking what is left. 0: there are not so many marks. */
static uint32_t mark_message(const char *data, const char *text, const char *end, struct mark first, struct mark *marks, uint32_t cap,
                             bool must)
{
    uint32_t n = 0;
    do {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        if (n + 1 == cap && newline && newline + 1 < end) {
            if (!must)
                return 0;
            newline = end[-1] == '\n' ? end - 1 : NULL;
            stop = newline ? newline : end;
        }
        marks[n] = first;
        put(data, text, stop, newline, &marks[n++]);
        text = newline ? newline + 1 : end;
    } while (text < end);
    return n;
}

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

static uint32_t mark_frames(const struct frames *f, const char *data, uint32_t size, struct mark *marks, uint32_t cap,
                            uint32_t *consumed, int *error)
{
    struct rfc3339 last = {0};
    const char *p = data, *end = data + size;
    uint32_t n = 0;
    while (n < cap && end - p >= FRAMES_HEADER && (*error = check_header(f, p)) == 0) {
        uint32_t len = big_endian(p + 4);
        if ((size_t)(end - p) - FRAMES_HEADER < len)
            break;
        const char *text = p + FRAMES_HEADER, *behind = text + len;
        struct mark m = {.stream = WRAPPED_BARE, .time = WRAPPED_NO_TIME};
        if (*p != TYPE_DAEMON) {
            m.stream = *p == TYPE_STDERR ? WRAPPED_STDERR : WRAPPED_STDOUT;
            text = take_time(&last, text, behind, &m);
        }
        uint32_t made = len ? mark_message(data, text, behind, m, marks + n, cap - n, n == 0) : 0;
        if (len && made == 0)
            break;
        n += made;
        p = behind;
    }
    *consumed = (uint32_t)(p - data);
    return n;
}

/* Where the piece ends that is known by its length and by the time behind it; NULL: the line is no piece. */
static const char *piece_end(struct rfc3339 *last, const char *text, const char *end)
{
    int64_t time;
    if (end - text <= FRAMES_PIECE)
        return NULL;
    const char *next = text + FRAMES_PIECE, *behind = rfc3339_parse(last, next, end, &time);
    return behind && behind < end && *behind == ' ' ? next : NULL;
}

static uint32_t mark_tty(const struct frames *f, const char *data, uint32_t size, struct mark *marks, uint32_t cap,
                         uint32_t *consumed)
{
    struct rfc3339 last = {0};
    const char *p = data, *end = data + size;
    uint32_t n = 0;
    while (n < cap && p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        struct mark m = {.stream = WRAPPED_STDOUT};
        const char *text = take_time(&last, p, stop, &m);
        const char *piece = m.stream == WRAPPED_STDOUT ? piece_end(&last, text, stop) : NULL;
        if (!piece && !newline) {
            if ((size_t)(end - text) <= f->max_frame)
                break;
            piece = text + f->max_frame;
        }
        if (piece) {
            stop = piece;
            newline = NULL;
        }
        marks[n] = m;
        put(data, text, stop, newline, &marks[n++]);
        p = newline ? newline + 1 : stop;
    }
    *consumed = (uint32_t)(p - data);
    return n;
}

uint32_t frames_mark(const struct frames *f, const char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed,
                     int *error)
{
    *error = 0;
    return f->tty ? mark_tty(f, data, size, marks, cap, consumed) : mark_frames(f, data, size, marks, cap, consumed, error);
}
