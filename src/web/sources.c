#include <inttypes.h>

#include "web/routes.h"

enum { PAGE = 1000 };

struct listing {
    struct web *web;
    struct doc doc;
    struct page page;
    uint64_t n;
    bool adds_up;
    void (*each)(struct listing *l, struct source *s);
};

static void amount_write(struct doc *d, const char *key, struct amount a)
{
    doc_object(d, key);
    doc_uint(d, "records", a.records);
    doc_uint(d, "bytes", a.bytes);
    doc_object_end(d);
}

void counts_write(struct doc *d, const struct counts *c)
{
    amount_write(d, "taken", c->taken);
    amount_write(d, "delivered", c->delivered);
    amount_write(d, "in_flight", c->in_flight);
    amount_write(d, "spooled", c->spooled);
    amount_write(d, "dead", c->dead);
    amount_write(d, "skipped", c->skipped);
    doc_object(d, "dropped");
    for (int i = 0; i < DROP_REASONS; i++)
        amount_write(d, drop_reason_name(i), c->dropped[i]);
    doc_object_end(d);
}

static void source_head(struct doc *d, struct source *s)
{
    doc_string(d, "name", s->name);
    doc_string(d, "kind", source_kind_name(s->kind));
    doc_string(d, "key", s->key);
}

static void write_source(struct listing *l, struct source *s)
{
    struct doc *d = &l->doc;
    uint64_t offset = s->offset, size = s->size;
    source_head(d, s);
    doc_string(d, "state", source_state_name(s->state));
    doc_uint(d, "offset", offset);
    doc_uint(d, "size", size);
    doc_uint(d, "lag_bytes", size > offset ? size - offset : 0);
    doc_time(d, "last_read", s->last_read);
    doc_string(d, "matched", s->matched);
    pthread_mutex_lock(&s->lock);
    doc_string(d, "error", s->error);
    pthread_mutex_unlock(&s->lock);
    amount_write(d, "read", (struct amount){s->read_records, s->read_bytes});
    doc_uint(d, "cut_bytes", s->cut_bytes);
    doc_uint(d, "lost_by_rotator", s->lost_by_rotator);
    doc_uint(d, "rotations", s->rotations);
    doc_uint(d, "truncations", s->truncations);
    doc_array(d, "sinks");
    for (unsigned i = 0; i < s->n_accounts; i++) {
        struct position position;
        struct counts counts;
        char cursor[POSITION_CURSOR], why[200];
        account_read(&s->accounts[i], &position, cursor, &counts);
        bool adds_up = counts_check(&counts, why, sizeof why);
        l->adds_up &= adds_up;
        doc_object(d, NULL);
        doc_string(d, "sink", l->web->context->sinks[i]->name);
        doc_uint(d, "position", position.offset);
        counts_write(d, &counts);
        doc_bool(d, "adds_up", adds_up);
        if (!adds_up)
            doc_string(d, "why_not", why);
        doc_object_end(d);
    }
    doc_array_end(d);
}

static void write_positions(struct listing *l, struct source *s)
{
    struct doc *d = &l->doc;
    source_head(d, s);
    doc_object(d, "sinks");
    for (unsigned i = 0; i < s->n_accounts; i++) {
        struct position position;
        struct counts counts;
        char cursor[POSITION_CURSOR];
        account_read(&s->accounts[i], &position, cursor, &counts);
        doc_object(d, l->web->context->sinks[i]->name);
        doc_uint(d, "offset", position.offset);
        if (position.cursor)
            doc_string(d, "cursor", position.cursor);
        doc_object_end(d);
    }
    doc_object_end(d);
}

static void each_source(struct source *s, void *arg)
{
    struct listing *l = arg;
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
    struct listing l = {.web = w, .doc = {.out = &q->out}, .page = request_page(q, PAGE),
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
