#include "codec/loki.h"

#include <assert.h>
#include <string.h>

#include "codec/utf8.h"

enum { TAG_1 = 0x0a, TAG_2 = 0x12, TAG_3 = 0x1a, TAG_1_VARINT = 0x08, TAG_2_VARINT = 0x10 };

static inline char *put_varint(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static inline size_t varint_size(uint64_t v)
{
    return (size_t)(9 * (63 - __builtin_clzll(v | 1)) + 73) / 64;
}

static inline char *put_bytes(char *p, int tag, const char *data, size_t n)
{
    *p++ = (char)tag;
    p = put_varint(p, n);
    memcpy(p, data, n);
    return p + n;
}

int loki_stream_begin(struct loki_encoder *e, const char *labels, size_t n_labels)
{
    assert(!e->stream);
    if (e->cap - e->len < LOKI_STREAM_OVERHEAD + n_labels)
        return -ENOSPC;
    char *p = e->out + e->len;
    *p++ = TAG_1;
    e->stream = (size_t)(p - e->out);
    p = put_bytes(p + LOKI_LENGTH, TAG_1, labels, n_labels);
    e->len = (size_t)(p - e->out);
    return 0;
}

void loki_stream_end(struct loki_encoder *e)
{
    size_t n = e->len - e->stream - LOKI_LENGTH;
    assert(e->stream && n < 1ull << 7 * LOKI_LENGTH);
    for (unsigned i = 0; i < LOKI_LENGTH; i++, n >>= 7)
        e->out[e->stream + i] = (char)((n & 0x7f) | (i + 1 < LOKI_LENGTH ? 0x80 : 0));
    e->stream = 0;
}

struct entry_head {
    char time[2 + 17]; /* the Timestamp with its tag */
    size_t n_time;
};

static inline void head_make(struct entry_head *h, int64_t time)
{
    int64_t seconds = time / 1000000000, nanos = time % 1000000000;
    if (nanos < 0) {
        seconds--;
        nanos += 1000000000;
    }
    char *p = h->time + 2;
    *p++ = TAG_1_VARINT;
    p = put_varint(p, (uint64_t)seconds);
    *p++ = TAG_2_VARINT;
    p = put_varint(p, (uint64_t)nanos);
    h->time[0] = TAG_1;
    h->time[1] = (char)(p - h->time - 2);
    h->n_time = (size_t)(p - h->time);
}

/* All before the line's bytes. */
static inline char *put_head(char *p, const struct entry_head *h, size_t line, size_t metadata)
{
    *p++ = TAG_2;
    p = put_varint(p, h->n_time + 1 + varint_size(line) + line + metadata);
    memcpy(p, h->time, sizeof h->time); /* a constant size is faster; what is behind n_time is overwritten */
    p += h->n_time;
    *p++ = TAG_2;
    return put_varint(p, line);
}

/* The room behind the metadata's end that put_head() may touch is within LOKI_ENTRY_OVERHEAD. */
static inline int room(const struct loki_encoder *e, size_t line, size_t metadata)
{
    size_t bound = loki_entry_bound(line, metadata);
    if (e->cap - e->len < bound)
        return -ENOSPC;
    return e->stream && e->len - e->stream + bound >= 1u << 7 * LOKI_LENGTH ? -EFBIG : 0;
}

static inline size_t line_limit(const struct loki_encoder *e)
{
    return e->max_line ? e->max_line : SIZE_MAX - 3;
}

static inline void finish(struct loki_encoder *e, char *p, const char *metadata, size_t n)
{
    if (n) {
        memcpy(p, metadata, n);
        p += n;
    }
    e->len = (size_t)(p - e->out);
}

/* `take` bytes of a line, which are `size` as sent. See utf8_repair() for lines that overlap the output. */
static void put_repaired(struct loki_encoder *e, int64_t time, const char *line, size_t take, size_t size,
                         const char *metadata, size_t n_metadata)
{
    struct entry_head h;
    head_make(&h, time);
    char *p = put_head(e->out + e->len, &h, size, n_metadata);
    p += utf8_repair(line, take, p);
    finish(e, p, metadata, n_metadata);
}

/* A line that is not valid or too long. */
static int entry_repaired(struct loki_encoder *e, int64_t time, const char *line, size_t len,
                          const char *metadata, size_t n_metadata)
{
    size_t size, take = utf8_fit(line, len, line_limit(e), &size);
    int r = room(e, size, n_metadata);
    if (r < 0)
        return r;
    put_repaired(e, time, line, take, size, metadata, n_metadata);
    e->cut += len - take;
    return 0;
}

int loki_entry(struct loki_encoder *e, int64_t time, const char *line, size_t len,
               const char *metadata, size_t n_metadata)
{
    if (len > line_limit(e) || !utf8_valid(line, len))
        return entry_repaired(e, time, line, len, metadata, n_metadata);
    int r = room(e, len, n_metadata);
    if (r < 0)
        return r;
    struct entry_head h;
    head_make(&h, time);
    char *p = put_head(e->out + e->len, &h, len, n_metadata);
    memcpy(p, line, len);
    finish(e, p + len, metadata, n_metadata);
    return 0;
}

int loki_entry_marks(struct loki_encoder *e, int64_t time, const char *data, const struct mark *marks, uint32_t n,
                     const char *metadata, size_t n_metadata)
{
    if (n == 1)
        return loki_entry(e, time, data + marks->off, marks->len, metadata, n_metadata);
    size_t whole = 0, most = line_limit(e) + 3; /* what utf8_fit() looks at */
    for (uint32_t i = 0; i < n; i++)
        whole += marks[i].len;
    size_t len = whole < most ? whole : most;
    int r = room(e, len, n_metadata);
    if (r < 0)
        return r;
    struct entry_head h;
    head_make(&h, time);
    char *line = put_head(e->out + e->len, &h, len, n_metadata), *p = line, *end = line + len;
    for (uint32_t i = 0; i < n && p < end; i++) {
        size_t left = (size_t)(end - p);
        p = mempcpy(p, data + marks[i].off, marks[i].len < left ? marks[i].len : left);
    }
    if (len <= line_limit(e) && utf8_valid(line, len)) { /* a character may lie across two marks: judged when joined */
        finish(e, p, metadata, n_metadata);
        return 0;
    }
    /*
     * Not yet part of the output. What is taken moves to the end of what the metadata leaves free, from where it is
     * repaired forwards: what is still to be read takes no more room than what is still to be written.
     */
    size_t size, take = utf8_fit(line, len, line_limit(e), &size);
    r = room(e, size, n_metadata);
    if (r < 0)
        return r;
    char *away = e->out + e->cap - take;
    memmove(away, line, take);
    put_repaired(e, time, away, take, size, metadata, n_metadata);
    e->cut += whole - take;
    return 0;
}

/* A value between quotes, as Go's strconv.Unquote reads it. NULL when it does not fit. */
static char *put_quoted(char *p, const char *end, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (end - p < 6)
            return NULL;
        if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = (char)c;
        } else if (c == '\n') {
            *p++ = '\\';
            *p++ = 'n';
        } else if (c < 0x20 || c == 0x7f) {
            memcpy(p, "\\u00", 4);
            p[4] = hex[c >> 4];
            p[5] = hex[c & 15];
            p += 6;
        } else {
            *p++ = (char)c;
        }
    }
    return p;
}

/* `used` bytes lie at out; repairs them in place. */
static long repair_in_place(char *out, size_t used, size_t cap)
{
    size_t size = utf8_repaired_size(out, used);
    if (size > cap)
        return -ENOSPC;
    if (!utf8_valid(out, used)) { /* a repair may be as long as what it replaces */
        memmove(out + cap - used, out, used);
        utf8_repair(out + cap - used, used, out);
    }
    return (long)size;
}

long loki_labels(const struct loki_pair *pairs, size_t n, char *out, size_t cap)
{
    char *p = out, *end = out + cap;
    for (size_t i = 0; i < n; i++) {
        size_t name = strlen(pairs[i].name);
        if ((size_t)(end - p) < name + 6)
            return -ENOSPC;
        p = mempcpy(p, i ? ", " : "{", i ? 2 : 1);
        p = mempcpy(p, pairs[i].name, name);
        *p++ = '=';
        *p++ = '"';
        p = put_quoted(p, end, pairs[i].value);
        if (!p || p == end)
            return -ENOSPC;
        *p++ = '"';
    }
    if (end - p < 3)
        return -ENOSPC;
    if (!n)
        *p++ = '{';
    *p++ = '}';
    long size = repair_in_place(out, (size_t)(p - out), cap - 1);
    if (size >= 0)
        out[size] = 0;
    return size;
}

static size_t repaired_string_size(const char *s)
{
    return utf8_repaired_size(s, strlen(s));
}

static char *put_string(char *p, int tag, const char *s, size_t size)
{
    *p++ = (char)tag;
    p = put_varint(p, size);
    return p + utf8_repair(s, strlen(s), p);
}

long loki_metadata(const struct loki_pair *pairs, size_t n, char *out, size_t cap)
{
    char *p = out;
    for (size_t i = 0; i < n; i++) {
        size_t name = repaired_string_size(pairs[i].name), value = repaired_string_size(pairs[i].value);
        size_t size = 2 + varint_size(name) + name + varint_size(value) + value;
        if (cap - (size_t)(p - out) < 1 + varint_size(size) + size)
            return -ENOSPC;
        *p++ = TAG_3;
        p = put_varint(p, size);
        p = put_string(p, TAG_1, pairs[i].name, name);
        p = put_string(p, TAG_2, pairs[i].value, value);
    }
    return (long)(p - out);
}
