#include "web/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/doc.h"
#include "web/client.h"
#include "web/library.h"

enum { FEED_BLOCK = 16 * 1024 };

const char *request_header(struct request *q, const char *name)
{
    return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

const char *request_arg(struct request *q, const char *name)
{
    return MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, name);
}

void request_fail(struct request *q, unsigned status, const char *format, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    buf_clear(&q->out);
    struct doc d = {.out = &q->out};
    doc_object(&d, NULL);
    doc_string(&d, "error", text);
    doc_object_end(&d);
    buf_puts(&q->out, "\n");
    q->status = status;
    q->content_type = "application/json";
}

void request_wake(struct request *q)
{
    client_wake(q->client);
}

void request_cut(struct request *q)
{
    client_shut(q->client);
}

static ssize_t read_more(void *arg, uint64_t position, char *data, size_t max)
{
    struct request *q = arg;
    task_beat(&q->client->task);
    ssize_t n = q->client->httpd->ending || q->client->closing ? -1 : q->more(q, data, max);
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0) {
        q->asleep = true;
        task_wait(&q->client->task);
        MHD_suspend_connection(q->connection);
    }
    return n;
}

static struct MHD_Response *response_of(struct request *q)
{
    if (q->more) {
        client_follow(q->client, q);
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FEED_BLOCK, read_more, q, NULL);
    }
    if (q->fixed)
        return MHD_create_response_from_buffer(q->fixed_n, (void *)(uintptr_t)q->fixed, MHD_RESPMEM_PERSISTENT);
    return MHD_create_response_from_buffer(q->out.len, q->out.data, MHD_RESPMEM_PERSISTENT);
}

static void add_header(struct MHD_Response *r, const char *name, const char *value)
{
    if (value)
        MHD_add_response_header(r, name, value);
}

static void add_headers(const struct request *q, struct MHD_Response *r)
{
    add_header(r, "Content-Type", q->content_type);
    add_header(r, "Cache-Control", q->cache ? q->cache : "no-store");
    add_header(r, "X-Content-Type-Options", "nosniff");
    add_header(r, "Content-Security-Policy", q->policy ? q->policy : "default-src 'none'; frame-ancestors 'none'");
    add_header(r, "X-Frame-Options", "DENY");
    add_header(r, "Referrer-Policy", "no-referrer");
    add_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    add_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    add_header(r, "ETag", q->etag);
    add_header(r, "Content-Encoding", q->encoding);
    add_header(r, "Content-Disposition", q->disposition);
    add_header(r, "Vary", q->encoding ? "Accept-Encoding" : NULL);
    add_header(r, "Allow", q->allow);
    add_header(r, "WWW-Authenticate", q->challenge);
    if (q->retry_after) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%u", q->retry_after);
        add_header(r, "Retry-After", seconds);
    }
}

static enum MHD_Result reply(struct request *q)
{
    if (q->out.failed) {
        q->retry_after = 1;
        request_fail(q, MHD_HTTP_SERVICE_UNAVAILABLE,
                     "the reply does not fit into the memory that replies may take now; ask for less (limit=N)");
    }
    struct MHD_Response *r = response_of(q);
    if (!r)
        return MHD_NO;
    add_headers(q, r);
    enum MHD_Result result = MHD_queue_response(q->connection, q->status, r);
    MHD_destroy_response(r);
    q->replied = true;
    q->client->answering = true;
    return result;
}

static struct request *request_new(struct server *s, struct client *c, struct MHD_Connection *connection,
                                   const char *path, const char *method)
{
    struct request *q = scope_new(&c->scope, sizeof *q, "request");
    if (!q)
        return NULL;
    q->client = c;
    q->listener = c->listener;
    q->connection = connection;
    q->path = path;
    q->method = method;
    if (buf_begin(&q->out, &q->scope, "reply", SERVER_REPLY_BYTES) < 0) {
        scope_end(&q->scope);
        return NULL;
    }
    atomic_fetch_add(&s->requests, 1);
    task_beat(&c->task);
    s->config.admit(q);
    const char *length = request_header(q, "Content-Length");
    uint64_t announced = length ? strtoull(length, NULL, 10) : 0;
    if (!q->status && announced > q->max_body)
        request_fail(q, MHD_HTTP_CONTENT_TOO_LARGE, "the body is limited to %" PRIu64 " bytes", q->max_body);
    if (!q->status && q->max_body && buf_begin(&q->body, &q->scope, "body", q->max_body + 1) < 0)
        q->body_failed = true;
    return q;
}

static void take_body(struct request *q, const char *data, size_t size)
{
    if (q->body.len + size > q->max_body)
        q->body_too_large = true;
    else if (!q->body_failed && buf_add(&q->body, data, size) < 0)
        q->body_failed = true;
}

enum MHD_Result request_taken(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **context)
{
    struct server *s = arg;
    struct request *q = *context;
    if (!q) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        if (!info || !info->socket_context)
            return MHD_NO;
        *context = q = request_new(s, info->socket_context, connection, url, method);
        if (!q)
            return MHD_NO;
        return q->status ? reply(q) : MHD_YES;
    }
    if (*size) {
        take_body(q, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (q->replied)
        return MHD_YES;
    if (q->body_too_large) {
        request_fail(q, MHD_HTTP_CONTENT_TOO_LARGE, "the body is limited to %" PRIu64 " bytes", q->max_body);
    } else if (q->body_failed) {
        q->retry_after = 1;
        request_fail(q, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the body now");
    } else {
        s->config.answer(q);
    }
    return reply(q);
}

void request_over(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
    struct request *q = *context;
    if (!q)
        return;
    *context = NULL;
    struct client *c = q->client;
    client_follow(c, NULL);
    if (q->over)
        q->over(q);
    scope_end(&q->scope);
    client_awaits(c);
}
