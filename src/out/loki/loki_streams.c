#include "out/loki/loki_streams.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
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
    bool own; /* the sink's: on every stream */
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
            picks[n++] = (struct pick){c->labels.items[i].name, c->labels.items[i].value, false, true};
    for (unsigned i = 0; i < s->n && n < LABELS_MOST; i++)
        picks[n++] = (struct pick){s->labels[i].name, s->labels[i].value,
                                   in_list(&c->structured_metadata, s->labels[i].name), false};
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

/* What Loki takes, as labels and as metadata; of the labels also those that are not the sink's own. */
struct sorted {
    struct loki_pair labels[LABELS_MOST], metadata[LABELS_MOST], varying[LABELS_MOST];
    unsigned n_labels, n_metadata, n_varying;
    bool demoted;
    size_t labels_most, metadata_most; /* bytes when encoded */
};

static bool is_demoted(const struct loki_streams *c, const char *name)
{
    return cardinality_is_demoted(&c->cardinality, name) || (c->was_demoted && in_list(c->was_demoted, name));
}

static int sort(const struct loki_streams *c, struct sorted *out, struct scope *scratch, const struct pick *picks,
                unsigned n)
{
    *out = (struct sorted){0};
    for (unsigned i = 0; i < n; i++) {
        struct loki_pair pair = {valid_name(scratch, picks[i].name), valid_value(scratch, picks[i].value)};
        if (!pair.name || !pair.value)
            return -ENOMEM;
        size_t most = strlen(pair.name) + ESCAPED * strlen(pair.value) + PAIR_AROUND;
        bool demoted = !picks[i].metadata && !picks[i].own && is_demoted(c, pair.name);
        out->demoted |= demoted;
        if (demoted && !c->config->structured_metadata.n)
            continue;
        if (!picks[i].metadata && !picks[i].own && !demoted)
            out->varying[out->n_varying++] = pair;
        if (!picks[i].metadata && !demoted) {
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

static void forget_all(struct loki_streams *c)
{
    while (c->oldest)
        forget_oldest(c);
}

/* ---- labels of a stream ---- */

static void say_demoted(struct loki_streams *c, const char *name, uint32_t values)
{
    uint32_t n = atomic_fetch_add(&c->sink->stats.demoted_labels, 1);
    if (n < CARDINALITY_NAMES)
        atomic_store(&c->demoted[n], name);
    log_error(c->sink->name, "more than max_streams (%u) streams within an hour: the label %s, with %u values or more, is %s from now "
              "on; leave it out where it is made, or raise max_streams and restart", c->config->max_streams, name, values,
              c->config->structured_metadata.n ? "structured metadata" : "left out");
}

/* Until the streams are few enough. 0 or -ENOMEM. */
static int sort_within_limit(struct loki_streams *c, struct sorted *out, struct scope *scratch,
                             const struct pick *picks, unsigned n)
{
    for (;;) {
        uint32_t values;
        int r = sort(c, out, scratch, picks, n);
        const char *name = r < 0 ? NULL
                                 : cardinality_add(&c->cardinality, out->varying, out->n_varying, clock_mono(), &values);
        atomic_store(&c->active, c->cardinality.n);
        if (!name)
            return r;
        say_demoted(c, name, values);
        forget_all(c); /* they have it as a label */
    }
}

static struct loki_labels *derive(struct loki_streams *c, const struct stream *s)
{
    struct pick picks[LABELS_MOST];
    struct sorted sorted;
    struct scope scratch = {0};
    struct loki_labels *l = NULL;
    unsigned n = pick_labels(c->config, s, picks);
    if (scope_begin(&scratch, &c->scope, "labels") < 0)
        return NULL;
    if (sort_within_limit(c, &sorted, &scratch, picks, n) == 0)
        l = encode(c, &scratch, &sorted);
    if (l) {
        l->id = s->id;
        l->hash = cardinality_hash(sorted.varying, sorted.n_varying);
        l->touched = clock_mono();
        l->demoted = sorted.demoted;
    }
    scope_end(&scratch);
    return l;
}

static void touch(struct loki_streams *c, struct loki_labels *l)
{
    int64_t now = clock_mono();
    if (now - l->touched < CARDINALITY_WINDOW / 4)
        return;
    cardinality_touch(&c->cardinality, l->hash, now);
    l->touched = now;
}

const struct loki_labels *loki_streams_get(struct loki_streams *c, const struct stream *s)
{
    struct loki_labels *l = *bucket(c, s->id);
    while (l && l->id != s->id)
        l = l->chain;
    if (l) {
        unlink_use(c, l);
        link_use(c, l);
        touch(c, l);
        return l;
    }
    l = derive(c, s);
    if (!l)
        return NULL;
    if (c->n == LOKI_STREAMS)
        forget_oldest(c);
    l->chain = *bucket(c, s->id);
    *bucket(c, s->id) = l;
    link_use(c, l);
    c->n++;
    return l;
}

int loki_streams_begin(struct loki_streams *c, struct scope *owner, const struct loki_config *config, struct sink *sink)
{
    *c = (struct loki_streams){.config = config, .sink = sink};
    if (sink)
        atomic_store(&sink->stats.demoted_labels, 0);
    int r = scope_begin(&c->scope, owner, "streams");
    return r < 0 ? r : cardinality_begin(&c->cardinality, &c->scope, config->max_streams, clock_mono());
}

void loki_streams_end(struct loki_streams *c)
{
    scope_end(&c->scope);
}
