#include "core/stream.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/settings.h"

struct entry {
    struct entry *next; /* in the bucket */
    uint64_t hash;
    _Atomic uint32_t refs;
    struct stream stream;
};

static struct {
    pthread_mutex_t lock;
    struct scope scope; /* its own: streams come and go on any thread, under the lock */
    struct entry **buckets; /* a power of two */
    size_t n_buckets, n;
    uint64_t next_id;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

int streams_begin(struct scope *owner)
{
    enum { BUCKETS = 64 };
    assert(!thing_alive(&table.scope.thing));
    int r = scope_begin(&table.scope, owner, "streams");
    if (r < 0)
        return r;
    table.buckets = mem_new(&table.scope, BUCKETS * sizeof *table.buckets, "stream table");
    r = table.buckets ? settings_begin(owner) : -ENOMEM;
    if (r < 0) {
        scope_end(&table.scope);
        return r;
    }
    table.n_buckets = BUCKETS;
    return 0;
}

void streams_end(void)
{
    assert(table.n == 0);
    settings_end();
    table.buckets = NULL;
    scope_end(&table.scope);
}

uint64_t streams_count(void)
{
    pthread_mutex_lock(&table.lock);
    uint64_t n = table.n;
    pthread_mutex_unlock(&table.lock);
    return n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* At most `max` bytes, ending at a character. */
static size_t cut_length(const char *s, size_t max)
{
    size_t n = strnlen(s, max + 1);
    if (n <= max)
        return n;
    for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
        ;
    return n;
}

/* Sorted, each name once (the last given wins), no empty values; returns how many. */
static size_t normalize(struct label *out, const struct label *in, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < kept && strcmp(out[at].name, in[i].name) != 0)
            at++;
        if (at == STREAM_LABELS) {
            log_warn("streams", "label %s is left out: a stream has at most %d labels", in[i].name,
                     STREAM_LABELS);
            continue;
        }
        out[at] = in[i];
        if (at == kept)
            kept++;
    }
    size_t full = 0;
    for (size_t i = 0; i < kept; i++)
        if (out[i].name[0] && out[i].value && out[i].value[0])
            out[full++] = out[i];
    qsort(out, full, sizeof *out, by_name);
    return full;
}

static bool name_char(char c, bool first)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (!first && c >= '0' && c <= '9');
}

static char *copy_name(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = name_char(from[i], i == 0) ? from[i] : '_';
    to[n] = 0;
    return to + n + 1;
}

static struct entry *build(const struct label *labels, size_t n, uint64_t hash)
{
    size_t text = 0;
    for (size_t i = 0; i < n; i++)
        text += cut_length(labels[i].name, STREAM_LABEL_NAME) +
                cut_length(labels[i].value, STREAM_LABEL_VALUE) + 2;
    struct entry *e = mem_new(&table.scope, sizeof *e + n * sizeof *labels + text, "stream");
    if (!e)
        return NULL;
    e->hash = hash;
    atomic_init(&e->refs, 1);
    e->stream.id = ++table.next_id;
    e->stream.n = (uint32_t)n;
    char *p = (char *)&e->stream.labels[n];
    for (size_t i = 0; i < n; i++) {
        size_t len = cut_length(labels[i].value, STREAM_LABEL_VALUE);
        e->stream.labels[i].name = p;
        p = copy_name(p, labels[i].name, cut_length(labels[i].name, STREAM_LABEL_NAME));
        e->stream.labels[i].value = memcpy(p, labels[i].value, len);
        p[len] = 0;
        p += len + 1;
    }
    return e;
}

static bool same(const struct stream *s, const struct label *labels, size_t n)
{
    if (s->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(s->labels[i].name, labels[i].name) != 0 ||
            strcmp(s->labels[i].value, labels[i].value) != 0)
            return false;
    return true;
}

static uint64_t hash_labels(const struct label *labels, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) {
        h = XXH3_64bits_withSeed(labels[i].name, strlen(labels[i].name) + 1, h);
        h = XXH3_64bits_withSeed(labels[i].value, strlen(labels[i].value) + 1, h);
    }
    return h;
}

/* A table that cannot grow only gets slower. */
static void grow(void)
{
    size_t n = table.n_buckets * 2;
    struct entry **to = mem_new(&table.scope, n * sizeof *to, "stream table");
    if (!to)
        return;
    for (size_t i = 0; i < table.n_buckets; i++)
        for (struct entry *e = table.buckets[i], *next; e; e = next) {
            next = e->next;
            e->next = to[e->hash & (n - 1)];
            to[e->hash & (n - 1)] = e;
        }
    mem_free(table.buckets);
    table.buckets = to;
    table.n_buckets = n;
}

static bool is_canonical(const struct label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = labels[i].name;
        for (const char *c = name; *c; c++)
            if (!name_char(*c, c == name))
                return false;
        if (strnlen(name, STREAM_LABEL_NAME + 1) > STREAM_LABEL_NAME ||
            strnlen(labels[i].value, STREAM_LABEL_VALUE + 1) > STREAM_LABEL_VALUE)
            return false;
    }
    return true;
}

/* What is looked for must look like what is in the table, else equal sets would not be one. */
static struct stream *get_by_copy(const struct label *labels, size_t n)
{
    pthread_mutex_lock(&table.lock);
    struct entry *copy = build(labels, n, 0);
    pthread_mutex_unlock(&table.lock);
    if (!copy)
        return NULL;
    struct stream *s = stream_get(copy->stream.labels, n);
    pthread_mutex_lock(&table.lock);
    mem_free(copy);
    pthread_mutex_unlock(&table.lock);
    return s;
}

struct stream *stream_get(const struct label *labels, size_t n)
{
    struct label sorted[STREAM_LABELS];
    n = normalize(sorted, labels, n);
    if (!is_canonical(sorted, n))
        return get_by_copy(sorted, n);
    uint64_t hash = hash_labels(sorted, n);

    pthread_mutex_lock(&table.lock);
    struct entry *e = table.buckets[hash & (table.n_buckets - 1)];
    while (e && !(e->hash == hash && same(&e->stream, sorted, n)))
        e = e->next;
    if (e) {
        atomic_fetch_add(&e->refs, 1);
    } else if ((e = build(sorted, n, hash))) {
        if (++table.n > 2 * table.n_buckets)
            grow();
        struct entry **bucket = &table.buckets[hash & (table.n_buckets - 1)];
        e->next = *bucket;
        *bucket = e;
    }
    pthread_mutex_unlock(&table.lock);
    return e ? &e->stream : NULL;
}

static struct entry *entry_of(struct stream *s)
{
    return container_of(s, struct entry, stream);
}

struct stream *stream_ref(struct stream *s)
{
    atomic_fetch_add(&entry_of(s)->refs, 1);
    return s;
}

void stream_unref(struct stream *s)
{
    if (!s)
        return;
    struct entry *e = entry_of(s);
    uint32_t refs = atomic_load(&e->refs);
    while (refs > 1)
        if (atomic_compare_exchange_weak(&e->refs, &refs, refs - 1))
            return;
    /* The last one, unless stream_get() finds it before the lock is ours. */
    pthread_mutex_lock(&table.lock);
    if (atomic_fetch_sub(&e->refs, 1) == 1) {
        struct entry **p = &table.buckets[e->hash & (table.n_buckets - 1)];
        while (*p != e)
            p = &(*p)->next;
        *p = e->next;
        table.n--;
        mem_free(e);
    }
    pthread_mutex_unlock(&table.lock);
}

const char *stream_value(const struct stream *s, const char *name)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (strcmp(s->labels[i].name, name) == 0)
            return s->labels[i].value;
    return NULL;
}
