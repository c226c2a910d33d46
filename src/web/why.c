#include <string.h>

#include "in/containers/containers.h"
#include "in/files/files.h"
#include "web/routes.h"

enum { KEY = 128 };

struct search {
    const char *path;
    char key[KEY]; /* of the file that is there now; "": there is none */
    struct doc *doc;
    struct buf *text;
    unsigned found, renamed;
};

/* A file that was rotated keeps the name that it was read by: what is asked for may be that, or the one that it has now. */
static bool is_the_file(const struct search *f, const struct source *s)
{
    size_t n = strlen(f->key);
    return n && strncmp(s->key, f->key, n) == 0 && (!s->key[n] || s->key[n] == '.');
}

static void say_other_name(struct source *s, void *arg)
{
    struct search *f = arg;
    if (is_the_file(f, s) && strcmp(s->name, f->path) != 0 && f->renamed++ == 0)
        buf_printf(f->text, "It was read as %s, and is known by that name.\n", s->name);
}

static void tell(struct source *s, void *arg)
{
    struct search *f = arg;
    if (strcmp(s->name, f->path) != 0 && !is_the_file(f, s))
        return;
    f->found++;
    doc_object(f->doc, NULL);
    doc_string(f->doc, "name", s->name);
    doc_string(f->doc, "identity", s->key);
    source_status_write(f->doc, s);
    doc_object(f->doc, "secured");
    EACH_ACCOUNT(a, s) {
        struct position position;
        struct counts counts;
        char cursor[POSITION_CURSOR];
        account_read(a, &position, cursor, &counts);
        doc_uint(f->doc, a->book->sink->name, position.offset);
    }
    doc_object_end(f->doc);
    doc_object_end(f->doc);
}

static bool wants_json(struct request *q)
{
    const char *format = request_arg(q, "format"), *accept = request_header(q, "Accept");
    if (format)
        return strcmp(format, "json") == 0;
    return accept && strstr(accept, "application/json");
}

/* false: there is none of this name; it may be a file's. */
static bool tell_of_container(struct web *w, struct request *q, const char *name)
{
    struct containers *m = w->context->containers ? w->context->containers() : NULL;
    struct buf text;
    if (!m || buf_begin(&text, &q->scope, "why", 64 * 1024) < 0)
        return false;
    unsigned found = containers_why(m, name, &text);
    if (found && wants_json(q)) {
        struct doc d = {.out = &q->out};
        doc_object(&d, NULL);
        doc_string(&d, "container", name);
        doc_string(&d, "why", text.data);
        doc_uint(&d, "found", found);
        doc_object_end(&d);
    } else if (found) {
        q->content_type = "text/plain; charset=utf-8";
        buf_add(&q->out, text.data, text.len);
    }
    buf_end(&text);
    return found > 0;
}

void why_answer(struct web *w, struct request *q)
{
    const char *path = request_arg(q, "path"), *container = request_arg(q, "container");
    struct buf text;

    if (container && tell_of_container(w, q, container))
        return;
    if (!path || path[0] != '/') {
        request_fail(q, container ? 404 : 400, container ? "no container of this name or id is known" : "?path= must be an absolute path");
        return;
    }
    if (buf_begin(&text, &q->scope, "why", 64 * 1024) < 0) {
        request_fail(q, 503, "no memory now");
        return;
    }
    if (!w->context->why)
        buf_puts(&text, "no files are read: monitors.files.enabled is false\n");
    else if (w->context->why(path, &text) < 0)
        buf_puts(&text, "the file monitor cannot say\n");
    struct search f = {.path = path, .text = &text};
    files_key(path, f.key, sizeof f.key);
    sources_walk(say_other_name, &f);
    if (!wants_json(q)) {
        q->content_type = "text/plain; charset=utf-8";
        buf_add(&q->out, text.data, text.len);
        buf_end(&text);
        return;
    }
    struct doc d = {.out = &q->out};
    f.doc = &d;
    doc_object(&d, NULL);
    doc_string(&d, "path", path);
    doc_string(&d, "why", text.data ? text.data : "");
    doc_array(&d, "sources");
    sources_walk(tell, &f);
    doc_array_end(&d);
    doc_bool(&d, "is_read", f.found > 0);
    doc_object_end(&d);
    buf_end(&text);
}
