#include "config/emit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/units.h"

static void indent(struct emit *e)
{
    for (unsigned i = 0; i < e->depth; i++)
        buf_puts(e->out, "  ");
}

/* The start of a line or member. */
static void next(struct emit *e)
{
    if (e->json && !e->first)
        buf_puts(e->out, ",");
    if (e->json && e->depth)
        buf_puts(e->out, "\n");
    indent(e);
    e->first = false;
}

void emit_text(struct emit *e, const char *text)
{
    buf_puts(e->out, "\"");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_printf(e->out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            buf_printf(e->out, "\\u%04x", *c);
        else if (!e->json && c[0] == '$' && c[1] == '{')
            buf_puts(e->out, "$$");
        else
            buf_add(e->out, c, 1);
    }
    buf_puts(e->out, "\"");
}

static void emit_key(struct emit *e, const char *key)
{
    next(e);
    if (e->json)
        emit_text(e, key);
    else
        buf_puts(e->out, key);
    buf_puts(e->out, ":");
}

void emit_open(struct emit *e, const char *key, char bracket)
{
    if (key)
        emit_key(e, key);
    else if (e->json || e->depth)
        next(e);
    if (e->json)
        buf_printf(e->out, "%s%c", key ? " " : "", bracket);
    else if (key || e->depth)
        buf_puts(e->out, key ? "\n" : "-\n");
    e->depth += e->json || key || e->depth;
    e->first = true;
}

void emit_close(struct emit *e, char bracket)
{
    e->depth -= e->depth > 0;
    if (e->json) {
        if (!e->first) {
            buf_puts(e->out, "\n");
            indent(e);
        }
        buf_printf(e->out, "%c", bracket);
    }
    e->first = false;
}

static void emit_list(struct emit *e, const struct string_list *l)
{
    buf_puts(e->out, "[");
    for (unsigned i = 0; i < l->n; i++) {
        buf_puts(e->out, i ? ", " : "");
        emit_text(e, l->items[i]);
    }
    buf_puts(e->out, "]");
}

static void emit_map(struct emit *e, const struct label_list *l, bool masked)
{
    buf_puts(e->out, "{");
    for (unsigned i = 0; i < l->n; i++) {
        buf_puts(e->out, i ? ", " : "");
        emit_text(e, l->items[i].name);
        buf_puts(e->out, ": ");
        emit_text(e, masked ? "***" : l->items[i].value);
    }
    buf_puts(e->out, "}");
}

/* The user and password of an address are printed as three stars. */
static void emit_url(struct emit *e, const char *url)
{
    char masked[1024];
    const char *host = strstr(url, "://"), *end = host ? host + 3 + strcspn(host + 3, "/?#") : NULL;
    const char *at = host ? memrchr(host + 3, '@', (size_t)(end - host - 3)) : NULL;
    if (at) {
        snprintf(masked, sizeof masked, "%.*s***%s", (int)(host + 3 - url), url, at);
        url = masked;
    }
    emit_text(e, url);
}

static const char *choice(const char *choices, unsigned index, char *text, size_t size)
{
    while (index--) {
        choices = strchr(choices, '|');
        if (!choices++)
            return "";
    }
    snprintf(text, size, "%.*s", (int)strcspn(choices, "|"), choices);
    return text;
}

static void emit_number(struct emit *e, const struct option *o, const void *field)
{
    char text[UNITS_TEXT];
    uint64_t n = o->width == sizeof(uint32_t) ? *(const uint32_t *)field : *(const uint64_t *)field;
    if (o->type == OPTION_COUNT || (e->json && o->type == OPTION_SIZE))
        buf_printf(e->out, "%" PRIu64, n);
    else
        emit_text(e, o->type == OPTION_SIZE ? units_size_text(n, text) : units_time_text((int64_t)n, text));
}

void emit_value(struct emit *e, const struct option *o, const void *field)
{
    char text[64];
    const char *string = "";
    switch (o->type) {
    case OPTION_BOOL:
        buf_puts(e->out, *(const bool *)field ? "true" : "false");
        return;
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_TIME:
        emit_number(e, o, field);
        return;
    case OPTION_CHOICE:
        emit_text(e, choice(o->choices, o->width == sizeof(bool) ? *(const bool *)field : *(const unsigned *)field, text,
                            sizeof text));
        return;
    case OPTION_STRINGS:
    case OPTION_GLOBS:
    case OPTION_PATHS:
        emit_list(e, field);
        return;
    case OPTION_LABELS:
    case OPTION_HEADERS:
        emit_map(e, field, o->type == OPTION_HEADERS);
        return;
    default:
        string = *(const char *const *)field;
    }
    if (o->type == OPTION_URL)
        emit_url(e, string);
    else
        emit_text(e, o->type == OPTION_SECRET && *string ? "***" : string);
}

static void emit_commented(struct emit *e, const struct option *o, const char *key)
{
    indent(e);
    buf_printf(e->out, "# %s\n", o->doc);
    indent(e);
    buf_printf(e->out, "%s%s: %s\n", o->initial ? "" : "# ", key, o->initial ? o->initial : "");
}

enum { SECTION = 64 };

/* Bytes that two sections have in common, in whole names. */
static size_t common(const char *a, const char *b)
{
    size_t n = 0, whole = 0;
    for (; a[n] && a[n] == b[n]; n++)
        if (a[n] == '.')
            whole = n;
    bool a_ends = !a[n] || a[n] == '.', b_ends = !b[n] || b[n] == '.';
    return a_ends && b_ends ? n : whole;
}

/* From one section to another: what is left is closed, what is entered opened. */
static void move_to(struct emit *e, char section[SECTION], const char *to)
{
    size_t shared = common(section, to);
    for (const char *left = section + shared; *left; left += strcspn(left, ".")) {
        left += *left == '.';
        emit_close(e, '}');
    }
    const char *name = to + shared + (shared && to[shared] == '.');
    while (*name) {
        char key[SECTION];
        size_t n = strcspn(name, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, name);
        emit_open(e, key, '{');
        name += n + (name[n] == '.');
    }
    snprintf(section, SECTION, "%s", to);
}

void emit_options(struct emit *e, const struct option_set *set, const void *base)
{
    char section[SECTION] = "";
    for (unsigned i = 0; i < set->n; i++) {
        const struct option *o = &set->options[i];
        const char *dot = strrchr(o->path, '.'), *key = dot ? dot + 1 : o->path;
        char in[SECTION] = "";
        if (dot)
            snprintf(in, sizeof in, "%.*s", (int)(dot - o->path), o->path);
        if (strcmp(in, section) != 0)
            move_to(e, section, in);
        if (e->comments) {
            emit_commented(e, o, key);
            continue;
        }
        emit_key(e, key);
        buf_puts(e->out, " ");
        emit_value(e, o, (const char *)base + o->offset);
        if (!e->json)
            buf_puts(e->out, "\n");
    }
    move_to(e, section, "");
}
