#include "web/feed.h"

#include <string.h>

#include "web/web.h"

static ssize_t more(struct request *q, char *data, size_t max)
{
    struct feed *f = q->arg;
    size_t left = f->out.len - f->at, n = left < max ? left : max;
    memcpy(data, f->out.data + f->at, n);
    f->at += n;
    return (ssize_t)n;
}

static struct feed **first_of(struct feed *f, struct feed **first)
{
    return f->prev ? &f->prev->next : first;
}

static void over(struct request *q)
{
    struct feed *f = q->arg;
    struct feed **first = f->arg;
    *first_of(f, first) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    --*f->count;
    if (f->over)
        f->over(f);
}

void *feed_begin(struct web *w, struct request *q, size_t size, struct feed **first,
                 void (*end)(struct feed *f))
{
    uint32_t most = w->context->config->server.max_feeds;
    if (w->feeds >= most) {
        q->retry_after = 5;
        request_fail(q, 503, "%u follow already, which is all that server.max_feeds allows", (unsigned)most);
        return NULL;
    }
    struct feed *f = scope_alloc(&q->scope, size);
    if (!f || buf_begin(&f->out, &q->scope, "event", FEED_BYTES) < 0 || buf_puts(&f->out, "retry: 2000\n\n") < 0) {
        q->retry_after = 1;
        request_fail(q, 503, "no memory for one more who follows");
        return NULL;
    }
    f->request = q;
    f->since = clock_mono();
    f->count = &w->feeds;
    f->over = end;
    f->arg = first;
    f->next = *first;
    if (f->next)
        f->next->prev = f;
    *first = f;
    w->feeds++;
    q->content_type = "text/event-stream";
    q->more = more;
    q->over = over;
    q->arg = f;
    return f;
}

void feed_give_up(struct feed *f)
{
    struct request *q = f->request;
    over(q);
    q->more = NULL;
    q->over = NULL;
}

bool feed_is_free(struct feed *f)
{
    if (f->at == f->out.len)
        return true;
    if (clock_mono() - f->since > FEED_PATIENCE)
        request_cut(f->request);
    return false;
}

void feed_send(struct feed *f, const char *event, const char *data, size_t n)
{
    buf_clear(&f->out);
    f->at = 0;
    buf_printf(&f->out, "event: %s\ndata: ", event);
    buf_add(&f->out, data, n);
    buf_puts(&f->out, "\n\n");
    if (f->out.failed)
        buf_clear(&f->out); /* left out: there is no memory for it now */
    f->since = clock_mono();
    request_wake(f->request);
}
