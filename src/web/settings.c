/* The configuration in force, value by value, and what the file would change: for the page, before it asks for a reload. */
#include "codec/json.h"
#include "web/routes.h"

void settings_answer(struct web *w, struct request *q)
{
    buf_puts(&q->out, "{\"file\":");
    json_add_cstring(&q->out, w->context->config->file);
    buf_puts(&q->out, ",\"values\":");
    config_print_values(w->context->config, &q->out);
    buf_puts(&q->out, "}");
}

/* Reads the file as a reload would; nothing is put in force. */
void pending_answer(struct web *w, struct request *q)
{
    const struct config *runs = w->context->config;
    struct buf errors;
    if (buf_begin(&errors, &q->scope, "configuration errors", 64 << 10) < 0) {
        request_fail(q, 503, "no memory now");
        return;
    }
    struct config *next = config_load(&q->scope, *runs->file ? runs->file : NULL, &errors);
    struct doc d = {.out = &q->out};
    doc_object(&d, NULL);
    doc_string(&d, "file", runs->file);
    if (next) {
        d.follows = true;
        buf_puts(&q->out, ",\"changes\":");
        config_print_changes(runs, next, &q->out);
    } else {
        doc_string(&d, "errors", errors.data ? errors.data : "out of memory");
    }
    doc_object_end(&d);
    config_free(next);
    buf_end(&errors);
}
