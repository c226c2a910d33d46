/*
 * The dead letters over HTTP (core/letters/letters.h). What is read is read from state.db by a reader of its own, opened for
 * the request; what is asked for is the store's thread's work, and the answer says 202 and which job it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/letters/letter_ask.h"
#include "core/letters/letter_json.h"
#include "core/letters/letters.h"
#include "web/routes.h"

enum { PAGE_DEFAULT = 100, PAGE_MOST = 1000, ASK_BODY = 64 * 1024, SCANNED = 100 * 1000, SOURCES_SHOWN = 100 };

static bool there(struct web *w, struct request *q)
{
    if (!w->context->letters)
        request_fail(q, 404, "no dead letters are kept here");
    return w->context->letters;
}

/* ---- stats ---- */

static void tally_write(struct doc *d, const char *key, const struct letter_tally *t)
{
    doc_object(d, key);
    doc_uint(d, "letters", t->letters);
    doc_uint(d, "bytes", t->bytes);
    doc_uint(d, "size", t->size);
    doc_object_end(d);
}

static void add_tally(struct letter_tally *to, const struct letter_tally *t)
{
    to->letters += t->letters;
    to->bytes += t->bytes;
    to->size += t->size;
}

static void write_by_reason(struct doc *d, const struct letter_numbers *n)
{
    doc_object(d, "by_reason");
    for (int c = 0; c < LETTER_CODES; c++) {
        struct letter_tally sum = {0};
        for (unsigned s = 0; s <= SINKS_MAX; s++)
            add_tally(&sum, &n->there[s][c]);
        if (sum.letters)
            tally_write(d, letter_code_name(c), &sum);
    }
    doc_object_end(d);
}

static void write_by_sink(struct doc *d, const struct web_context *c, const struct letter_numbers *n)
{
    doc_object(d, "by_sink");
    for (unsigned s = 0; s <= c->n_sinks; s++) {
        const struct sink *sink = s < c->n_sinks ? c->sinks[s] : NULL;
        struct letter_tally sum = {0};
        for (int code = 0; code < LETTER_CODES; code++)
            add_tally(&sum, &n->there[sink ? sink->index : SINKS_MAX][code]);
        if (sink || sum.letters)
            tally_write(d, sink ? sink->name : "(not configured)", &sum);
    }
    doc_object_end(d);
}

struct by_source {
    struct doc *doc;
    unsigned shown;
    uint64_t left_out;
};

static void write_source(struct source *s, void *arg)
{
    struct by_source *b = arg;
    struct amount sum = {0};
    EACH_ACCOUNT(a, s) {
        struct position position;
        struct counts counts;
        char cursor[POSITION_CURSOR];
        account_read(a, &position, cursor, &counts);
        sum.records += counts.dead.records;
        sum.bytes += counts.dead.bytes;
    }
    if (!sum.records)
        return;
    if (b->shown == SOURCES_SHOWN) {
        b->left_out++;
        return;
    }
    b->shown++;
    doc_object(b->doc, NULL);
    doc_string(b->doc, "source", s->name);
    doc_string(b->doc, "source_key", s->key);
    doc_uint(b->doc, "letters", sum.records);
    doc_uint(b->doc, "bytes", sum.bytes);
    doc_object_end(b->doc);
}

static void write_by_source(struct doc *d)
{
    struct by_source b = {.doc = d};
    doc_array(d, "by_source");
    sources_walk(write_source, &b);
    doc_array_end(d);
    if (b.left_out)
        doc_uint(d, "sources_left_out", b.left_out);
}

static void write_jobs(struct doc *d, struct letters *l)
{
    struct letter_job jobs[LETTER_JOBS];
    unsigned n = letters_jobs(l, jobs);
    doc_array(d, "jobs");
    for (unsigned i = 0; i < n; i++) {
        doc_object(d, NULL);
        doc_uint(d, "id", jobs[i].id);
        doc_string(d, "verb", letter_verb_name(jobs[i].verb));
        doc_bool(d, "done", jobs[i].done);
        doc_time(d, "asked", jobs[i].asked);
        doc_time(d, "ended", jobs[i].ended);
        doc_uint(d, "sent", jobs[i].sent);
        doc_uint(d, "delivered", jobs[i].delivered);
        doc_uint(d, "refused", jobs[i].refused);
        doc_uint(d, "purged", jobs[i].purged);
        doc_object_end(d);
    }
    doc_array_end(d);
}

/* The names that the predecessor's users know, and ours. */
static void write_numbers(struct doc *d, const struct web_context *c, const struct letter_numbers *n)
{
    uint64_t refused = 0, delivered = 0;
    for (unsigned s = 0; s < SINKS_MAX; s++) {
        delivered += n->delivered[s];
        for (int code = 0; code < LETTER_CODES; code++)
            refused += n->refused[s][code];
    }
    doc_bool(d, "enabled", c->config->dead_letters.enabled);
    doc_uint(d, "total_entries", n->all.letters);
    doc_uint(d, "entries_written", refused);
    doc_uint(d, "write_errors", c->keeper ? c->keeper->failures : 0);
    doc_uint(d, "entries_reprocessed", delivered);
    doc_bool(d, "reprocessing_enabled", c->config->dead_letters.reprocess.enabled);
    doc_uint(d, "purged", n->purged);
    doc_uint(d, "bytes", n->all.bytes);
    doc_uint(d, "size", n->all.size);
    doc_uint(d, "max_size", c->config->dead_letters.max_size);
    doc_uint(d, "in_the_last_minute", n->in_a_minute);
    doc_time(d, "oldest", n->oldest);
    doc_bool(d, "alert", n->alert);
}

void dlq_stats_answer(struct web *w, struct request *q)
{
    if (!there(w, q))
        return;
    const struct web_context *c = w->context;
    struct doc d = {.out = &q->out};
    struct letter_numbers n;
    letters_numbers(c->letters, &n);
    doc_object(&d, NULL);
    write_numbers(&d, c, &n);
    write_by_reason(&d, &n);
    write_by_sink(&d, c, &n);
    write_by_source(&d);
    write_jobs(&d, c->letters);
    doc_object_end(&d);
}

/* ---- reading ---- */

/* NULL: it is answered. */
static struct store *open_reader(struct web *w, struct request *q)
{
    int error;
    char why[200] = "";
    if (!there(w, q))
        return NULL;
    struct store *s = store_open_reader(&q->scope, w->context->config->state_dir, &error, why, sizeof why);
    if (!s)
        request_fail(q, 503, "the dead letters cannot be read now: %s", why);
    return s;
}

/* The query's arguments as a filter. false: it is answered. */
static bool read_arguments(struct request *q, struct letter_ask *ask)
{
    static const char *const keys[] = {"sink", "reason", "source", "older_than", "id"};
    *ask = (struct letter_ask){0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = request_arg(q, keys[i]);
        const char *wrong = value ? letter_ask_set(ask, keys[i], value) : NULL;
        if (wrong) {
            request_fail(q, 400, "%s", wrong);
            return false;
        }
    }
    return true;
}

struct page_of_letters {
    const struct letter_filter *filter;
    struct store *store;
    struct buf *out;
    uint64_t shown, limit, scanned;
    int64_t last;
    bool more;
    int error;
};

static bool write_one(const struct store_letter *row, void *arg)
{
    letter_json(arg, row);
    return false;
}

/* Labels and lines are read of what is shown alone: they are most of the database. */
static bool write_letter(const struct store_letter *row, void *arg)
{
    struct page_of_letters *p = arg;
    bool found;
    p->more = p->shown == p->limit || p->scanned == SCANNED || p->out->failed;
    if (p->more)
        return false;
    p->scanned++;
    p->last = row->id;
    if (!letter_filter_takes(p->filter, row))
        return true;
    if (p->shown++)
        buf_puts(p->out, ",");
    p->error = store_find_letter(p->store, row->id, write_one, p->out, &found);
    return p->error == 0;
}

void dlq_answer(struct web *w, struct request *q)
{
    struct letter_ask ask;
    uint64_t limit = PAGE_DEFAULT, after = 0;
    if (!read_arguments(q, &ask) || !request_number(q, "limit", 1, UINT64_MAX, &limit) ||
        !request_number(q, "after", 0, INT64_MAX, &after))
        return;
    struct store *s = open_reader(w, q);
    if (!s)
        return;
    struct doc d = {.out = &q->out};
    struct page_of_letters p = {.filter = &ask.filter, .store = s, .out = &q->out, .limit = limit < PAGE_MOST ? limit : PAGE_MOST};
    struct store_letter_query query = letter_filter_query(&ask.filter, clock_real());
    if ((int64_t)after > query.after)
        query.after = (int64_t)after;
    query.limit = SCANNED + 1; /* the last one says that there are more */
    doc_object(&d, NULL);
    doc_array(&d, "letters");
    int r = store_each_letter(s, &query, write_letter, &p);
    doc_array_end(&d);
    if (p.more)
        doc_int(&d, "after", p.last);
    doc_object_end(&d);
    if (r < 0 || p.error < 0)
        request_fail(q, 503, "%s", store_error(s));
    store_close(s);
}

void dlq_letter_answer(struct web *w, struct request *q)
{
    uint64_t id;
    bool found = false;
    if (!page_number(q->path + strlen("/dlq/"), &id) || id == 0 || id > INT64_MAX) {
        request_fail(q, 404, "/dlq/ID: the number of a dead letter");
        return;
    }
    struct store *s = open_reader(w, q);
    if (!s)
        return;
    int r = store_find_letter(s, (int64_t)id, write_one, &q->out, &found);
    if (r < 0)
        request_fail(q, 503, "%s", store_error(s));
    else if (!found)
        request_fail(q, 404, "there is no dead letter %" PRIu64, id);
    store_close(s);
}

/* ---- asking ---- */

void dlq_admit(struct web *w, struct request *q)
{
    q->max_body = ASK_BODY;
}

struct matching {
    const struct letter_filter *filter;
    struct letter_tally all, by_reason[LETTER_CODES];
};

static bool count(const struct store_letter *row, void *arg)
{
    struct matching *m = arg;
    if (letter_filter_takes(m->filter, row)) {
        const struct letter_tally t = {1, row->line_n, row->size};
        add_tally(&m->all, &t);
        add_tally(&m->by_reason[letter_code_of(row->code)], &t);
    }
    return true;
}

/* false: it is answered. */
static bool count_matching(struct web *w, struct request *q, struct matching *m)
{
    struct store *s = open_reader(w, q);
    if (!s)
        return false;
    struct store_letter_query query = letter_filter_query(m->filter, clock_real());
    query.limit = INT64_MAX;
    int r = store_each_letter(s, &query, count, m);
    if (r < 0)
        request_fail(q, 503, "%s", store_error(s));
    store_close(s);
    return r == 0;
}

static void write_matching(struct doc *d, const struct matching *m)
{
    tally_write(d, "matched", &m->all);
    doc_object(d, "by_reason");
    for (int c = 0; c < LETTER_CODES; c++)
        if (m->by_reason[c].letters)
            tally_write(d, letter_code_name(c), &m->by_reason[c]);
    doc_object_end(d);
}

static void refuse(struct request *q, int error)
{
    q->retry_after = 1;
    request_fail(q, error == -EBUSY ? 429 : 503, "%s",
                 error == -EBUSY ? "too many jobs are under way, see /dlq/stats" : "not now");
}

static bool is_configured(const struct web_context *c, const char *sink)
{
    bool found = false;
    for (unsigned i = 0; i < c->n_sinks; i++)
        found |= strcmp(c->sinks[i]->name, sink) == 0;
    return found;
}

static void ask_for(struct web *w, struct request *q, enum letter_verb verb)
{
    struct letter_ask ask;
    struct doc d = {.out = &q->out};
    uint64_t job = 0;
    const char *wrong = letter_ask_read(&ask, q->body.data ? q->body.data : "", q->body.len);
    if (!wrong && verb == LETTER_PURGE && !ask.all && !letter_ask_restricts(&ask))
        wrong = "to purge all dead letters, say {\"all\": true}";
    if (wrong) {
        request_fail(q, 400, "%s", wrong);
        return;
    }
    if (verb == LETTER_REPLAY && ask.filter.sink[0] && !is_configured(w->context, ask.filter.sink)) {
        request_fail(q, 404, "no sink %s is configured; letters go to the sink that refused them", ask.filter.sink);
        return;
    }
    struct matching m = {.filter = &ask.filter};
    if (!count_matching(w, q, &m))
        return;
    int r = ask.dry_run ? 0 : letters_ask(w->context->letters, verb, &ask.filter, &job);
    if (r < 0) {
        refuse(q, r);
        return;
    }
    q->status = ask.dry_run ? 200 : 202;
    doc_object(&d, NULL);
    doc_string(&d, "status", ask.dry_run ? "dry run" : "accepted");
    if (job)
        doc_uint(&d, "job", job);
    write_matching(&d, &m);
    doc_object_end(&d);
}

void dlq_reprocess_answer(struct web *w, struct request *q)
{
    ask_for(w, q, LETTER_REPLAY);
}

void dlq_purge_answer(struct web *w, struct request *q)
{
    ask_for(w, q, LETTER_PURGE);
}
