#include "web/web.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/routes.h"

enum { IDLE_S = 10, DEADLINE_S = 30 };

static void web_run(struct thread *t)
{
    struct web *w = t->arg;
    w->loop.task = &t->task;
    if (loop_run(&w->loop) < 0)
        log_error("web", "the event loop failed: HTTP does not answer any more");
}

static void web_stop(struct thread *t)
{
    struct web *w = t->arg;
    loop_stop(&w->loop);
}

static int begin_all(struct web *w, char *error, size_t size)
{
    const struct config *c = w->context->config;
    const struct server_config server = {
        .max_connections = c->server.max_connections ? c->server.max_connections : 64,
        .idle = IDLE_S * SECOND,
        .deadline = w->context->deadline ? w->context->deadline : DEADLINE_S * SECOND,
        .admit = routes_admit,
        .answer = routes_answer,
        .arg = w,
    };
    snprintf(error, size, "not enough memory for the HTTP server");
    int r = loop_begin(&w->loop, &w->scope, "loop");
    if (r == 0 && c->api.enabled)
        r = api_begin(&w->api, &w->scope, c, w->context->dispatcher, w->context->past);
    if (r == 0)
        r = server_begin(&w->server, &w->scope, &w->loop, &server);
    if (r == 0)
        r = server_listen(&w->server, c->server.host, c->server.port, WEB_ALL, error, size);
    if (r == 0 && c->metrics.enabled)
        r = server_listen(&w->server, c->metrics.host, c->metrics.port, WEB_METRICS, error, size);
    if (r == 0)
        r = thread_begin(&w->thread, &w->scope, "web", web_run, web_stop, w);
    return r;
}

void web_reload(struct web *w)
{
    w->own_names[0] = w->context->config->server.host;
    w->own_names[1] = w->context->config->metrics.host;
    w->api.config = w->context->config;
}

int web_begin(struct web *w, struct scope *owner, struct web_context *context, char *error, size_t size)
{
    *w = (struct web){.context = context};
    if (gethostname(w->host_name, sizeof w->host_name - 1) < 0)
        w->host_name[0] = 0;
    w->own_names[2] = w->host_name;
    web_reload(w);
    int r = scope_begin(&w->scope, owner, "web");
    if (r < 0) {
        snprintf(error, size, "not enough memory for the HTTP server");
        return r;
    }
    r = begin_all(w, error, size);
    if (r < 0)
        scope_end(&w->scope);
    return r;
}

void web_end(struct web *w)
{
    scope_end(&w->scope);
}
