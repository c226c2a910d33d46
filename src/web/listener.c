#include "web/listener.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/client.h"

enum { BACKLOG = 128 };

static void accept_clients(struct watch *w, uint32_t events)
{
    struct listener *l = container_of(w, struct listener, watch);
    struct server *s = l->server;
    int r = 0;
    if (l->tls && s->config.before_tls)
        s->config.before_tls(s);
    for (int i = 0; i < LISTENER_ACCEPTS && r == 0; i++)
        r = client_accept(l);
    if (r < 0 && r != -EAGAIN && r != -ECONNABORTED && r != -EINTR) {
        log_warn("web", "cannot accept a connection: %s", strerror(-r));
        /* The listener stays ready: without a pause this would spin. */
        watch_set(w, 0);
        timer_set(&s->retry_accept, 100 * MILLISECOND);
    }
    httpds_pump(s);
}

void listener_resume(struct listener *l)
{
    watch_set(&l->watch, EPOLLIN);
}

int listener_begin(struct listener *l, struct server *s, const struct addrinfo *a, int tag, bool tls)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    int on = 1, off = 0;
    *l = (struct listener){.server = s, .tag = tag, .tls = tls};
    int r = fd_socket(&l->fd, &s->scope, a->ai_family, SOCK_STREAM, 0);
    if (r < 0)
        return r;
    setsockopt(l->fd.n, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        setsockopt(l->fd.n, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(l->fd.n, a->ai_addr, a->ai_addrlen) < 0 || listen(l->fd.n, BACKLOG) < 0 ||
        getsockname(l->fd.n, (struct sockaddr *)&bound, &len) < 0)
        r = -errno;
    else
        r = watch_begin(&l->watch, &s->scope, s->loop, l->fd.n, EPOLLIN, accept_clients);
    if (r < 0) {
        fd_close(&l->fd);
        return r;
    }
    l->loopback = address_is_local(&bound);
    l->port = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                               : ((struct sockaddr_in6 *)&bound)->sin6_port);
    return 0;
}
