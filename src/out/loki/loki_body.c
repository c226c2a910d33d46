#include "out/loki/loki_body.h"

#include <assert.h>
#include <errno.h>
#include <snappy-c.h>
#include <string.h>

enum {
    PREFIX = 16,                /* room for the header of a literal snappy block */
    SNAPPY_LITERAL_4 = 63 << 2, /* a literal whose length is in four bytes */
};

static bool another_in_flight(const struct loki *k, const struct loki_slot *s)
{
    for (unsigned i = 0; i < k->n_slots; i++)
        if (&k->slots[i] != s && k->slots[i].reserved)
            return true;
    return false;
}

static uint64_t body_most(const struct loki_slot *s)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < s->request->n; i++)
        bytes += s->request->leases[i].lease->taken.bytes + 64 * (uint64_t)s->request->leases[i].entries;
    return snappy_max_compressed_length(bytes);
}

bool loki_body_reserve(struct loki_slot *s)
{
    struct pool *pool = s->loki->sink->pool;
    uint64_t bytes = body_most(s);
    assert(!s->reserved);
    if (!pool_reserve(pool, bytes)) {
        if (another_in_flight(s->loki, s))
            return false;
        pool_claim(pool, bytes);
    }
    s->reserved = bytes;
    return true;
}

void loki_body_release(struct loki_slot *s)
{
    buf_end(&s->body);
    if (s->reserved)
        pool_release(s->loki->sink->pool, s->reserved);
    s->reserved = 0;
    s->send = NULL;
    s->send_n = 0;
}

static void settle_body(struct loki_slot *s)
{
    struct pool *pool = s->loki->sink->pool;
    if (s->body.cap > s->reserved)
        pool_claim(pool, s->body.cap - s->reserved);
    else
        pool_release(pool, s->reserved - s->body.cap);
    s->reserved = s->body.cap;
}

/* The encode buffer's size is reserved as it grows; it is made whatever the pool says, since one request must go on. */
static void account_raw(struct loki *k)
{
    uint64_t cap = k->raw.cap;
    if (cap > k->raw_reserved)
        pool_claim(k->sink->pool, cap - k->raw_reserved);
    else if (cap < k->raw_reserved)
        pool_release(k->sink->pool, k->raw_reserved - cap);
    k->raw_reserved = cap;
}

void loki_body_forget(struct loki *k)
{
    buf_clear(&k->raw);
    buf_shrink(&k->raw, 0);
    account_raw(k);
}

static int encode_into(struct loki_slot *s, struct buf *out)
{
    struct loki *k = s->loki;
    int r = loki_request_encode(s->request, out, &k->rules);
    account_raw(k);
    return r;
}

static int make_compressed(struct loki_slot *s)
{
    struct buf *raw = &s->loki->raw;
    buf_clear(raw);
    int r = encode_into(s, raw);
    if (r < 0)
        return r;
    size_t n = snappy_max_compressed_length(raw->len);
    r = buf_reserve(&s->body, n);
    if (r < 0)
        return r;
    if (snappy_compress(raw->data, raw->len, s->body.data, &n) != SNAPPY_OK)
        return -EIO;
    s->body.len = n;
    buf_shrink(&s->body, n);
    s->send = s->body.data;
    s->send_n = n;
    return 0;
}

/* One literal: the length of the whole as a varint, the tag, the length less one in four bytes, the bytes. */
static int make_literal(struct loki_slot *s)
{
    static const char room[PREFIX];
    int r = buf_reserve(&s->body, PREFIX + s->reserved);
    if (r == 0)
        r = buf_add(&s->body, room, PREFIX);
    if (r == 0)
        r = encode_into(s, &s->body);
    if (r < 0)
        return r;
    size_t n = s->body.len - PREFIX;
    unsigned char head[PREFIX], *p = head;
    for (size_t v = n;; v >>= 7) {
        *p++ = (unsigned char)(v >= 0x80 ? v | 0x80 : v);
        if (v < 0x80)
            break;
    }
    *p++ = SNAPPY_LITERAL_4;
    for (int shift = 0; shift < 32; shift += 8)
        *p++ = (unsigned char)((n - 1) >> shift);
    size_t head_n = (size_t)(p - head);
    s->send = memcpy(s->body.data + PREFIX - head_n, head, head_n);
    s->send_n = head_n + n;
    return 0;
}

int loki_body_make(struct loki_slot *s)
{
    int r = buf_begin(&s->body, &s->loki->scope, "loki body", LOKI_RAW_LIMIT);
    if (r == 0)
        r = s->loki->config->snappy ? make_compressed(s) : make_literal(s);
    if (r == 0)
        settle_body(s);
    return r;
}
