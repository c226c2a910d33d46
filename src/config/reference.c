/* What `logcap config --defaults` and --reference print; docs/configuration.md is the latter. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/emit.h"
#include "config/units.h"

static void default_sink(struct emit *e, const struct option_set *type)
{
    bool on = strcmp(type->title, "local_file") == 0;
    emit_open(e, type->title, '{');
    for (unsigned i = 0; i < e->depth; i++)
        buf_puts(e->out, "  ");
    buf_printf(e->out, "enabled: %s\n", on ? "true" : "false");
    emit_options(e, type, NULL);
    emit_close(e, '}');
}

int config_print_defaults(struct buf *out)
{
    struct emit e = {.out = out, .comments = true};
    buf_puts(out, "# Every key of logcap with its default. A file needs only what differs.\n");
    emit_options(&e, &options_agent, NULL);
    emit_open(&e, "monitors", '{');
    emit_open(&e, "files", '{');
    emit_options(&e, &options_files, NULL);
    emit_options(&e, &options_group, NULL);
    buf_puts(out, "    # Further groups of files, each with keys like these from `paths` on.\n    sources: []\n");
    emit_close(&e, '}');
    emit_open(&e, "journal", '{');
    emit_options(&e, &options_journal, NULL);
    emit_close(&e, '}');
    emit_open(&e, "containers", '{');
    emit_options(&e, &options_containers, NULL);
    emit_close(&e, '}');
    emit_close(&e, '}');
    buf_puts(out, "# Any number, each with a free name; `type` is the name unless given. Without this section: local_file,\n"
                  "# and loki if LOKI_URL is set. Every sink also has type, match, queue_size and drain_grace.\n");
    emit_open(&e, "sinks", '{');
    for (const struct option_set *const *t = options_sink_types; *t; t++)
        default_sink(&e, *t);
    emit_close(&e, '}');
    return out->failed ? -ENOMEM : 0;
}

static const char intro[] =
    "# Configuration\n"
    "\n"
    "<!-- Written by `logcap config --reference`. Change src/config/table.c or reference.c instead. -->\n"
    "\n"
    "logcap reads the file given with `-c`, else `/etc/logcap/logcap.yaml`, else nothing: the defaults capture the\n"
    "host's logs and the journal into local files. A file needs only what differs from the defaults:\n"
    "\n"
    "```yaml\n"
    "sinks:\n"
    "  loki:\n"
    "    url: http://loki:3100\n"
    "```\n"
    "\n"
    "| command | what it shows |\n"
    "|---|---|\n"
    "| `logcap config -c FILE` | the values in effect, secrets as `***`; `--json` as JSON |\n"
    "| `logcap config --defaults` | every key with its default, as a file to start from |\n"
    "| `logcap check -c FILE` | whether the file is right, what would be read, where it would go |\n"
    "\n"
    "## How a file is read\n"
    "\n"
    "- **Strictly.** An unknown or repeated key, a wrong type, a value out of range: each is an error at\n"
    "  `file:line:column`, with the nearest valid name; up to 20 are shown at once, and logcap does not start.\n"
    "- **`config.d/`** beside the file: its `*.yaml` and `*.yml` are merged in the order of their names. Maps merge;\n"
    "  single values and lists replace what was there.\n"
    "- **Variables**: `${NAME}` and `${NAME:-default}` in values. A variable that is not set and has no default is an error;\n"
    "  the default is also used for an empty one. `$${` is a plain `${`. What is in a variable is always text, never structure.\n"
    "- **Sizes**: `48MiB`, `1MB`, `512` (bytes). KiB, MiB, GiB, TiB are powers of 1024; kB, MB, GB, TB of 1000.\n"
    "- **Times**: `100ms`, `30s`, `5m`, `24h`, `7d`, `1h30m`.\n"
    "- YAML's aliases (`*x`), merge keys (`<<`), own tags and second documents are refused.\n"
    "- **Files in groups**: the keys of a group stand directly in `monitors.files`, for the first group, and in the entries\n"
    "  of `monitors.files.sources`, for any number more. With `sources` and without `monitors.files.paths` there is no first\n"
    "  group. Groups inherit nothing from each other.\n"
    "- **Sinks** have free names; `type` is the name unless given. Without a section `sinks` there is `local_file`, and `loki`\n"
    "  if the variable `LOKI_URL` is set.\n"
    "- logcap never reads what it writes: `state_dir` and the directories of all `local_file` sinks are left out.\n"
    "\n";

static void number(struct buf *out, const struct option *o, uint64_t n)
{
    char text[UNITS_TEXT];
    if (o->type == OPTION_SIZE)
        buf_puts(out, units_size_text(n, text));
    else if (o->type == OPTION_TIME)
        buf_puts(out, units_time_text((int64_t)n, text));
    else
        buf_printf(out, "%" PRIu64, n);
}

/* A pipe within a table's cell would end it. */
static void cell(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_printf(out, *text == '|' ? "\\%c" : "%c", *text);
}

static void kind(struct buf *out, const struct option *o)
{
    static const char *const names[] = {
        [OPTION_BOOL] = "true or false", [OPTION_COUNT] = "number",     [OPTION_SIZE] = "size",
        [OPTION_TIME] = "time",          [OPTION_STRING] = "text",      [OPTION_SECRET] = "secret",
        [OPTION_URL] = "address",        [OPTION_PATH] = "path",        [OPTION_REGEX] = "regex",
        [OPTION_CHOICE] = "",            [OPTION_STRINGS] = "list",     [OPTION_GLOBS] = "list of patterns",
        [OPTION_PATHS] = "list of paths", [OPTION_LABELS] = "map",      [OPTION_HEADERS] = "map",
    };
    buf_puts(out, names[o->type]);
    if (o->type == OPTION_CHOICE) {
        cell(out, o->choices);
    } else if (o->most) {
        buf_puts(out, ", ");
        number(out, o, o->least);
        buf_puts(out, " to ");
        number(out, o, o->most);
    }
}

static void set_table(struct buf *out, const struct option_set *set)
{
    buf_puts(out, "| key | value | default | |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < set->n; i++) {
        const struct option *o = &set->options[i];
        buf_printf(out, "| `%s%s` | ", set == &options_group ? "" : set->prefix, o->path);
        kind(out, o);
        buf_puts(out, " | ");
        if (o->initial) {
            buf_puts(out, "`");
            cell(out, o->initial);
            buf_puts(out, "`");
        }
        buf_puts(out, " | ");
        cell(out, o->doc);
        buf_puts(out, " |\n");
    }
    buf_puts(out, "\n");
}

static void old_rows(struct buf *out, const struct option_set *set)
{
    /* A group's keys stand in monitors.files as well; that is where the predecessor had them. */
    const char *prefix = set == &options_group ? "monitors.files." : set->prefix;
    for (unsigned i = 0; i < set->n_old; i++) {
        const struct old_key *k = &set->old[i];
        size_t n = strlen(k->path);
        buf_printf(out, "| `%s%s%s` | ", prefix, k->path, k->path[n - 1] == '.' ? "*" : "");
        if (k->becomes)
            buf_printf(out, "works: another name of `%s%s` |\n", prefix, k->becomes);
        else if (k->only)
            buf_printf(out, "accepted as `%s`, else refused: %s |\n", k->only, k->advice);
        else
            buf_printf(out, "refused: %s |\n", k->advice);
    }
}

int config_print_reference(struct buf *out)
{
    static const struct option_set *const sets[] = {&options_agent, &options_files, &options_group, &options_journal,
                                                    &options_containers, &options_sink};
    buf_puts(out, intro);
    for (unsigned i = 0; i < sizeof sets / sizeof *sets; i++) {
        buf_printf(out, "## %s\n\n", sets[i]->title);
        if (sets[i] == &options_group)
            buf_puts(out, "In `monitors.files` and in each entry of `monitors.files.sources`.\n\n");
        set_table(out, sets[i]);
    }
    buf_puts(out, "## Sinks by type\n\n");
    for (const struct option_set *const *t = options_sink_types; *t; t++) {
        buf_printf(out, "### %s\n\n", (*t)->title);
        if ((*t)->n)
            set_table(out, *t);
        else
            buf_puts(out, "Takes everything and does nothing with it: for measuring.\n\n");
    }
    buf_puts(out, "## Keys of the predecessor\n\n"
                  "Keys that kept their names (`server.port`, `metrics.port`, `sinks.loki.url`, ...) are in the tables above. A section\n"
                  "(`x.*`) that says `enabled: false` is accepted and has no effect. Anything not listed is an unknown key.\n\n"
                  "| key | what becomes of it |\n|---|---|\n");
    for (unsigned i = 0; i < sizeof sets / sizeof *sets; i++)
        old_rows(out, sets[i]);
    for (const struct option_set *const *t = options_sink_types; *t; t++)
        old_rows(out, *t);
    buf_puts(out, "| `sinks.elasticsearch`, `sinks.splunk`, `sinks.kafka` | refused: there is no such sink type in this version; accepted "
                  "with `enabled: false` |\n");
    return out->failed ? -ENOMEM : 0;
}
