#include "out/loki_encode.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

enum {
    FIELD_STREAM = 1 << 3 | 2,
    FIELD_LABELS = 1 << 3 | 2,
    FIELD_ENTRY = 2 << 3 | 2,
    FIELD_TIMESTAMP = 1 << 3 | 2,
    FIELD_LINE = 2 << 3 | 2,
    FIELD_METADATA = 3 << 3 | 2,
    FIELD_NAME = 1 << 3 | 2,
    FIELD_VALUE = 2 << 3 | 2,
    FIELD_SECONDS = 1 << 3,
    FIELD_NANOS = 2 << 3,
    LENGTH_BYTES = 5, /* of a stream: up to 32 GiB */
    ENTRY_MOST = 64,  /* tags, lengths and time of an entry */
};

static const char REPLACEMENT[] = "\xEF\xBF\xBD";
enum { REPLACEMENT_LEN = 3 };

static size_t varint_size(uint64_t v)
{
    return 1 + (size_t)(63 - __builtin_clzll(v | 1)) / 7;
}

static char *put_varint(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static char *put_bytes(char *p, char field, const char *data, size_t n)
{
    *p++ = field;
    p = put_varint(p, n);
    memcpy(p, data, n);
    return p + n;
}

/* ---- UTF-8 ---- */

static bool all_ascii(const char *text, size_t n)
{
    uint64_t seen = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        seen |= word;
    }
    for (; i < n; i++)
        seen |= (unsigned char)text[i] & 0x80;
    return !(seen & 0x8080808080808080u);
}

/* Bytes of the character at p, or 0 if it is none: Unicode's table 3-7. */
static size_t character(const unsigned char *p, size_t left)
{
    unsigned char c = p[0], least = 0x80, most = 0xBF;
    size_t n;
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        n = 2;
    else if (c >= 0xE0 && c <= 0xEF)
        n = 3;
    else if (c >= 0xF0 && c <= 0xF4)
        n = 4;
    else
        return 0;
    if (c == 0xE0)
        least = 0xA0;
    else if (c == 0xED)
        most = 0x9F;
    else if (c == 0xF0)
        least = 0x90;
    else if (c == 0xF4)
        most = 0x8F;
    if (left < n || p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

size_t loki_utf8_valid(const char *text, size_t n)
{
    if (all_ascii(text, n))
        return n;
    size_t i = 0;
    for (size_t len; i < n && (len = character((const unsigned char *)text + i, n - i)); i += len)
        ;
    return i;
}

struct line {
    const char *text;
    size_t len;     /* of the text that is taken */
    size_t encoded; /* bytes as sent */
    bool valid;
};

/* How much of the text fits, and what it takes. */
static struct line measure(const char *text, size_t n, size_t max)
{
    struct line line = {.text = text, .valid = loki_utf8_valid(text, n) == n};
    if (line.valid) {
        if (n > max)
            for (n = max; n && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
                ;
        line.len = line.encoded = n;
        return line;
    }
    while (line.len < n) {
        size_t len = character((const unsigned char *)text + line.len, n - line.len);
        size_t more = len ? len : REPLACEMENT_LEN;
        if (line.encoded + more > max)
            break;
        line.encoded += more;
        line.len += len ? len : 1;
    }
    return line;
}

static char *put_line(char *p, const struct line *line)
{
    if (line->valid) {
        memcpy(p, line->text, line->len);
        return p + line->len;
    }
    for (size_t i = 0; i < line->len;) {
        size_t len = character((const unsigned char *)line->text + i, line->len - i);
        memcpy(p, len ? line->text + i : REPLACEMENT, len ? len : REPLACEMENT_LEN);
        p += len ? len : REPLACEMENT_LEN;
        i += len ? len : 1;
    }
    return p;
}

/* ---- records ---- */

/* The record as one run of bytes; false when there is no memory to join its pieces in. */
static bool join(struct loki_encoder *e, const struct batch *b, uint32_t i, uint32_t next,
                 const char **text, size_t *n)
{
    *text = b->data + b->marks[i].off;
    *n = b->marks[i].len;
    if (next == i + 1)
        return true;
    buf_clear(e->joined);
    for (; i < next; i++)
        if (buf_add(e->joined, b->data + b->marks[i].off, b->marks[i].len) < 0)
            return false;
    *text = e->joined->data;
    *n = e->joined->len;
    return true;
}

static void fail(struct loki_encoder *e, int r)
{
    if (!e->failed)
        e->failed = r;
}

void loki_encode_begin(struct loki_encoder *e, struct buf *out, struct buf *joined, size_t max_line)
{
    *e = (struct loki_encoder){.out = out, .joined = joined, .max_line = max_line};
}

static void end_stream(struct loki_encoder *e)
{
    if (!e->stream_at)
        return;
    uint64_t n = e->out->len - e->stream_at - LENGTH_BYTES;
    char *p = e->out->data + e->stream_at;
    for (int i = 0; i < LENGTH_BYTES - 1; i++, n >>= 7)
        p[i] = (char)(n | 0x80);
    p[LENGTH_BYTES - 1] = (char)n;
    e->stream_at = 0;
}

void loki_encode_stream(struct loki_encoder *e, const char *labels, size_t n)
{
    end_stream(e);
    int r = buf_reserve(e->out, n + ENTRY_MOST);
    if (r < 0) {
        fail(e, r);
        return;
    }
    char *p = e->out->data + e->out->len;
    *p++ = FIELD_STREAM;
    e->stream_at = (size_t)(p - e->out->data);
    p = put_bytes(p + LENGTH_BYTES, FIELD_LABELS, labels, n);
    e->out->len = (size_t)(p - e->out->data);
}

static char *put_time(char *p, int64_t time)
{
    /* Negative times (before 1970) count nanoseconds upwards too. */
    int64_t seconds = time / SECOND, nanos = time % SECOND;
    if (nanos < 0) {
        seconds--;
        nanos += SECOND;
    }
    *p++ = FIELD_TIMESTAMP;
    *p++ = (char)(2 + varint_size((uint64_t)seconds) + varint_size((uint64_t)nanos));
    *p++ = FIELD_SECONDS;
    p = put_varint(p, (uint64_t)seconds);
    *p++ = FIELD_NANOS;
    return put_varint(p, (uint64_t)nanos);
}

void loki_encode_entry(struct loki_encoder *e, const struct batch *b, uint32_t i, uint32_t next,
                       const char *metadata, size_t metadata_n)
{
    const char *text;
    size_t n;
    if (e->failed)
        return;
    if (!join(e, b, i, next, &text, &n)) {
        fail(e, -ENOMEM);
        return;
    }
    struct line line = measure(text, n, e->max_line);
    char time[32];
    size_t time_n = (size_t)(put_time(time, b->marks[i].time) - time);
    size_t size = time_n + 1 + varint_size(line.encoded) + line.encoded + metadata_n;
    int r = buf_reserve(e->out, size + ENTRY_MOST);
    if (r < 0) {
        fail(e, r);
        return;
    }
    char *p = e->out->data + e->out->len;
    *p++ = FIELD_ENTRY;
    p = put_varint(p, size);
    memcpy(p, time, time_n);
    p += time_n;
    *p++ = FIELD_LINE;
    p = put_line(put_varint(p, line.encoded), &line);
    if (metadata_n)
        memcpy(p, metadata, metadata_n);
    e->out->len = (size_t)(p - e->out->data) + metadata_n;
    e->cut_bytes += n - line.len;
    e->entries++;
}

int loki_encode_end(struct loki_encoder *e)
{
    if (!e->failed)
        end_stream(e);
    return e->failed;
}

uint64_t loki_cut(struct loki_encoder *e, const struct batch *b, uint32_t i, uint32_t next)
{
    const char *text;
    size_t n;
    return join(e, b, i, next, &text, &n) ? n - measure(text, n, e->max_line).len : 0;
}

int loki_encode_pair(struct buf *out, const char *name, const char *value)
{
    size_t name_n = strlen(name), value_n = strlen(value);
    size_t size = 2 + varint_size(name_n) + name_n + varint_size(value_n) + value_n;
    int r = buf_reserve(out, size + ENTRY_MOST);
    if (r < 0)
        return r;
    char *p = out->data + out->len;
    *p++ = FIELD_METADATA;
    p = put_varint(p, size);
    p = put_bytes(p, FIELD_NAME, name, name_n);
    p = put_bytes(p, FIELD_VALUE, value, value_n);
    out->len = (size_t)(p - out->data);
    return 0;
}
