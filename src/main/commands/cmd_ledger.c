/*
 * `logcap ledger`: what became of what was read, by source and sink, and whether it adds up: from the running agent and,
 * for sources that are gone, from what is stored; without an agent all as it is stored.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "main/commands/accounts.h"
#include "main/commands/args.h"
#include "main/commands/cell.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"
#include "web/shown.h"

enum { ERROR_BYTES = 256, TEXT_BYTES = 256 << 20, COLUMNS = 7 };

static const char help[] =
    "usage: logcap ledger [-c FILE | --state-dir DIR] [--source GLOB] [--sink NAME] [--json]\n"
    "\n"
    "Shows what became of the records that were read, for each source at each sink, since the source was first seen,\n"
    "and whether it adds up: every one must be delivered, in flight, skipped (not matched by the sink), spooled, in\n"
    "the dead letters, or dropped for a reason. The running agent is asked; sources that are gone, and all of them\n"
    "when no agent runs, are shown as they are stored in the state directory.\n"
    "\n"
    "  -c, --config FILE    the agent's configuration; without it /etc/logcap/logcap.yaml, else the defaults\n"
    "      --state-dir DIR  ask no agent, read what is stored here\n"
    "      --source GLOB    only sources whose path or key matches (in quotes: '/var/log/*')\n"
    "      --sink NAME      only this sink\n"
    "      --json           everything, bytes too, as JSON\n"
    "\n"
    "Exit code: 0 it adds up, 1 it does not or cannot be read, 2 wrong usage or configuration.\n";

struct ledger_args {
    const char *config, *state_dir, *source, *sink;
    bool json;
};

struct showing {
    const struct ledger_args *args;
    struct accounts accounts;
    char from[300]; /* where the numbers come from, for people */
    bool from_agent;
    uint64_t n, wrong;
};

static bool wanted(const struct ledger_args *a, const struct accounts_row *row)
{
    return (!a->sink || strcmp(a->sink, row->sink) == 0) &&
           (!a->source || fnmatch(a->source, row->source, 0) == 0 || fnmatch(a->source, row->key, 0) == 0);
}

/* ---- for people ---- */

static const char *const titles[COLUMNS] = {"READ", "DELIVERED", "IN FLIGHT", "SKIPPED", "SPOOLED", "DEAD", "DROPPED"};

struct columns {
    uint64_t records[COLUMNS];
};

static struct columns columns_of(const struct counts *c)
{
    uint64_t dropped = 0;
    for (int i = 0; i < DROP_REASONS; i++)
        dropped += c->dropped[i].records;
    return (struct columns){{c->taken.records + c->skipped.records, c->delivered.records, c->in_flight.records,
                             c->skipped.records, c->spooled.records, c->dead.records, dropped}};
}

struct widths {
    int columns[COLUMNS], sink;
};

static int width_of(uint64_t number)
{
    char text[24];
    return snprintf(text, sizeof text, "%" PRIu64, number);
}

static struct widths widths_of(const struct showing *s)
{
    struct widths w = {.sink = (int)strlen("SINK")};
    for (int i = 0; i < COLUMNS; i++)
        w.columns[i] = (int)strlen(titles[i]);
    for (size_t i = 0; i < s->accounts.n; i++) {
        const struct accounts_row *row = s->accounts.rows[i];
        struct columns c = columns_of(&row->counts);
        if (!wanted(s->args, row))
            continue;
        for (int k = 0; k < COLUMNS; k++)
            if (width_of(c.records[k]) > w.columns[k])
                w.columns[k] = width_of(c.records[k]);
        if ((int)strlen(row->sink) > w.sink)
            w.sink = (int)strlen(row->sink);
    }
    return w;
}

static void print_reasons(const struct counts *c)
{
    const char *before = " (";
    for (int i = 0; i < DROP_REASONS; i++)
        if (c->dropped[i].records) {
            printf("%s%s %" PRIu64, before, drop_reason_name(i), c->dropped[i].records);
            before = ", ";
        }
    if (*before == ',')
        putchar(')');
}

static void print_row(const struct accounts_row *row, const struct widths *w)
{
    struct columns c = columns_of(&row->counts);
    for (int i = 0; i < COLUMNS; i++)
        printf("%*" PRIu64 "  ", w->columns[i], c.records[i]);
    printf("%-*s  ", w->sink, row->sink);
    cell_print(row->source);
    print_reasons(&row->counts);
    putchar('\n');
}

static void print_table(struct showing *s)
{
    struct widths w = widths_of(s);
    for (size_t i = 0; i < s->accounts.n; i++) {
        const struct accounts_row *row = s->accounts.rows[i];
        if (!wanted(s->args, row))
            continue;
        if (s->n++ == 0) {
            for (int k = 0; k < COLUMNS; k++)
                printf("%*s  ", w.columns[k], titles[k]);
            printf("%-*s  SOURCE (DROPPED: WHY)\n", w.sink, "SINK");
        }
        print_row(row, &w);
    }
    if (s->n)
        printf("\nRecords, %s.\n", s->from);
    else
        printf("Nothing %s, %s.\n", s->args->source || s->args->sink ? "matches" : "was read yet", s->from);
}

static void print_verdict(struct showing *s)
{
    char why[200];
    for (size_t i = 0; i < s->accounts.n; i++) {
        const struct accounts_row *row = s->accounts.rows[i];
        if (!wanted(s->args, row) || counts_check(&row->counts, why, sizeof why))
            continue;
        if (s->wrong++ == 0)
            printf("It does not add up:\n");
        printf("  ");
        cell_print(row->source);
        printf(" at %s: %s\n", row->sink, why);
    }
    if (s->n && !s->wrong)
        printf("It adds up.\n");
}

/* ---- for programs ---- */

static int print_json(struct showing *s, struct buf *out)
{
    struct doc d = {.out = out};
    doc_object(&d, NULL);
    doc_string(&d, "from", s->from_agent ? "agent" : "store");
    doc_array(&d, "accounts");
    for (size_t i = 0; i < s->accounts.n; i++) {
        const struct accounts_row *row = s->accounts.rows[i];
        char why[200];
        if (!wanted(s->args, row))
            continue;
        bool adds_up = counts_check(&row->counts, why, sizeof why);
        s->wrong += !adds_up;
        doc_object(&d, NULL);
        doc_string(&d, "source", row->source);
        doc_string(&d, "key", row->key);
        doc_string(&d, "sink", row->sink);
        doc_bool(&d, "live", row->live);
        counts_write(&d, &row->counts);
        doc_bool(&d, "adds_up", adds_up);
        doc_object_end(&d);
    }
    doc_array_end(&d);
    doc_bool(&d, "adds_up", s->wrong == 0);
    doc_object_end(&d);
    if (out->failed)
        return -ENOMEM;
    printf("%s\n", out->data);
    return 0;
}

/* ---- getting them ---- */

/* The agent's, and what is stored of the sources that it does not have any more. */
static int gather(struct showing *s, const struct config *c)
{
    const char *state_dir = s->args->state_dir ? s->args->state_dir : c->state_dir;
    char error[ERROR_BYTES] = "", stored[ERROR_BYTES] = "";
    int r = s->args->state_dir ? -ENOTCONN : accounts_ask(&s->accounts, c, error, sizeof error);
    if (r < 0 && r != -ENOTCONN) {
        fprintf(stderr, "logcap: %s port %u: %s\n", c->server.host, c->server.port, *error ? error : strerror(-r));
        return r;
    }
    s->from_agent = r == 0;
    r = accounts_load(&s->accounts, state_dir, stored, sizeof stored);
    if (s->from_agent)
        snprintf(s->from, sizeof s->from, "from the agent at %s port %u%s%s", c->server.host, c->server.port,
                 r < 0 ? "; not those of sources that are gone: " : "", r < 0 ? stored : "");
    else
        snprintf(s->from, sizeof s->from, "as stored in %s%s", state_dir,
                 s->args->state_dir ? "" : " (no agent answers)");
    if (r == -ENOMEM || (r < 0 && !s->from_agent)) {
        fprintf(stderr, "logcap: cannot read the ledger in %s: %s\n", state_dir, stored);
        return r;
    }
    return accounts_sort(&s->accounts);
}

static int show(struct scope *scope, const struct ledger_args *args)
{
    struct showing s = {.args = args, .accounts = {.scope = scope}};
    struct buf out;
    struct config *c = args->state_dir ? NULL : load_place_or_say(scope, args->config);
    if (!c && !args->state_dir)
        return EXIT_USAGE;
    int r = gather(&s, c);
    if (r < 0)
        return EXIT_FAILED;
    if (args->json) {
        r = buf_begin(&out, scope, "output", TEXT_BYTES);
        if (r == 0)
            r = print_json(&s, &out);
        buf_end(&out);
        if (r < 0)
            fputs("logcap: out of memory\n", stderr);
    } else {
        print_table(&s);
        print_verdict(&s);
    }
    return r < 0 || s.wrong ? EXIT_FAILED : EXIT_DONE;
}

int cmd_ledger(int argc, char **argv)
{
    struct ledger_args a = {0};
    char **words;
    const struct arg args[] = {{"config", 'c', &a.config, NULL}, {"state-dir", 0, &a.state_dir, NULL},
                               {"source", 0, &a.source, NULL},   {"sink", 0, &a.sink, NULL},
                               {"json", 0, NULL, &a.json},       {0}};
    struct scope scope;
    int n = args_parse(argc, argv, help, args, 0, 0, &words);
    if (n < 0)
        return args_code(n);
    if (scope_begin(&scope, &scope_root, "ledger command") < 0)
        return EXIT_FAILED;
    int code = show(&scope, &a);
    scope_end(&scope);
    return code;
}
