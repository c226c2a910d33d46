#include <string.h>

#include "web/routes.h"

enum { PAGE = 1000 };

struct listing {
    struct web *web;
    struct doc doc;
    struct page page;
    const char *part; /* of the name; NULL: all */
    uint64_t n;
    bool adds_up;
    void (*each)(struct listing *l, struct source *s);
};

static void source_head(struct doc *d, struct source *s)
{
    doc_string(d, "name", s->name);
    doc_string(d, "kind", source_kind_name(s->kind));
    doc_string(d, "key", s->key);
}

/* Calls it with a consistent copy of each of the source's accounts. */
static void each_account(struct listing *l, struct source *s,
                         void (*fn)(struct listing *l, const char *sink, const struct position *position,
                                    const struct counts *counts))
{
    EACH_ACCOUNT(a, s) {
        struct position position;
        struct counts counts;
        char cursor[POSITION_CURSOR];
        account_read(a, &position, cursor, &counts);
        fn(l, a->book->sink->name, &position, &counts);
    }
}

static void write_ledger(struct listing *l, const char *sink, const struct position *position, const struct counts *counts)
{
    struct doc *d = &l->doc;
    char why[200];
    bool adds_up = counts_check(counts, why, sizeof why);
    l->adds_up &= adds_up;
    doc_object(d, NULL);
    doc_string(d, "sink", sink);
    doc_uint(d, "position", position->offset);
    counts_write(d, counts);
    doc_bool(d, "adds_up", adds_up);
    if (!adds_up)
        doc_string(d, "why_not", why);
    doc_object_end(d);
}

static void write_source(struct listing *l, struct source *s)
{
    struct doc *d = &l->doc;
    source_head(d, s);
    source_status_write(d, s);
    doc_time(d, "last_read", s->last_read);
    amount_write(d, "read", (struct amount){s->read_records, s->read_bytes});
    doc_uint(d, "cut_bytes", s->cut_bytes);
    doc_uint(d, "lost_by_rotator", s->lost_by_rotator);
    doc_uint(d, "rotations", s->rotations);
    doc_uint(d, "truncations", s->truncations);
    doc_array(d, "sinks");
    each_account(l, s, write_ledger);
    doc_array_end(d);
}

static void write_position(struct listing *l, const char *sink, const struct position *position, const struct counts *counts)
{
    doc_object(&l->doc, sink);
    doc_uint(&l->doc, "offset", position->offset);
    if (position->cursor)
        doc_string(&l->doc, "cursor", position->cursor);
    doc_object_end(&l->doc);
}

static void write_positions(struct listing *l, struct source *s)
{
    source_head(&l->doc, s);
    doc_object(&l->doc, "sinks");
    each_account(l, s, write_position);
    doc_object_end(&l->doc);
}

static void each_source(struct source *s, void *arg)
{
    struct listing *l = arg;
    if (l->part && !strcasestr(s->name, l->part))
        return;
    uint64_t i = l->n++;
    if (i < l->page.offset || i - l->page.offset >= l->page.limit)
        return;
    doc_object(&l->doc, NULL);
    l->each(l, s);
    doc_object_end(&l->doc);
}

static void list(struct web *w, struct request *q, const char *key,
                 void (*each)(struct listing *, struct source *))
{
    struct listing l = {.web = w, .doc = {.out = &q->out}, .page = request_page(q, PAGE), .part = request_arg(q, "q"),
                        .adds_up = true, .each = each};
    doc_object(&l.doc, NULL);
    doc_array(&l.doc, key);
    sources_walk(each_source, &l);
    doc_array_end(&l.doc);
    doc_uint(&l.doc, "total", l.n);
    doc_uint(&l.doc, "limit", l.page.limit);
    doc_uint(&l.doc, "offset", l.page.offset);
    if (each == write_source)
        doc_bool(&l.doc, "adds_up", l.adds_up);
    doc_object_end(&l.doc);
}

void sources_answer(struct web *w, struct request *q)
{
    list(w, q, "sources", write_source);
}

void positions_answer(struct web *w, struct request *q)
{
    list(w, q, "positions", write_positions);
}
