#include "out/loki/loki_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1024 * 1024, NAMES_MAX = 256 };

static const char label_key[] = "label ", metadata_key[] = "metadata ", demoted_key[] = "demoted ";

/* ---- as a text ---- */

static void put_name(struct buf *out, const char *prefix, const char *name, const char *value)
{
    char key[16 + STREAM_LABEL_NAME];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    settings_put(out, key, value);
}

static struct settings *write_settings(struct scope *scratch, const struct loki_config *c, const struct loki_streams *streams)
{
    struct buf out = {0};
    struct settings *s = NULL;
    const char *name;
    if (buf_begin(&out, scratch, "settings", TEXT_MAX) < 0)
        return NULL;
    for (unsigned i = 0; i < c->labels.n; i++)
        put_name(&out, label_key, c->labels.items[i].name, c->labels.items[i].value);
    for (unsigned i = 0; i < c->structured_metadata.n; i++)
        put_name(&out, metadata_key, c->structured_metadata.items[i], "");
    for (unsigned i = 0; (name = cardinality_demoted(&streams->cardinality, i)); i++)
        put_name(&out, demoted_key, name, "");
    settings_put_number(&out, "max_labels", c->max_labels);
    settings_put_number(&out, "max_line_bytes", c->max_line_bytes);
    settings_close(&out);
    if (!out.failed)
        s = settings_get(out.data, out.len);
    buf_end(&out);
    return s;
}

struct parse {
    struct loki_config *config;
    struct label labels[NAMES_MAX];
    const char *metadata[NAMES_MAX], *demoted[NAMES_MAX];
    unsigned n_labels, n_metadata, n_demoted;
};

static bool begins(const char *key, const char *prefix)
{
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

static bool take(struct parse *p, const char *key, const char *value)
{
    if (begins(key, label_key) && p->n_labels < NAMES_MAX)
        p->labels[p->n_labels++] = (struct label){key + strlen(label_key), value};
    else if (begins(key, metadata_key) && p->n_metadata < NAMES_MAX)
        p->metadata[p->n_metadata++] = key + strlen(metadata_key);
    else if (begins(key, demoted_key) && p->n_demoted < NAMES_MAX)
        p->demoted[p->n_demoted++] = key + strlen(demoted_key);
    else if (strcmp(key, "max_labels") == 0)
        p->config->max_labels = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(key, "max_line_bytes") == 0)
        p->config->max_line_bytes = strtoull(value, NULL, 10);
    else
        return false; /* of a later version */
    return true;
}

static void *copy_of(struct scope *owner, const void *items, size_t size)
{
    void *copy = scope_alloc(owner, size ? size : 1);
    return copy && size ? memcpy(copy, items, size) : copy;
}

static int keep(struct loki_rulebook *b, const struct parse *p)
{
    struct loki_config *c = &b->past_config;
    struct scope *s = &b->past_scope;
    c->labels.items = copy_of(s, p->labels, p->n_labels * sizeof *p->labels);
    c->structured_metadata.items = copy_of(s, p->metadata, p->n_metadata * sizeof *p->metadata);
    b->past_demoted.items = copy_of(s, p->demoted, p->n_demoted * sizeof *p->demoted);
    if (!c->labels.items || !c->structured_metadata.items || !b->past_demoted.items)
        return -ENOMEM;
    c->labels.n = p->n_labels;
    c->structured_metadata.n = p->n_metadata;
    b->past_demoted.n = p->n_demoted;
    return 0;
}

static int read_settings(struct loki_rulebook *b, const struct settings *s)
{
    struct parse p = {.config = &b->past_config};
    struct settings_reader reader;
    const char *key, *value;
    bool whole;
    char *copy = scope_strdup(&b->past_scope, s->text);
    if (!copy)
        return -ENOMEM;
    settings_read(&reader, copy, s->len);
    while (settings_next(&reader, &key, &value, &whole))
        if (!take(&p, key, value))
            return -EINVAL;
    if (!whole || !b->past_config.max_line_bytes)
        return -EINVAL;
    return keep(b, &p);
}

/* ---- old rules ---- */

static void forget_past(struct loki_rulebook *b)
{
    if (!b->past.settings)
        return;
    loki_streams_end(&b->past.streams);
    scope_end(&b->past_scope);
    settings_unref(b->past.settings);
    b->past = (struct loki_rules){0};
}

static int begin_past(struct loki_rulebook *b, struct settings *s)
{
    forget_past(b);
    b->past_config = (struct loki_config){0};
    int r = scope_begin(&b->past_scope, b->thing.scope, "old rules");
    if (r < 0)
        return r;
    r = read_settings(b, s);
    if (r == 0)
        r = loki_streams_begin(&b->past.streams, &b->past_scope, &b->past_config, NULL);
    if (r < 0) {
        scope_end(&b->past_scope);
        return r;
    }
    b->past.streams.was_demoted = &b->past_demoted;
    b->past.config = &b->past_config;
    b->past.settings = settings_ref(s);
    return 0;
}

struct loki_rules *loki_rules_of(struct loki_rulebook *b, const struct lease *l)
{
    if (!l->sent_with || l->sent_with == b->now.settings)
        return &b->now;
    if (l->sent_with == b->past.settings)
        return &b->past;
    int r = begin_past(b, l->sent_with);
    if (r == -EINVAL)
        return &b->now; /* of a later version: it comes as something new */
    return r < 0 ? NULL : &b->past;
}

/* ---- those of now ---- */

/* A label that was demoted meanwhile belongs to them. */
struct settings *loki_rules_settings(struct loki_rulebook *b)
{
    unsigned demoted = b->now.streams.cardinality.n_demoted;
    if (b->now.settings && demoted == b->demoted)
        return b->now.settings;
    struct settings *fresh = write_settings(b->thing.scope, b->now.config, &b->now.streams);
    if (!fresh)
        return NULL;
    settings_unref(b->now.settings);
    b->demoted = demoted;
    return b->now.settings = fresh;
}

static void rulebook_end(struct thing *t)
{
    struct loki_rulebook *b = container_of(t, struct loki_rulebook, thing);
    forget_past(b);
    settings_unref(b->now.settings);
    loki_streams_end(&b->now.streams);
}

int loki_rules_begin(struct loki_rulebook *b, struct scope *owner, const struct loki_config *config, struct sink *sink)
{
    *b = (struct loki_rulebook){.sink = sink, .now.config = config};
    int r = thing_begin(&b->thing, owner, BIRTH_HANDLE, "label rules", 0, rulebook_end);
    if (r == 0)
        r = loki_streams_begin(&b->now.streams, owner, config, sink);
    return r;
}
