/* Each value with where it comes from, and each that differs, as JSON: for those who look at a running agent. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/compare.h"
#include "config/emit.h"
#include "config/origin.h"

struct listing {
    struct emit emit;
    const struct config *config;
    bool follows;
};

static void begin(struct listing *l, const char *key)
{
    buf_puts(l->emit.out, l->follows ? ",\n{\"key\":" : "\n{\"key\":");
    l->follows = true;
    emit_text(&l->emit, key);
}

static void member(struct listing *l, const char *name, const char *text)
{
    buf_printf(l->emit.out, ",\"%s\":", name);
    if (text)
        emit_text(&l->emit, text);
    else
        buf_puts(l->emit.out, "null");
}

/* A size with its unit. */
static void write_value(struct listing *l, const struct option *o, const void *field)
{
    l->emit.json = o->type != OPTION_SIZE;
    emit_value(&l->emit, o, field);
    l->emit.json = true;
}

static void end(struct listing *l, bool restart)
{
    buf_printf(l->emit.out, ",\"restart\":%s}", restart ? "true" : "false");
}

static void add(struct listing *l, const char *key, const struct origin *from, const struct option *o, const void *field)
{
    begin(l, key);
    buf_puts(l->emit.out, ",\"value\":");
    write_value(l, o, field);
    member(l, "default", o->initial);
    member(l, "from", !from ? "default" : from->variable || !from->line ? "environment" : "file");
    if (from) {
        member(l, "file", from->file);
        buf_printf(l->emit.out, ",\"line\":%u", from->line);
        member(l, "variable", from->variable);
    }
    end(l, config_needs_restart(key));
}

static void add_all(struct listing *l, const struct option_set *set, const char *prefix, const char *otherwise, const void *base)
{
    for (unsigned i = 0; i < set->n; i++) {
        const struct option *o = &set->options[i];
        char key[256], other[256];
        snprintf(key, sizeof key, "%s%s", prefix, o->path);
        snprintf(other, sizeof other, "%s%s", otherwise ? otherwise : "", o->path);
        const struct origin *from = origin_find(l->config->origins, key);
        if (!from && otherwise)
            from = origin_find(l->config->origins, other);
        add(l, key, from, o, (const char *)base + o->offset);
    }
}

int config_print_values(const struct config *c, struct buf *out)
{
    struct listing l = {.emit = {.out = out, .json = true}, .config = c};
    char prefix[128];
    buf_puts(out, "[");
    add_all(&l, &options_agent, "", NULL, c);
    add_all(&l, &options_files, "monitors.files.", NULL, &c->files);
    for (unsigned i = 0; i < c->files.n_groups; i++) {
        snprintf(prefix, sizeof prefix, "monitors.files.sources[%u].", i);
        /* The first may stand directly in monitors.files. */
        add_all(&l, &options_group, prefix, i == 0 ? "monitors.files." : NULL, &c->files.groups[i]);
    }
    add_all(&l, &options_journal, "monitors.journal.", NULL, &c->journal);
    for (unsigned i = 0; i < c->n_sinks; i++) {
        snprintf(prefix, sizeof prefix, "sinks.%s.", c->sinks[i].name);
        add_all(&l, &options_sink, prefix, NULL, &c->sinks[i]);
        add_all(&l, option_sink_type(c->sinks[i].type), prefix, NULL, &c->sinks[i]);
    }
    buf_puts(out, "]");
    return out->failed ? -ENOMEM : 0;
}

static void add_change(const struct config_change *change, void *arg)
{
    struct listing *l = arg;
    begin(l, change->key);
    const void *fields[] = {change->from, change->to};
    for (int i = 0; i < 2; i++) {
        buf_puts(l->emit.out, i ? ",\"to\":" : ",\"from\":");
        if (change->option)
            write_value(l, change->option, fields[i]);
        else
            buf_puts(l->emit.out, fields[i] ? "\"configured\"" : "null");
    }
    end(l, change->restart);
}

int config_print_changes(const struct config *a, const struct config *b, struct buf *out)
{
    struct listing l = {.emit = {.out = out, .json = true}};
    buf_puts(out, "[");
    config_each_change(a, b, add_change, &l);
    buf_puts(out, "]");
    return out->failed ? -ENOMEM : 0;
}
