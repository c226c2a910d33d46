/* `logcap spool`: what waits on disk, for which sink, and what is thrown away of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "config/compare.h"
#include "core/spool/spool_purge.h"
#include "main/commands/args.h"
#include "main/commands/ask.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"

enum { ERROR_BYTES = 256, WHY = 300, ANSWER_BYTES = 64 << 10 };

static const char help[] =
    "usage: logcap spool list [-c FILE | --state-dir DIR]\n"
    "       logcap spool purge SINK [-c FILE]\n"
    "\n"
    "list shows for which sinks records wait in the disk buffer, as it is stored, beside a running agent or without one.\n"
    "purge throws away what waits for a sink that is not configured any more; the ledger has it as dropped (purged). Of one\n"
    "that is configured nothing is thrown away: it is delivered. The disk is free again when no other sink needs the same\n"
    "segments.\n"
    "\n"
    "  -c, --config FILE    the agent's configuration; without it /etc/logcap/logcap.yaml, else the defaults\n"
    "      --state-dir DIR  list what is stored here\n"
    "\n"
    "Exit code: 0 done, 1 it could not be done, 2 wrong usage or configuration.\n";

struct spool_command {
    struct scope scope;
    const char *file, *state_dir, *sink;
    const struct config *config; /* NULL: which sinks are configured is not known */
    struct buf answer;
};

/* ---- list ---- */

struct listing {
    struct spool_command *command;
    struct store *store;
    unsigned n;
    int result;
};

static bool show(const struct store_spool *row, void *arg)
{
    struct listing *l = arg;
    const struct config *c = l->command->config;
    struct amount waits;
    l->result = spool_waits(l->store, row->sink, &waits);
    if (l->result < 0)
        return false;
    if (!waits.records && !row->ranges[0])
        return true;
    printf("%-20s %12" PRIu64 " records %14" PRIu64 " bytes%s\n", row->sink, waits.records, waits.bytes,
           !c || config_sink(c, row->sink) ? "" : "  (not configured)");
    l->n++;
    return true;
}

static int list(struct spool_command *s)
{
    char why[WHY] = "";
    int r;
    struct listing l = {.command = s, .store = store_open_reader(&s->scope, s->state_dir, &r, why, sizeof why)};
    if (l.store) {
        r = store_each_spool(l.store, show, &l);
        if (r == 0)
            r = l.result;
        if (r < 0)
            fprintf(stderr, "logcap: %s\n", store_error(l.store));
        store_close(l.store);
    } else if (r == -ENODATA) {
        r = 0;
    } else {
        fprintf(stderr, "logcap: cannot read the state: %s\n", why);
    }
    if (r == 0 && l.n == 0)
        puts("nothing waits on disk");
    return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* ---- purge ---- */

static int say_purged(const struct spool_command *s, uint64_t records)
{
    printf("%" PRIu64 " record%s that waited for %s %s thrown away\n", records, records == 1 ? "" : "s", s->sink,
           records == 1 ? "is" : "are");
    return EXIT_DONE;
}

/* Its number or its error. */
static int read_answer(const struct spool_command *s, const struct buf *answer)
{
    struct json j;
    int64_t n = 0;
    json_begin(&j, answer->data, answer->len);
    while (json_next(&j) != JSON_END && j.type != JSON_ERROR) {
        if (j.type == JSON_KEY && json_is(&j, "records") && json_next(&j) == JSON_NUMBER && json_int(&j, &n))
            return say_purged(s, (uint64_t)n);
        if (j.type == JSON_KEY && json_is(&j, "error") && json_next(&j) == JSON_STRING) {
            fprintf(stderr, "logcap: the agent says: %.*s\n", (int)j.len, j.text);
            return EXIT_FAILED;
        }
    }
    fputs("logcap: the agent's answer makes no sense; is it a logcap of this version?\n", stderr);
    return EXIT_FAILED;
}

static int purge_with_agent(struct spool_command *s)
{
    char error[ERROR_BYTES] = "";
    long status = 0;
    char *name = ask_escape(&s->scope, s->sink);
    char *path = name ? scope_printf(&s->scope, "/spool/purge?sink=%s", name) : NULL;
    int r = path ? buf_begin(&s->answer, &s->scope, "answer", ANSWER_BYTES) : -ENOMEM;
    if (r == 0)
        r = ask_agent_to(&s->scope, s->config, path, "", &s->answer, &status, error, sizeof error);
    ask_complain(r, s->config, error);
    return r < 0 ? EXIT_FAILED : read_answer(s, &s->answer);
}

static int purge_store(struct spool_command *s)
{
    struct amount waits = {0};
    bool known = false;
    int r;
    struct store *store = store_open(&s->scope, s->state_dir, &r);
    if (!store)
        return EXIT_FAILED; /* it was said */
    r = spool_purge_look(store, s->sink, &waits, &known);
    if (r == 0 && known)
        r = spool_purge(store, s->sink);
    if (r < 0)
        fprintf(stderr, "logcap: %s\n", store_error(store));
    else if (!known)
        fprintf(stderr, "logcap: nothing waits on disk for a sink %s\n", s->sink);
    store_close(store);
    return r < 0 || !known ? EXIT_FAILED : say_purged(s, waits.records);
}

static int purge(struct spool_command *s)
{
    if (store_holder(s->state_dir) != 0)
        return purge_with_agent(s);
    if (config_sink(s->config, s->sink)) {
        fprintf(stderr, "logcap: %s is configured: what waits for it is delivered; remove it from the configuration first\n", s->sink);
        return EXIT_FAILED;
    }
    return purge_store(s);
}

/* ---- the command ---- */

static int wrong(const char *why)
{
    fprintf(stderr, "logcap spool: %s\nlogcap spool --help lists the options\n", why);
    return EXIT_USAGE;
}

/* What waits is shown whatever is wrong elsewhere in the configuration. */
static bool load_for_list(struct spool_command *s)
{
    const struct config *place = load_place_or_say(&s->scope, s->file);
    if (!place)
        return false;
    s->state_dir = place->state_dir;
    s->config = load_if_right(&s->scope, s->file);
    if (!s->config)
        fputs("logcap: the configuration is not right, so which sinks are configured is not known; logcap check says why\n", stderr);
    return true;
}

static bool load_for_purge(struct spool_command *s)
{
    s->config = load_or_say(&s->scope, s->file);
    if (s->config)
        s->state_dir = s->config->state_dir;
    return s->config;
}

static int work(struct spool_command *s, bool purges)
{
    if (purges)
        return load_for_purge(s) ? purge(s) : EXIT_USAGE;
    return s->state_dir || load_for_list(s) ? list(s) : EXIT_USAGE;
}

int cmd_spool(int argc, char **argv)
{
    struct spool_command s = {0};
    char **words;
    const struct arg args[] = {{"config", 'c', &s.file, NULL}, {"state-dir", 0, &s.state_dir, NULL}, {0}};
    int n = args_parse(argc, argv, help, args, 1, 2, &words);
    if (n < 0)
        return args_code(n);
    bool purges = strcmp(words[0], "purge") == 0;
    if (!purges && strcmp(words[0], "list") != 0)
        return wrong("the first word must be list or purge");
    if (n != (purges ? 2 : 1))
        return wrong(purges ? "purge takes the name of a sink" : "list takes no name");
    if (purges && s.state_dir)
        return wrong("purge takes -c, not --state-dir: it must know which sinks are configured");
    s.sink = purges ? words[1] : NULL;
    if (scope_begin(&s.scope, &scope_root, "spool") < 0)
        return EXIT_FAILED;
    int code = work(&s, purges);
    scope_end(&s.scope);
    return code;
}
