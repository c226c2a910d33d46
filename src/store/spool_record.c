#define XXH_STATIC_LINKING_ONLY
#include "store/spool_record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <xxhash.h>

static const uint32_t MAGIC = 0x3153434c; /* "LCS1" */

/* The head as it stands in the file; sinks and strings follow: key, name, cursor, the sinks' names, each with its NUL. */
struct disk_head {
    uint32_t magic, head_size; /* with sinks and strings */
    uint64_t head_hash;        /* of all that follows it in the head, seeded with head_size */
    uint64_t body_hash;
    uint64_t from, to, tail_hash;
    int64_t stored;
    uint32_t labels_size, n_marks, data_size;
    uint16_t n_streams, key_size, name_size, cursor_size; /* strings with their NULs */
    uint8_t kind, ordinal, n_sinks, zero;
};

struct disk_sink {
    uint64_t wanted, records, bytes;
    uint32_t first;
    uint16_t name_size, zero;
};

static_assert(sizeof(struct disk_head) == RECORD_LEAST, "no holes");
static_assert(sizeof(struct disk_sink) == 32, "no holes");
static_assert(sizeof(struct mark) == 24, "marks are stored as they are");

enum { HASHED_FROM = 16 };

static uint64_t hash_head(const char *head, uint32_t size)
{
    return XXH3_64bits_withSeed(head + HASHED_FROM, size - HASHED_FROM, size);
}

uint64_t record_body_size(const struct spool_head *h)
{
    return (uint64_t)h->labels_size + (uint64_t)h->n_marks * sizeof(struct mark) + h->data_size;
}

uint64_t record_body_hash(const struct spool_head *h, const char *labels, const struct mark *marks, const char *data)
{
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, labels, h->labels_size);
    XXH3_64bits_update(&state, marks, h->n_marks * sizeof *marks);
    XXH3_64bits_update(&state, data, h->data_size);
    return XXH3_64bits_digest(&state);
}

static size_t text_size(const char *s)
{
    return strlen(s) + 1;
}

int record_encode(struct buf *out, const struct spool_head *h)
{
    struct disk_head d = {
        .magic = MAGIC, .body_hash = h->body_hash, .from = h->from, .to = h->to, .tail_hash = h->tail_hash,
        .stored = h->stored, .labels_size = h->labels_size, .n_marks = h->n_marks, .data_size = h->data_size,
        .n_streams = (uint16_t)h->n_streams, .key_size = (uint16_t)text_size(h->key),
        .name_size = (uint16_t)text_size(h->name), .cursor_size = (uint16_t)text_size(h->cursor),
        .kind = (uint8_t)h->kind, .ordinal = h->ordinal, .n_sinks = (uint8_t)h->n_sinks,
    };
    size_t size = sizeof d + h->n_sinks * sizeof(struct disk_sink) + text_size(h->key) + text_size(h->name) +
                  text_size(h->cursor);
    for (unsigned i = 0; i < h->n_sinks; i++)
        size += text_size(h->sinks[i].name);
    if (size > SPOOL_HEAD_MAX || h->labels_size > SPOOL_LABELS_MAX || h->n_streams > SPOOL_STREAMS)
        return -EMSGSIZE;
    d.head_size = (uint32_t)size;
    buf_clear(out);
    int r = buf_reserve(out, size);
    if (r < 0)
        return r;
    buf_add(out, &d, sizeof d);
    for (unsigned i = 0; i < h->n_sinks; i++) {
        const struct spool_sink *s = &h->sinks[i];
        struct disk_sink k = {.wanted = s->wanted, .records = s->records, .bytes = s->bytes, .first = s->first,
                              .name_size = (uint16_t)text_size(s->name)};
        buf_add(out, &k, sizeof k);
    }
    buf_add(out, h->key, text_size(h->key));
    buf_add(out, h->name, text_size(h->name));
    buf_add(out, h->cursor, text_size(h->cursor));
    for (unsigned i = 0; i < h->n_sinks; i++)
        buf_add(out, h->sinks[i].name, text_size(h->sinks[i].name));
    d.head_hash = hash_head(out->data, d.head_size);
    memcpy(out->data + offsetof(struct disk_head, head_hash), &d.head_hash, sizeof d.head_hash);
    return 0;
}

/* A string of `size` bytes with its NUL, and none before that. NULL: it is not. */
static const char *take_text(const char **at, const char *end, size_t size)
{
    const char *s = *at;
    if (size == 0 || (size_t)(end - s) < size || memchr(s, 0, size) != s + size - 1)
        return NULL;
    *at += size;
    return s;
}

static bool take_strings(struct spool_head *h, const struct disk_head *d, const char *sinks, const char *at,
                         const char *end)
{
    h->key = take_text(&at, end, d->key_size);
    h->name = h->key ? take_text(&at, end, d->name_size) : NULL;
    h->cursor = h->name ? take_text(&at, end, d->cursor_size) : NULL;
    for (unsigned i = 0; h->cursor && i < h->n_sinks; i++) {
        struct disk_sink k;
        memcpy(&k, sinks + i * sizeof k, sizeof k);
        h->sinks[i] = (struct spool_sink){.name = take_text(&at, end, k.name_size), .first = k.first, .wanted = k.wanted,
                                          .records = k.records, .bytes = k.bytes};
        if (!h->sinks[i].name || k.first > h->n_marks)
            return false;
    }
    return h->cursor && at == end;
}

int spool_parse_head(const char *bytes, size_t n, struct spool_head *h)
{
    struct disk_head d;
    memset(h, 0, sizeof *h);
    h->next = sizeof d;
    if (n < sizeof d)
        return -EAGAIN;
    memcpy(&d, bytes, sizeof d);
    size_t sinks = d.n_sinks * sizeof(struct disk_sink);
    if (d.magic != MAGIC || d.head_size > SPOOL_HEAD_MAX || d.head_size < sizeof d + sinks)
        return -EUCLEAN;
    h->next = d.head_size;
    if (n < d.head_size)
        return -EAGAIN;
    if (hash_head(bytes, d.head_size) != d.head_hash)
        return -EUCLEAN;
    if (d.n_sinks > SINKS_MAX || d.n_streams > SPOOL_STREAMS || d.labels_size > SPOOL_LABELS_MAX || d.from > d.to)
        return -EUCLEAN;
    h->kind = d.kind;
    h->ordinal = d.ordinal;
    h->from = d.from;
    h->to = d.to;
    h->tail_hash = d.tail_hash;
    h->stored = d.stored;
    h->n_sinks = d.n_sinks;
    h->n_streams = d.n_streams;
    h->labels_size = d.labels_size;
    h->n_marks = d.n_marks;
    h->data_size = d.data_size;
    h->body_hash = d.body_hash;
    h->next = d.head_size + record_body_size(h);
    return take_strings(h, &d, bytes + sizeof d, bytes + sizeof d + sinks, bytes + d.head_size) ? 0 : -EUCLEAN;
}

/* ---- labels: how many, then name and value of each with their NULs ---- */

int spool_add_labels(struct buf *labels, const struct label *items, unsigned n)
{
    uint8_t count = (uint8_t)n;
    int r = buf_add(labels, &count, 1);
    for (unsigned i = 0; r == 0 && i < n; i++) {
        r = buf_add(labels, items[i].name, text_size(items[i].name));
        if (r == 0)
            r = buf_add(labels, items[i].value, text_size(items[i].value));
    }
    return r;
}

static const char *take_label(const char **at, const char *end)
{
    const char *s = *at, *nul = memchr(s, 0, (size_t)(end - s));
    if (!nul)
        return NULL;
    *at = nul + 1;
    return s;
}

int spool_next_labels(const char **at, const char *end, struct label items[STREAM_LABELS])
{
    if (*at == end)
        return -EUCLEAN;
    unsigned n = (unsigned char)*(*at)++;
    if (n > STREAM_LABELS)
        return -EUCLEAN;
    for (unsigned i = 0; i < n; i++) {
        items[i].name = take_label(at, end);
        items[i].value = items[i].name ? take_label(at, end) : NULL;
        if (!items[i].value)
            return -EUCLEAN;
    }
    return (int)n;
}
