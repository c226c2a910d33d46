#include "out/loki_streams.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/loki.h"
#include "codec/utf8.h"

enum {
    LABELS_MOST = 2 * STREAM_LABELS,
    ESCAPED = 6,     /* bytes that one of a value may become: \u001f */
    PAIR_AROUND = 16, /* bytes of quotes, commas and lengths, most */
};

struct pick {
    const char *name, *value;
    bool metadata;
};

static bool in_list(const struct string_list *list, const char *name)
{
    for (unsigned i = 0; i < list->n; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pick *)a)->name, ((const struct pick *)b)->name);
}

/* Sorted by name; the sink's own labels keep their place as labels before the stream's. */
static unsigned pick_labels(const struct loki_config *c, const struct stream *s, struct pick *picks)
{
    unsigned n = 0, labels = 0;
    for (unsigned i = 0; i < c->labels.n && n < STREAM_LABELS; i++)
        if (c->labels.items[i].value[0] && !stream_value(s, c->labels.items[i].name))
            picks[n++] = (struct pick){c->labels.items[i].name, c->labels.items[i].value, false};
    for (unsigned i = 0; i < s->n && n < LABELS_MOST; i++)
        picks[n++] = (struct pick){s->labels[i].name, s->labels[i].value,
                                   in_list(&c->structured_metadata, s->labels[i].name)};
    for (unsigned i = 0; i < n; i++)
        if (!picks[i].metadata && labels++ >= c->max_labels)
            picks[i].metadata = true;
    qsort(picks, n, sizeof *picks, by_name);
    return n;
}

/* NULL: no memory. */
static const char *valid_name(struct scope *scratch, const char *name)
{
    char *copy = scope_printf(scratch, "%s%.*s", strncmp(name, "__", 2) == 0 ? "label" : "",
                              STREAM_LABEL_NAME - 5, name);
    for (char *c = copy; c && *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '_';
    return copy;
}

static const char *valid_value(struct scope *scratch, const char *value)
{
    size_t n = strlen(value);
    if (n <= STREAM_LABEL_VALUE)
        return value;
    return scope_printf(scratch, "%.*s", (int)utf8_cut(value, n, STREAM_LABEL_VALUE), value);
}

/* What Loki takes, as labels and as metadata. */
struct sorted {
    struct loki_pair labels[LABELS_MOST], metadata[LABELS_MOST];
    unsigned n_labels, n_metadata;
    size_t labels_most, metadata_most; /* bytes when encoded */
};

static int sort(struct sorted *out, struct scope *scratch, const struct pick *picks, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct loki_pair pair = {valid_name(scratch, picks[i].name), valid_value(scratch, picks[i].value)};
        if (!pair.name || !pair.value)
            return -ENOMEM;
        size_t most = strlen(pair.name) + ESCAPED * strlen(pair.value) + PAIR_AROUND;
        if (!picks[i].metadata) {
            out->labels[out->n_labels++] = pair;
            out->labels_most += most;
        } else if (out->metadata_most + most <= LOKI_METADATA_MAX) {
            out->metadata[out->n_metadata++] = pair;
            out->metadata_most += most;
        }
    }
    if (!out->n_labels)
        out->labels[out->n_labels++] = (struct loki_pair){"job", "logcap"};
    out->labels_most += 2 * PAIR_AROUND;
    return 0;
}

static struct loki_labels *encode(struct loki_streams *c, struct scope *scratch, const struct sorted *from)
{
    size_t most = from->labels_most + from->metadata_most;
    char *bytes = scope_alloc(scratch, most);
    if (!bytes)
        return NULL;
    long labels_n = loki_labels(from->labels, from->n_labels, bytes, from->labels_most);
    assert(labels_n > 0);
    long metadata_n = loki_metadata(from->metadata, from->n_metadata, bytes + labels_n, from->metadata_most);
    assert(metadata_n >= 0);
    struct loki_labels *l = mem_new(&c->scope, sizeof *l + (size_t)(labels_n + metadata_n), "loki labels");
    if (!l)
        return NULL;
    l->labels_n = (uint32_t)labels_n;
    l->metadata_n = (uint32_t)metadata_n;
    memcpy(l->bytes, bytes, (size_t)(labels_n + metadata_n));
    return l;
}

static struct loki_labels *derive(struct loki_streams *c, const struct stream *s)
{
    struct pick picks[LABELS_MOST];
    struct sorted sorted = {0};
    struct scope scratch = {0};
    struct loki_labels *l = NULL;
    unsigned n = pick_labels(c->config, s, picks);
    if (scope_begin(&scratch, &c->scope, "labels") < 0)
        return NULL;
    if (sort(&sorted, &scratch, picks, n) == 0)
        l = encode(c, &scratch, &sorted);
    scope_end(&scratch);
    if (l)
        l->id = s->id;
    return l;
}

/* ---- the cache ---- */

static struct loki_labels **bucket(struct loki_streams *c, uint64_t id)
{
    return &c->slots[id % LOKI_STREAMS];
}

static void unlink_use(struct loki_streams *c, struct loki_labels *l)
{
    *(l->newer ? &l->newer->older : &c->newest) = l->older;
    *(l->older ? &l->older->newer : &c->oldest) = l->newer;
}

static void link_use(struct loki_streams *c, struct loki_labels *l)
{
    l->newer = NULL;
    l->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = l;
    c->newest = l;
}

static void forget_oldest(struct loki_streams *c)
{
    struct loki_labels *l = c->oldest, **at = bucket(c, l->id);
    while (*at != l)
        at = &(*at)->chain;
    *at = l->chain;
    unlink_use(c, l);
    mem_free(l);
    c->n--;
}

const struct loki_labels *loki_streams_get(struct loki_streams *c, const struct stream *s)
{
    struct loki_labels *l = *bucket(c, s->id);
    while (l && l->id != s->id)
        l = l->chain;
    if (l) {
        unlink_use(c, l);
        link_use(c, l);
        return l;
    }
    if (c->n == LOKI_STREAMS)
        forget_oldest(c);
    l = derive(c, s);
    if (!l)
        return NULL;
    l->chain = *bucket(c, s->id);
    *bucket(c, s->id) = l;
    link_use(c, l);
    c->n++;
    return l;
}

int loki_streams_begin(struct loki_streams *c, struct scope *owner, const struct loki_config *config)
{
    *c = (struct loki_streams){.config = config};
    return scope_begin(&c->scope, owner, "streams");
}

void loki_streams_end(struct loki_streams *c)
{
    scope_end(&c->scope);
}
