/*
 * POST /api/v1/logs. 202 {"accepted": N}: logcap has them in memory, see in/api.h for what that means; with
 * "unknown_keys" if some were passed over. Anything else: nothing of the request was taken.
 */
#include <inttypes.h>
#include <strings.h>

#include "web/routes.h"

void logs_admit(struct web *w, struct request *q)
{
    const char *encoding = request_header(q, "Content-Encoding");
    if (!w->context->config->api.enabled)
        request_fail(q, 404, "no entries are taken: api.enabled is false");
    else if (encoding && strcasecmp(encoding, "identity") != 0)
        request_fail(q, 415, "the body must come without Content-Encoding");
    else
        q->max_body = w->context->config->api.max_body;
}

static void refuse(struct request *q, const struct api_answer *a)
{
    static const unsigned statuses[API_OUTCOMES] = {
        [API_INVALID] = 400, [API_TOO_LARGE] = 413, [API_TOO_FAST] = 429, [API_FULL] = 429};
    if (a->outcome == API_INVALID)
        request_fail(q, 400, "at byte %zu: %s; nothing was taken", a->at, a->why);
    else
        request_fail(q, statuses[a->outcome], "%s; nothing was taken", a->why);
    q->retry_after = a->retry_after;
}

void logs_answer(struct web *w, struct request *q)
{
    struct doc d = {.out = &q->out};
    struct api_answer a;

    api_take(&w->api, q->body.data ? q->body.data : "", q->body.len, &a);
    if (a.outcome != API_TAKEN) {
        refuse(q, &a);
        return;
    }
    q->status = 202;
    doc_object(&d, NULL);
    doc_uint(&d, "accepted", a.entries);
    if (a.unknown_keys)
        doc_uint(&d, "unknown_keys", a.unknown_keys);
    doc_object_end(&d);
    buf_puts(&q->out, "\n");
}
