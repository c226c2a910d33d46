#include "web/web.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/routes.h"

enum { IDLE_S = 10, DEADLINE_S = 30, REFUSED_S = 60 };

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

static bool is_on_the_network(const struct server *s, int tag)
{
    bool found = false;
    for (unsigned i = 0; i < s->n_listeners; i++)
        found |= s->listeners[i].tag == tag && !s->listeners[i].loopback;
    return found;
}

static void say_who_may_ask(const struct web *w, const struct http_config *c)
{
    if (!is_on_the_network(&w->server, WEB_ALL))
        return;
    if (!auth_is_configured(c))
        log_warn("web", "server.host is %s, which other machines reach: only /metrics, /health, /livez and /ready answer there until "
                 "server.token or server.password is set", c->host);
    else if (!*c->cert_file)
        log_warn("web", "server.host is %s, which other machines reach: without server.tls secrets go over the network as they are",
                 c->host);
}

static uint64_t hash_of(const char *cert, const char *key)
{
    return XXH3_64bits_withSeed(key, strlen(key), XXH3_64bits(cert, strlen(cert)));
}

/*
 * Their files are looked at whenever somebody connects, like those of other secrets. What could not be used is tried again now and
 * then, since it may have been for want of memory or descriptors, but not for each who connects: that is anybody.
 */
static void follow_certificate(struct server *s)
{
    struct web *w = s->config.arg;
    const char *cert = secret_get(&w->cert), *key = secret_get(&w->key);
    uint64_t hash = cert && key ? hash_of(cert, key) : w->certificate;
    if (hash == w->certificate)
        w->refused = 0;
    if (hash == w->certificate || (hash == w->refused && w->loop.now < w->try_again))
        return;
    int r = server_renew(s, cert, key);
    w->try_again = w->loop.now + REFUSED_S * SECOND;
    if (r == 0) {
        w->certificate = hash;
        w->refused = 0;
        log_info("web", "%s is another certificate now: whoever connects gets it", w->cert.file);
    } else if (hash != w->refused) {
        w->refused = hash;
        log_error("web", "%s and %s cannot be used (%s): whoever connects still gets the certificate before", w->cert.file, w->key.file,
                  r == -EKEYREJECTED ? "they are no certificate with its key" : strerror(-r));
    }
}

static int begin_server(struct web *w, struct server_config *server, char *error, size_t size)
{
    const struct http_config *c = &w->context->config->server;
    int r = -EKEYREJECTED;
    secret_begin(&w->cert, &w->scope, "", c->cert_file);
    secret_begin(&w->key, &w->scope, "", c->key_file);
    if (*c->cert_file) {
        server->cert = secret_get(&w->cert);
        server->key = secret_get(&w->key);
        server->before_tls = follow_certificate;
    }
    if (!*c->cert_file || (server->cert && server->key))
        r = server_begin(&w->server, &w->scope, &w->loop, server);
    if (r == 0 && server->cert)
        w->certificate = hash_of(server->cert, server->key);
    if (r == -EKEYREJECTED)
        snprintf(error, size, "cannot speak TLS with %s and %s (server.tls)", c->cert_file, c->key_file);
    return r;
}

/* Its port is one that other programs like too: without it the other two answer. */
static void listen_for_profiles(struct web *w, const struct config *c)
{
    char why[256] = "";
    if (c->profiling.enabled &&
        server_listen(&w->server, c->profiling.host, c->profiling.port, WEB_PROFILING, false, why, sizeof why) < 0)
        log_warn("web", "no port of its own for /debug/pprof/ (observability.profiling.port): %s", why);
}

static int begin_all(struct web *w, char *error, size_t size)
{
    const struct config *c = w->context->config;
    struct server_config server = {
        .max_connections = c->server.max_connections,
        .idle = IDLE_S * SECOND,
        .deadline = w->context->deadline ? w->context->deadline : DEADLINE_S * SECOND,
        .admit = routes_admit,
        .answer = routes_answer,
        .arg = w,
    };
    int r = loop_begin(&w->loop, &w->scope, "loop");
    if (r == 0 && c->api.enabled)
        r = api_begin(&w->api, &w->scope, c, w->context->dispatcher, w->context->past);
    if (r == 0)
        r = live_begin(&w->live, &w->scope, &w->loop, w);
    if (r == 0)
        r = tail_begin(&w->tail, &w->scope, &w->loop, w);
    if (r == 0)
        r = begin_server(w, &server, error, size);
    if (r == 0)
        r = server_listen(&w->server, c->server.host, c->server.port, WEB_ALL, *c->server.cert_file, error, size);
    if (r == 0 && c->metrics.enabled)
        r = server_listen(&w->server, c->metrics.host, c->metrics.port, WEB_METRICS, false, error, size);
    if (r == 0)
        say_who_may_ask(w, &c->server);
    if (r == 0)
        listen_for_profiles(w, c);
    if (r == 0)
        r = thread_begin(&w->thread, &w->scope, "web", web_run, web_stop, w);
    return r;
}

void web_reload(struct web *w)
{
    w->own_names[0] = w->context->config->server.host;
    w->own_names[1] = w->context->config->metrics.host;
    auth_follow(&w->auth, &w->context->config->server);
    w->api.config = w->context->config;
}

int web_begin(struct web *w, struct scope *owner, struct web_context *context, char *error, size_t size)
{
    *w = (struct web){.context = context, .explainers.loop = &w->loop};
    if (gethostname(w->host_name, sizeof w->host_name - 1) < 0)
        w->host_name[0] = 0;
    w->own_names[2] = w->host_name;
    w->own_names[3] = w->context->config->profiling.host;
    snprintf(error, size, "not enough memory for the HTTP server");
    int r = scope_begin(&w->scope, owner, "web");
    if (r < 0)
        return r;
    r = auth_begin(&w->auth, &w->scope, &context->config->server);
    if (r == 0) {
        web_reload(w);
        r = begin_all(w, error, size);
    }
    if (r < 0)
        web_end(w);
    return r;
}

void web_end(struct web *w)
{
    thread_end(&w->thread);
    auth_end(&w->auth);
    secret_end(&w->cert);
    secret_end(&w->key);
    scope_end(&w->scope);
}
