#include "core/tap.h"

#include <errno.h>
#include <string.h>

#include "codec/glob.h"
#include "core/dispatcher.h"

void tap_begin(struct tap *t)
{
    *t = (struct tap){0};
    pthread_mutex_init(&t->lock, NULL);
}

void tap_end(struct tap *t)
{
    pthread_mutex_destroy(&t->lock);
}

int tap_open(struct tap *t, struct scope *owner, struct dispatcher *d)
{
    char *both = mem_new(owner, 2 * TAP_BYTES, "tap");
    if (!both)
        return -errno;
    pthread_mutex_lock(&t->lock);
    t->filling = both;
    t->taken = both + TAP_BYTES;
    t->used = t->n_patterns = 0;
    t->counts = (struct tap_counts){0};
    pthread_mutex_unlock(&t->lock);
    atomic_store(&d->tap, t);
    return 0;
}

void tap_close(struct tap *t, struct dispatcher *d)
{
    atomic_store(&d->tap, NULL);
    pthread_mutex_lock(&t->lock);
    /* The two halves change places with each tap_take(). */
    char *both = t->filling < t->taken ? t->filling : t->taken;
    t->filling = t->taken = NULL;
    pthread_mutex_unlock(&t->lock);
    mem_free(both);
}

void tap_select(struct tap *t, const char *const *patterns, unsigned n)
{
    pthread_mutex_lock(&t->lock);
    t->n_patterns = n < TAP_PATTERNS ? n : TAP_PATTERNS;
    memcpy(t->patterns, patterns, t->n_patterns * sizeof *patterns);
    pthread_mutex_unlock(&t->lock);
}

bool tap_wants(const char *const *patterns, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(patterns[i], name) == 0 || glob_match(patterns[i], name))
            return true;
    return n == 0;
}

static uint32_t rounded(size_t n)
{
    return (uint32_t)((n + 7) & ~(size_t)7);
}

/* The record that begins at mark i, up to TAP_LINE of it. false: it does not fit below `end`. */
static bool copy(struct tap *t, uint32_t end, const struct batch *b, uint32_t i, uint16_t name_n)
{
    struct tapped r = {.time = b->marks[i].time, .name_n = name_n, .kind = (uint16_t)b->source->kind};
    uint32_t at = t->used + (uint32_t)sizeof r;
    for (;; i++) {
        uint32_t n = b->marks[i].len < TAP_LINE - r.n ? b->marks[i].len : TAP_LINE - r.n;
        if (at + n + name_n > end)
            return false;
        memcpy(t->filling + at, b->data + b->marks[i].off, n);
        at += n;
        r.n += n;
        r.whole += b->marks[i].len;
        if (!b->marks[i].more || i + 1 == b->n)
            break;
    }
    memcpy(t->filling + at, b->source->name, name_n);
    memcpy(t->filling + t->used, &r, sizeof r);
    t->used = rounded(at + name_n);
    return true;
}

static void copy_all(struct tap *t, const struct batch *b, uint64_t records)
{
    size_t length = strlen(b->source->name);
    uint16_t name_n = (uint16_t)(length < TAP_NAME ? length : TAP_NAME);
    uint32_t left = TAP_BYTES - t->used, end = t->used + left / 2;
    uint64_t copied = 0;
    for (uint32_t i = 0; i < b->n; i++)
        if (i == 0 || !b->marks[i - 1].more) {
            if (!copy(t, end, b, i, name_n))
                break;
            copied++;
        }
    t->counts.passed += records;
    t->counts.missed += records > copied ? records - copied : 0; /* one that goes on in the next batch counts there */
}

void tap_put(struct tap *t, const struct batch *b, uint64_t records)
{
    pthread_mutex_lock(&t->lock);
    if (t->filling && b->n && tap_wants(t->patterns, t->n_patterns, b->source->name))
        copy_all(t, b, records);
    pthread_mutex_unlock(&t->lock);
}

const char *tap_take(struct tap *t, uint32_t *n, struct tap_counts *counts)
{
    pthread_mutex_lock(&t->lock);
    char *full = t->filling;
    t->filling = t->taken;
    t->taken = full;
    *n = t->used;
    *counts = t->counts;
    t->used = 0;
    t->counts = (struct tap_counts){0};
    pthread_mutex_unlock(&t->lock);
    return full;
}

const struct tapped *tap_next(const char *data, uint32_t n, uint32_t *at)
{
    if (*at + sizeof(struct tapped) > n)
        return NULL;
    const struct tapped *r = (const struct tapped *)(const void *)(data + *at);
    *at += rounded(sizeof *r + r->n + r->name_n);
    return r;
}
