#include "out/loki_streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/loki_encode.h"

enum { LABELS_MOST = 2 * STREAM_LABELS, ESCAPED_MAX = 512 * 1024 };

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

static void add_name(struct buf *out, const char *name)
{
    size_t at = out->len;
    if (strncmp(name, "__", 2) == 0)
        buf_puts(out, "label");
    buf_add(out, name, strnlen(name, STREAM_LABEL_NAME - 5));
    for (; at < out->len; at++) {
        char c = out->data[at];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!fits)
            out->data[at] = '_';
    }
}

static size_t value_len(const char *value)
{
    size_t n = strlen(value);
    if (n > STREAM_LABEL_VALUE)
        n = loki_utf8_valid(value, STREAM_LABEL_VALUE);
    return loki_utf8_valid(value, n);
}

/* As Go's strconv.Unquote reads it. */
static void add_quoted(struct buf *out, const char *value)
{
    size_t n = value_len(value);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (c < 0x20 || c == 0x7F)
            buf_printf(out, "\\x%02x", c);
        else
            buf_add(out, &value[i], 1);
    }
}

static void write_labels(struct buf *out, const struct pick *picks, unsigned n)
{
    const char *between = "{";
    for (unsigned i = 0; i < n; i++) {
        if (picks[i].metadata)
            continue;
        buf_puts(out, between);
        add_name(out, picks[i].name);
        buf_puts(out, "=\"");
        add_quoted(out, picks[i].value);
        buf_puts(out, "\"");
        between = ", ";
    }
    buf_puts(out, between[0] == '{' ? "{job=\"logcap\"}" : "}");
}

static void write_metadata(struct buf *out, struct buf *scratch, const struct pick *picks, unsigned n)
{
    size_t start = out->len;
    for (unsigned i = 0; i < n && !out->failed; i++) {
        if (!picks[i].metadata)
            continue;
        buf_clear(scratch);
        add_name(scratch, picks[i].name);
        size_t name_n = scratch->len;
        buf_add(scratch, "", 1);
        buf_add(scratch, picks[i].value, value_len(picks[i].value));
        if (scratch->failed || out->len - start + scratch->len > LOKI_METADATA_MAX)
            continue;
        loki_encode_pair(out, scratch->data, scratch->data + name_n + 1);
    }
}

static struct loki_labels *derive(struct loki_streams *c, const struct stream *s)
{
    struct pick picks[LABELS_MOST];
    struct buf out, scratch;
    struct loki_labels *l = NULL;
    unsigned n = pick_labels(c->config, s, picks);
    if (buf_begin(&out, &c->scope, "labels", ESCAPED_MAX) < 0)
        return NULL;
    if (buf_begin(&scratch, &c->scope, "label", ESCAPED_MAX) == 0) {
        write_labels(&out, picks, n);
        size_t labels_n = out.len;
        write_metadata(&out, &scratch, picks, n);
        if (!out.failed && !scratch.failed)
            l = mem_new(&c->scope, sizeof *l + out.len, "loki labels");
        if (l) {
            l->id = s->id;
            l->labels_n = (uint32_t)labels_n;
            l->metadata_n = (uint32_t)(out.len - labels_n);
            memcpy(l->bytes, out.data, out.len);
        }
    }
    buf_end(&scratch);
    buf_end(&out);
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
