#include <errno.h>
#include <string.h>

#include "web/routes.h"

void spool_purge_answer(struct web *w, struct request *q)
{
    const char *sink = request_arg(q, "sink");
    struct amount purged = {0};
    int r = -ENOSYS;
    if (!sink || !*sink) {
        request_fail(q, 400, "?sink= must name the sink");
        return;
    }
    if (w->context->purge_spool)
        r = w->context->purge_spool(sink, &purged);
    if (r == -EBUSY)
        request_fail(q, 409, "%s is configured: what waits for it is delivered; remove it from the configuration first", sink);
    else if (r == -ENOENT)
        request_fail(q, 404, "nothing waits on disk for a sink %s", sink);
    else if (r < 0)
        request_fail(q, 503, "not now: %s", strerror(-r));
    if (r < 0)
        return;
    struct doc d = {.out = &q->out};
    doc_object(&d, NULL);
    doc_string(&d, "sink", sink);
    doc_uint(&d, "records", purged.records);
    doc_uint(&d, "bytes", purged.bytes);
    doc_object_end(&d);
}
