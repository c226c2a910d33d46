/*
 * `logcap dlq list|show|export|replay|purge`: the dead letters (core/letters/letters.h).
 *
 * The first three read the store, beside a running agent or without one. Only the agent can send: replay asks it. Purge
 * asks it too if one works with this state directory; else it is done in the store, with the ledger.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json.h"
#include "config/units.h"
#include "core/letters/letter_ask.h"
#include "loop/loop.h"
#include "main/commands/args.h"
#include "main/commands/ask.h"
#include "main/commands/commands.h"
#include "main/commands/dlq_show.h"
#include "main/commands/load.h"

enum { LIST_MOST = 100, ANSWER_BYTES = 4 << 20, ERROR_BYTES = 200, WHY = 300, POLLS = 50 };
#define POLL (200 * MILLISECOND)

static const char help[] =
    "usage: logcap dlq list|show|export|replay|purge [-c FILE] [FILTER...] [ID...]\n"
    "\n"
    "The dead letters: entries that a sink will never take, with the reason.\n"
    "\n"
    "list    one line for each, up to --limit (100)\n"
    "show    each at length\n"
    "export  each as a line of JSON with everything that is needed to send it elsewhere\n"
    "replay  ask the running agent to send them again: delivered ones are gone, the others stay\n"
    "purge   remove them for good; the ledger counts them as dropped (purged)\n"
    "\n"
    "  -c, --config FILE     the agent's configuration; without it /etc/logcap/logcap.yaml, else the defaults\n"
    "      --state-dir DIR   read this directory instead (not for replay)\n"
    "      --sink NAME       only those of this sink\n"
    "      --source GLOB     only from sources with such a name (in quotes: '/var/log/**')\n"
    "      --reason CODE     invalid, too_long, too_old, too_new, blocked, max_retries or other\n"
    "      --older-than DUR  refused at least so long ago: 30m, 24h, 7d\n"
    "      --id ID           only this one; IDs may also stand at the end\n"
    "      --limit N         at most so many (list, show, export)\n"
    "      --all             purge: all of them\n"
    "      --dry-run         replay, purge: only say how many\n"
    "      --json            list: as JSON lines\n"
    "\n"
    "Exit code: 0 done, 1 it failed or no agent answered, 2 wrong usage or configuration.\n";

enum verb { LIST, SHOW, EXPORT, REPLAY, PURGE, VERBS };
static const char *const verbs[VERBS] = {"list", "show", "export", "replay", "purge"};

struct dlq {
    struct scope scope;
    const struct config *config;
    const char *file, *state_dir, *limit_text;
    enum verb verb;
    uint64_t limit;
    bool json;
    struct letter_ask ask;
    struct buf body, answer;
};

/* ---- what is read ---- */

static int work_with_reader(struct dlq *d)
{
    char why[WHY] = "";
    int r;
    uint64_t printed = 0;
    struct store *s = store_open_reader(&d->scope, d->state_dir, &r, why, sizeof why);
    if (!s && r == -ENODATA) {
        if (d->verb == LIST && !d->json)
            puts("no dead letters");
        return EXIT_DONE;
    }
    if (!s) {
        fprintf(stderr, "logcap: cannot read the dead letters: %s\n", why);
        return EXIT_FAILED;
    }
    enum dlq_form form = d->verb == SHOW ? DLQ_LONG : d->verb == LIST && !d->json ? DLQ_TABLE : DLQ_JSON;
    r = dlq_show(&d->scope, s, &d->ask, form, d->limit, &printed);
    if (r < 0)
        fprintf(stderr, "logcap: %s\n", r == -EIO && ferror(stdout) ? "cannot write" : store_error(s));
    else if (form == DLQ_TABLE && printed == 0)
        puts(letter_ask_restricts(&d->ask) ? "no dead letter matches" : "no dead letters");
    else if (form == DLQ_TABLE && printed == d->limit)
        printf("(the first %" PRIu64 "; --limit N shows more)\n", printed);
    store_close(s);
    if (r == 0 && d->verb == SHOW && printed == 0) {
        fputs("logcap: no dead letter matches\n", stderr);
        return EXIT_FAILED;
    }
    return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* ---- what the agent is asked for ---- */

/* The number behind a key of the object, wherever it stands; for our own answers. */
static int64_t number_in(const struct buf *answer, const char *key)
{
    struct json j;
    int64_t n = -1;
    json_begin(&j, answer->data, answer->len);
    for (enum json_type t; (t = json_next(&j)) != JSON_END && t != JSON_ERROR;)
        if (t == JSON_KEY && json_is(&j, key)) {
            if (json_next(&j) == JSON_NUMBER && json_int(&j, &n))
                return n;
        }
    return -1;
}

/* 0: it answered, with *status. Else it was said why not. */
static int ask(struct dlq *d, const char *path, const char *body, long *status)
{
    char error[ERROR_BYTES] = "";
    buf_clear(&d->answer);
    int r = ask_agent_to(&d->scope, d->config, path, body, &d->answer, status, error, sizeof error);
    ask_complain(r, d->config, error);
    return r;
}

/* What became of the job, of the newest ones that /dlq/stats lists. false: it is still under way. */
static bool job_done(struct dlq *d, int64_t job, const char *key, int64_t *n)
{
    long status;
    struct json j;
    int64_t id = 0;
    bool done = false;
    if (ask(d, "/dlq/stats", NULL, &status) < 0 || status != 200)
        return true;
    json_begin(&j, d->answer.data, d->answer.len);
    while (json_next(&j) != JSON_END && j.type != JSON_ERROR) {
        if (j.type != JSON_KEY)
            continue;
        if (json_is(&j, "verb"))
            json_next(&j);
        else if (json_is(&j, "done"))
            done = json_next(&j) == JSON_TRUE;
        else if (json_is(&j, key) && id == job && json_next(&j) == JSON_NUMBER && json_int(&j, n))
            return done;
        else if (json_is(&j, "id") && json_next(&j) == JSON_NUMBER)
            json_int(&j, &id);
    }
    return true;
}

static void say_matched(const struct dlq *d, int64_t n)
{
    const char *what = d->verb == REPLAY ? "sent again" : d->ask.dry_run ? "removed" : "being removed";
    const char *are = d->ask.dry_run ? "would be" : n == 1 ? "is" : "are";
    printf("%" PRId64 " dead letter%s %s %s\n", n, n == 1 ? "" : "s", are, what);
}

static int say_refused(const struct buf *answer)
{
    struct json j;
    json_begin(&j, answer->data, answer->len);
    while (json_next(&j) != JSON_END && j.type != JSON_ERROR)
        if (j.type == JSON_KEY && json_is(&j, "error") && json_next(&j) == JSON_STRING) {
            fprintf(stderr, "logcap: the agent says: %.*s\n", (int)j.len, j.text);
            return EXIT_FAILED;
        }
    fputs("logcap: the agent's answer makes no sense; is it a logcap of this version?\n", stderr);
    return EXIT_FAILED;
}

static void ring(struct timer *t)
{
    loop_stop(t->loop);
}

static void wait_a_moment(struct scope *scope)
{
    struct loop loop = {0};
    struct timer timer = {0};
    if (loop_begin(&loop, scope, "wait") == 0 && timer_begin(&timer, scope, &loop, "wait", ring) == 0) {
        timer_set(&timer, POLL);
        loop_run(&loop);
    }
    timer_end(&timer);
    loop_end(&loop);
}

static void wait_for(struct dlq *d, int64_t job)
{
    const char *key = d->verb == PURGE ? "purged" : "delivered";
    int64_t n = 0;
    int polls = 0;
    while (!job_done(d, job, key, &n) && ++polls < POLLS)
        wait_a_moment(&d->scope);
    if (polls == POLLS)
        printf("%" PRId64 " %s so far; the agent goes on: see `logcap dlq list` and /dlq/stats\n", n, key);
    else if (d->verb == REPLAY)
        printf("%" PRId64 " delivered; those that were refused again are in `logcap dlq list`\n", n);
    else
        printf("%" PRId64 " %s\n", n, key);
}

static int work_with_agent(struct dlq *d)
{
    long status = 0;
    if (buf_begin(&d->body, &d->scope, "body", ANSWER_BYTES) < 0 ||
        buf_begin(&d->answer, &d->scope, "answer", ANSWER_BYTES) < 0 || letter_ask_write(&d->ask, &d->body) < 0) {
        fputs("logcap: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    if (ask(d, d->verb == REPLAY ? "/dlq/reprocess" : "/dlq/purge", d->body.data, &status) < 0)
        return EXIT_FAILED;
    if (status != 200 && status != 202)
        return say_refused(&d->answer);
    int64_t job = number_in(&d->answer, "job");
    int64_t matched = number_in(&d->answer, "letters");
    say_matched(d, matched);
    if (job > 0 && matched > 0)
        wait_for(d, job);
    return EXIT_DONE;
}

/* ---- without an agent ---- */

struct purge {
    const struct letter_ask *ask;
    struct store *store;
    int64_t last;
    uint64_t rows, removed;
    int result;
};

enum { ROWS_A_TIME = 1000 };

static bool remove_one(const struct store_letter *l, void *arg)
{
    struct purge *p = arg;
    p->rows++;
    p->last = l->id;
    if (!letter_filter_takes(&p->ask->filter, l))
        return true;
    p->removed++;
    if (p->ask->dry_run)
        return true;
    p->result = store_purge_ledger(p->store, l->source_key, l->sink, 1, l->line_n);
    if (p->result == 0)
        p->result = store_delete_letter(p->store, l->id);
    return p->result == 0;
}

/* A transaction for some of them; *more: there may be others. */
static int remove_some(struct purge *p, bool *more)
{
    struct store_letter_query q = letter_filter_query(&p->ask->filter, clock_real());
    uint64_t removed = p->removed;
    if (q.after < p->last)
        q.after = p->last;
    q.limit = ROWS_A_TIME;
    p->rows = 0;
    int r = store_begin(p->store);
    if (r == 0)
        r = store_each_letter(p->store, &q, remove_one, p);
    if (r == 0)
        r = p->result;
    if (r == 0)
        r = store_commit(p->store);
    else
        store_rollback(p->store);
    *more = p->rows == ROWS_A_TIME;
    if (r < 0)
        p->removed = removed;
    return r;
}

static int purge_store(struct dlq *d)
{
    int r;
    bool more = true;
    struct purge p = {.ask = &d->ask, .store = store_open(&d->scope, d->state_dir, &r)};
    if (!p.store)
        return EXIT_FAILED;
    for (r = 0; r == 0 && more;)
        r = remove_some(&p, &more);
    if (r < 0)
        fprintf(stderr, "logcap: %s\n", store_error(p.store));
    printf("%" PRIu64 " dead letter%s %s\n", p.removed, p.removed == 1 ? "" : "s",
           d->ask.dry_run ? "would be removed" : "removed");
    store_close(p.store);
    return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int work(struct dlq *d)
{
    if (d->verb < REPLAY)
        return work_with_reader(d);
    if (d->verb == PURGE && !d->ask.all && !letter_ask_restricts(&d->ask)) {
        fputs("logcap: to remove all dead letters, say --all\n", stderr);
        return EXIT_USAGE;
    }
    return d->verb == REPLAY || store_holder(d->state_dir) != 0 ? work_with_agent(d) : purge_store(d);
}

/* ---- its options ---- */

static int wrong(const char *why)
{
    fprintf(stderr, "logcap dlq: %s\nlogcap dlq --help lists the options\n", why);
    return -1 - EXIT_USAGE;
}

static int set_filter(struct letter_ask *ask, const char *const values[5], char **ids, int n)
{
    static const char *const keys[5] = {"sink", "source", "reason", "older_than", "id"};
    const char *why = NULL;
    for (int i = 0; i < 5 && !why; i++)
        if (values[i])
            why = letter_ask_set(ask, keys[i], values[i]);
    for (int i = 0; i < n && !why; i++)
        why = letter_ask_set(ask, "id", ids[i]);
    return why ? wrong(why) : 0;
}

/* 0 or as args_parse(). */
static int parse(int argc, char **argv, struct dlq *d)
{
    const char *filter[5] = {0};
    char **words;
    const struct arg args[] = {{"config", 'c', &d->file, NULL},
                               {"state-dir", 0, &d->state_dir, NULL},
                               {"sink", 0, &filter[0], NULL},
                               {"source", 0, &filter[1], NULL},
                               {"reason", 0, &filter[2], NULL},
                               {"older-than", 0, &filter[3], NULL},
                               {"id", 0, &filter[4], NULL},
                               {"limit", 0, &d->limit_text, NULL},
                               {"all", 0, NULL, &d->ask.all},
                               {"dry-run", 0, NULL, &d->ask.dry_run},
                               {"json", 0, NULL, &d->json},
                               {0}};
    int n = args_parse(argc, argv, help, args, 1, INT_MAX, &words);
    if (n < 0)
        return n;
    for (d->verb = LIST; d->verb < VERBS && strcmp(verbs[d->verb], words[0]) != 0;)
        d->verb++;
    if (d->verb == VERBS)
        return wrong("the first word must be list, show, export, replay or purge");
    if (d->verb == REPLAY && d->state_dir)
        return wrong("only a running agent can send: replay takes -c, not --state-dir");
    d->limit = d->verb == LIST ? LIST_MOST : UINT64_MAX;
    if (d->limit_text && !units_count_from(d->limit_text, &d->limit))
        return wrong("--limit must be a number");
    return set_filter(&d->ask, filter, words + 1, n - 1);
}

int cmd_dlq(int argc, char **argv)
{
    struct dlq d = {0};
    int r = parse(argc, argv, &d);
    if (r < 0)
        return args_code(r);
    if (scope_begin(&d.scope, &scope_root, "dlq") < 0)
        return EXIT_FAILED;
    /* A purge asks the agent that holds the directory, wherever its configuration says it listens. */
    if (!d.state_dir || d.verb >= REPLAY)
        d.config = load_place_or_say(&d.scope, d.file);
    if (!d.state_dir && d.config)
        d.state_dir = d.config->state_dir;
    r = d.state_dir && (d.config || d.verb < REPLAY) ? work(&d) : EXIT_USAGE;
    scope_end(&d.scope);
    return r;
}
