#include "in/files/again.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1024 * 1024 };

static const char label_key[] = "label ";

static void put_label(struct buf *out, const struct label *l)
{
    char key[sizeof label_key + STREAM_LABEL_NAME];
    snprintf(key, sizeof key, "%s%s", label_key, l->name);
    settings_put(out, key, l->value);
}

struct settings *again_settings(struct scope *scratch, const struct stream *stream, const struct files_group *group,
                                uint64_t max_line_bytes, const struct again_next *next)
{
    struct buf out = {0};
    struct settings *s = NULL;
    if (buf_begin(&out, scratch, "settings", TEXT_MAX) < 0)
        return NULL;
    for (unsigned i = 0; i < stream->n; i++)
        put_label(&out, &stream->labels[i]);
    if (group->multiline.start[0]) {
        settings_put(&out, "multiline.start", group->multiline.start);
        settings_put_number(&out, "multiline.max_lines", group->multiline.max_lines);
    }
    if (group->timestamp.regex[0]) {
        settings_put(&out, "timestamp.regex", group->timestamp.regex);
        settings_put(&out, "timestamp.format", group->timestamp.format);
    }
    if (group->wrapping != WRAPPED_NOT)
        settings_put(&out, "wrapping", wrapping_name(group->wrapping));
    settings_put(&out, "long_lines", group->long_lines == LONG_CUT ? "cut" : "split");
    settings_put_number(&out, "max_line_bytes", max_line_bytes);
    if (next && next->key) {
        settings_put(&out, "next", next->key);
        settings_put_number(&out, "next_bytes", next->bytes);
    }
    settings_close(&out);
    if (!out.failed)
        s = settings_get(out.data, out.len);
    buf_end(&out);
    return s;
}

struct parse {
    struct again *again;
    struct label labels[STREAM_LABELS];
    size_t n;
};

static bool take(struct parse *p, const char *key, const char *value)
{
    struct files_group *g = &p->again->group;
    if (strncmp(key, label_key, sizeof label_key - 1) == 0) {
        if (p->n == STREAM_LABELS)
            return false;
        p->labels[p->n++] = (struct label){key + sizeof label_key - 1, value};
    } else if (strcmp(key, "multiline.start") == 0)
        g->multiline.start = value;
    else if (strcmp(key, "multiline.max_lines") == 0)
        g->multiline.max_lines = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(key, "timestamp.regex") == 0)
        g->timestamp.regex = value;
    else if (strcmp(key, "timestamp.format") == 0)
        g->timestamp.format = value;
    else if (strcmp(key, "long_lines") == 0)
        g->long_lines = strcmp(value, "cut") == 0 ? LONG_CUT : LONG_SPLIT;
    else if (strcmp(key, "wrapping") == 0) {
        int wrapping = wrapping_of_name(value);
        g->wrapping = wrapping < 0 ? WRAPPED_NOT : (enum wrapping)wrapping;
        return wrapping >= 0;
    } else if (strcmp(key, "next") == 0)
        p->again->next.key = value;
    else if (strcmp(key, "next_bytes") == 0)
        p->again->next.bytes = strtoull(value, NULL, 10);
    else if (strcmp(key, "max_line_bytes") == 0)
        p->again->max_line_bytes = strtoull(value, NULL, 10);
    else
        return false; /* of a later version */
    return true;
}

static int parse(struct again *a, const char *text)
{
    struct parse p = {.again = a};
    struct settings_reader reader;
    struct buf error = {0};
    const char *key, *value;
    bool whole;
    char *copy = scope_strdup(&a->scope, text);
    if (!copy)
        return -ENOMEM;
    settings_read(&reader, copy, strlen(copy));
    while (settings_next(&reader, &key, &value, &whole))
        if (!take(&p, key, value))
            return -EINVAL;
    if (!whole || a->max_line_bytes == 0 || a->max_line_bytes > UINT32_MAX / 2)
        return -EINVAL;
    if (outlets_make(&a->outlets, a->group.wrapping, p.labels, p.n) < 0 || buf_begin(&error, &a->scope, "error", 4096) < 0)
        return -ENOMEM;
    a->pipeline = pipeline_new(&a->scope, &a->group, &error);
    buf_end(&error);
    return a->pipeline ? 0 : -EINVAL;
}

int again_begin(struct again *a, struct scope *owner, const char *text)
{
    *a = (struct again){.group = {.multiline.start = "", .timestamp = {"", ""}}};
    int r = scope_begin(&a->scope, owner, "again");
    if (r < 0)
        return r;
    r = parse(a, text);
    if (r < 0)
        again_end(a);
    return r;
}

void again_end(struct again *a)
{
    outlets_drop(&a->outlets);
    scope_end(&a->scope);
}
