/* The effective configuration, as YAML and JSON: every key, secrets as ***. */
#include <errno.h>

#include "config/emit.h"

static void emit_files(struct emit *e, const struct files_config *f)
{
    emit_open(e, "files", '{');
    emit_options(e, &options_files, f);
    emit_open(e, "sources", '[');
    for (unsigned i = 0; i < f->n_groups; i++) {
        emit_open(e, NULL, '{');
        emit_options(e, &options_group, &f->groups[i]);
        emit_close(e, '}');
    }
    emit_close(e, ']');
    emit_close(e, '}');
}

static void emit_sinks(struct emit *e, const struct config *c)
{
    emit_open(e, "sinks", '{');
    for (unsigned i = 0; i < c->n_sinks; i++) {
        emit_open(e, c->sinks[i].name, '{');
        emit_options(e, &options_sink, &c->sinks[i]);
        emit_options(e, option_sink_type(c->sinks[i].type), &c->sinks[i]);
        emit_close(e, '}');
    }
    emit_close(e, '}');
}

static int print(const struct config *c, struct buf *out, bool json)
{
    struct emit e = {.out = out, .json = json, .first = true};
    if (json)
        emit_open(&e, NULL, '{');
    emit_options(&e, &options_agent, c);
    emit_open(&e, "monitors", '{');
    emit_files(&e, &c->files);
    emit_open(&e, "journal", '{');
    emit_options(&e, &options_journal, &c->journal);
    emit_close(&e, '}');
    emit_open(&e, "containers", '{');
    emit_options(&e, &options_containers, &c->containers);
    emit_close(&e, '}');
    emit_close(&e, '}');
    emit_sinks(&e, c);
    if (json) {
        emit_close(&e, '}');
        buf_puts(out, "\n");
    }
    return out->failed ? -ENOMEM : 0;
}

int config_print(const struct config *c, struct buf *out)
{
    return print(c, out, false);
}

int config_print_json(const struct config *c, struct buf *out)
{
    return print(c, out, true);
}
