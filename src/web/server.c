#include "web/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct httpd *free_httpd(struct server *s)
{
    struct httpd *e = &s->httpds[HTTPD_TLS];
    while (e == s->tls || e == s->tls_before)
        e++;
    return e;
}

int server_renew(struct server *s, const char *cert, const char *key)
{
    struct httpd *next = free_httpd(s);
    int r = httpd_begin(next, s, cert, key);
    if (r < 0)
        return r;
    if (s->tls_before)
        httpd_end(s->tls_before);
    s->tls_before = s->tls;
    s->tls = next;
    return 0;
}

static void accept_again(struct timer *t)
{
    struct server *s = container_of(t, struct server, retry_accept);
    for (unsigned i = 0; i < s->n_listeners; i++)
        listener_resume(&s->listeners[i]);
}

int server_begin(struct server *s, struct scope *owner, struct loop *loop, const struct server_config *config)
{
    *s = (struct server){.loop = loop, .config = *config};
    int r = scope_begin(&s->scope, owner, "server");
    if (r < 0)
        return r;
    r = scope_begin(&s->clients_scope, &s->scope, "clients");
    if (r == 0) {
        scope_set_budget(&s->clients_scope, 0, SERVER_MEMORY);
        r = httpd_begin(&s->httpds[HTTPD_PLAIN], s, NULL, NULL);
    }
    if (r == 0 && config->cert)
        r = server_renew(s, config->cert, config->key);
    if (r == 0)
        r = timer_begin(&s->retry_accept, &s->scope, loop, "accept again", accept_again);
    s->config.cert = s->config.key = NULL;
    if (r < 0)
        scope_end(&s->scope);
    return r;
}

int server_listen(struct server *s, const char *host, uint32_t port, int tag, bool tls, char *why, size_t size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *all;
    char service[16];
    unsigned before = s->n_listeners;
    int error = -EADDRNOTAVAIL;

    snprintf(service, sizeof service, "%u", (unsigned)port);
    int r = getaddrinfo(host, service, &hints, &all);
    if (r) {
        snprintf(why, size, "cannot listen on %s: %s", host, gai_strerror(r));
        return -EADDRNOTAVAIL;
    }
    for (struct addrinfo *a = all; a; a = a->ai_next) {
        r = s->n_listeners == SERVER_LISTENERS ? -E2BIG : listener_begin(&s->listeners[s->n_listeners], s, a, tag, tls);
        if (r < 0)
            error = r;
        else
            s->n_listeners++;
        if (r == -EADDRINUSE)
            break;
    }
    freeaddrinfo(all);
    if (s->n_listeners > before && error != -EADDRINUSE)
        return 0;
    snprintf(why, size, "cannot listen on %s port %u: %s%s", host, (unsigned)port, strerror(-error),
             error == -EADDRINUSE ? "; another logcap may be running, or choose another port" : "");
    return error;
}
