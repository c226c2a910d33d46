#include <string.h>

#include "base/clock.h"
#include "web/routes.h"

static void write_result(struct request *q, const struct web_reload *r)
{
    struct doc d = {.out = &q->out};
    doc_object(&d, NULL);
    doc_string(&d, "status", r->at == 0 ? "none" : r->good ? "in_force" : "refused");
    doc_uint(&d, "reloads", r->reloads);
    doc_uint(&d, "failures", r->failures);
    if (r->at) {
        doc_time(&d, "at", r->at);
        doc_real(&d, "took_ms", (double)(r->took / MICROSECOND) / 1000);
        doc_string(&d, r->good ? "changed" : "errors", r->text);
    }
    doc_object_end(&d);
}

/* 400: it is wrong, and what was in force stays. */
void reload_answer(struct web *w, struct request *q)
{
    struct web_reload result;
    if (!w->context->reload) {
        request_fail(q, 501, "this agent cannot reload its configuration");
        return;
    }
    if (strcmp(q->method, "POST") == 0)
        w->context->reload(&result);
    else
        w->context->last_reload(&result);
    if (strcmp(q->method, "POST") == 0 && !result.good)
        q->status = 400;
    write_result(q, &result);
}
