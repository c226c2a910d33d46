/* The containers that are known, how each is read or why not, and the engines that run them. */
#include <string.h>

#include "in/containers/containers.h"

#include "web/routes.h"

enum { PAGE = 1000 };

struct listing {
    struct doc doc;
    struct page page;
    const char *part; /* of name, id or image; NULL: all */
    uint64_t n;
};

static void write_container(const struct container_view *v, void *arg)
{
    struct listing *l = arg;
    struct doc *d = &l->doc;
    if (l->part && !strcasestr(v->name, l->part) && !strcasestr(v->id, l->part) && !strcasestr(v->image, l->part))
        return;
    uint64_t i = l->n++;
    if (i < l->page.offset || i - l->page.offset >= l->page.limit)
        return;
    doc_object(d, NULL);
    doc_string(d, "id", v->id);
    doc_string(d, "name", v->name);
    doc_string(d, "image", v->image);
    doc_string(d, "engine", v->engine);
    doc_string(d, "state", v->state);
    doc_string(d, "mode", v->mode);
    doc_bool(d, "reading", v->reading);
    doc_string(d, "detail", v->detail);
    doc_uint(d, "records", v->records);
    doc_uint(d, "bytes", v->bytes);
    if (strcmp(v->mode, "file") == 0)
        doc_uint(d, "lag_bytes", v->unread);
    else
        doc_string(d, "lag_bytes", NULL);
    doc_time(d, "last_read", v->last_read);
    doc_uint(d, "streams_opened", v->opened);
    doc_uint(d, "rotations", v->rotations);
    doc_uint(d, "stalls", v->stalls);
    doc_object_end(d);
}

static void write_engine(const struct engine_view *v, void *arg)
{
    struct listing *l = arg;
    struct doc *d = &l->doc;
    doc_object(d, NULL);
    doc_string(d, "address", v->address);
    doc_string(d, "state", v->state);
    doc_string(d, "error", *v->error ? v->error : NULL);
    doc_string(d, "version", v->version);
    doc_uint(d, "api_minor", v->api);
    doc_uint(d, "containers", v->containers);
    doc_object_end(d);
}

void containers_answer(struct web *w, struct request *q)
{
    static const struct containers_stats none;
    struct listing l = {.doc = {.out = &q->out}, .page = request_page(q, PAGE), .part = request_arg(q, "q")};
    struct containers *m = w->context->containers ? w->context->containers() : NULL;
    doc_object(&l.doc, NULL);
    doc_array(&l.doc, "containers");
    if (m)
        containers_walk(m, write_container, &l);
    doc_array_end(&l.doc);
    doc_uint(&l.doc, "total", l.n);
    doc_uint(&l.doc, "limit", l.page.limit);
    doc_uint(&l.doc, "offset", l.page.offset);
    doc_array(&l.doc, "engines");
    if (m)
        containers_engines(m, write_engine, &l);
    doc_array_end(&l.doc);
    doc_object(&l.doc, "stats");
    containers_stats_write(&l.doc, m ? containers_stats(m) : &none);
    doc_object_end(&l.doc);
    doc_object_end(&l.doc);
}

void containers_stats_write(struct doc *d, const struct containers_stats *s)
{
#define STAT(field) doc_uint(d, #field, s->field)
    STAT(engines);
    STAT(engines_up);
    STAT(running);
    STAT(files);
    STAT(streams);
    STAT(waiting);
    STAT(ignored);
    STAT(connects);
    STAT(lists);
    STAT(events);
    STAT(inspects);
    STAT(opened);
    STAT(rotations);
    STAT(stalls);
    STAT(failures);
    STAT(gone_before_read);
    STAT(malformed);
#undef STAT
}
