#include "net/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "base/clock.h"

/* A server is asked twice; the caller's own deadline is what ends a lookup that nobody answers. */
enum { ASK_TIMEOUT_MS = 2000, ASK_TRIES = 2 };

/* ---- c-ares' sockets ---- */

static struct lookup_socket *find(struct lookup *l, ares_socket_t n)
{
    for (int i = 0; i < LOOKUP_SOCKETS; i++)
        if (l->socket[i].lookup && l->socket[i].fd.n == n)
            return &l->socket[i];
    return NULL;
}

static ares_socket_t open_socket(int domain, int type, int protocol, void *arg)
{
    struct lookup *l = arg;
    for (int i = 0; i < LOOKUP_SOCKETS; i++) {
        struct lookup_socket *s = &l->socket[i];
        if (s->lookup)
            continue;
        int r = fd_socket(&s->fd, &l->sockets, domain, type, protocol);
        if (r < 0) {
            errno = -r;
            return -1;
        }
        s->lookup = l;
        return s->fd.n;
    }
    errno = EMFILE;
    return -1;
}

static int close_socket(ares_socket_t n, void *arg)
{
    struct lookup_socket *s = find(arg, n);
    if (s) {
        watch_end(&s->watch);
        fd_close(&s->fd);
        s->lookup = NULL;
    }
    return 0;
}

static int connect_socket(ares_socket_t n, const struct sockaddr *to, ares_socklen_t size, void *arg)
{
    return connect(n, to, size);
}

static ares_ssize_t receive(ares_socket_t n, void *data, size_t size, int flags,
                            struct sockaddr *from, ares_socklen_t *from_size, void *arg)
{
    return recvfrom(n, data, size, flags, from, from_size);
}

static ares_ssize_t send_vector(ares_socket_t n, const struct iovec *iov, int count, void *arg)
{
    ssize_t r = fd_writev(n, iov, count);
    if (r >= 0)
        return r;
    errno = (int)-r;
    return -1;
}

static const struct ares_socket_functions socket_functions = {
    .asocket = open_socket,
    .aclose = close_socket,
    .aconnect = connect_socket,
    .arecvfrom = receive,
    .asendv = send_vector,
};

/* ---- its progress ---- */

/* The callback may come from within any call of c-ares, where its channel must not be destroyed. */
static void go_on(struct lookup *l)
{
    if (l->finished) {
        timer_clear(&l->timer);
        l->done(l);
        return;
    }
    struct timeval most = {.tv_sec = 60}, left;
    ares_timeout(l->channel, &most, &left);
    timer_set(&l->timer, left.tv_sec * SECOND + left.tv_usec * MICROSECOND);
}

static void socket_ready(struct watch *w, uint32_t events)
{
    struct lookup_socket *s = container_of(w, struct lookup_socket, watch);
    struct lookup *l = s->lookup;
    bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP), out = events & (EPOLLOUT | EPOLLERR);
    ares_process_fd(l->channel, in ? w->fd : ARES_SOCKET_BAD, out ? w->fd : ARES_SOCKET_BAD);
    go_on(l);
}

static void time_came(struct timer *t)
{
    struct lookup *l = container_of(t, struct lookup, timer);
    if (!l->finished)
        ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    go_on(l);
}

static void socket_wants(void *arg, ares_socket_t n, int readable, int writable)
{
    struct lookup *l = arg;
    struct lookup_socket *s = find(l, n);
    uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    if (!s)
        return;
    if (!events)
        watch_end(&s->watch);
    else if (thing_alive(&s->watch.thing))
        watch_set(&s->watch, events);
    else /* a watch that could not be had is made good by the timer */
        (void)watch_begin(&s->watch, &l->sockets, l->loop, n, events, socket_ready);
}

/* ---- the answer ---- */

static void add_address(struct lookup *l, const struct ares_addrinfo_node *node)
{
    const void *address = NULL;
    if (node->ai_family == AF_INET)
        address = &((const struct sockaddr_in *)node->ai_addr)->sin_addr;
    else if (node->ai_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)node->ai_addr)->sin6_addr;
    if (!address || l->n == LOOKUP_ADDRESSES ||
        !inet_ntop(node->ai_family, address, l->address[l->n], sizeof l->address[0]))
        return;
    int64_t ttl = node->ai_ttl * SECOND;
    if (l->n == 0 || ttl < l->ttl)
        l->ttl = ttl;
    l->n++;
}

static void answered(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct lookup *l = arg;
    l->finished = true;
    l->error = status == ARES_SUCCESS ? "no address" : ares_strerror(status);
    if (!found)
        return;
    for (struct ares_addrinfo_node *node = found->nodes; node; node = node->ai_next)
        add_address(l, node);
    ares_freeaddrinfo(found);
}

/* ---- life ---- */

static void handle_end(struct thing *t)
{
    struct lookup *l = container_of(t, struct lookup, handle);
    ares_destroy(l->channel);
    l->channel = NULL;
}

static int open_channel(struct lookup *l, const char *servers)
{
    int r = thing_begin(&l->handle, &l->scope, BIRTH_HANDLE, "c-ares channel", 0, handle_end);
    if (r < 0)
        return r;
    struct ares_options options = {
        .timeout = ASK_TIMEOUT_MS,
        .tries = ASK_TRIES,
        .sock_state_cb = socket_wants,
        .sock_state_cb_data = l,
    };
    if (ares_init_options(&l->channel, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
        ARES_SUCCESS) {
        thing_unborn(&l->handle);
        return -ENOMEM;
    }
    ares_set_socket_functions(l->channel, &socket_functions, l);
    if (servers[0] && ares_set_servers_ports_csv(l->channel, servers) != ARES_SUCCESS)
        return -EINVAL;
    return 0;
}

int lookup_begin(struct lookup *l, struct scope *owner, struct loop *loop, const char *host,
                 const char *servers, void (*done)(struct lookup *))
{
    *l = (struct lookup){.loop = loop, .done = done};
    int r = scope_begin(&l->scope, owner, "lookup");
    if (r < 0)
        return r;
    r = timer_begin(&l->timer, &l->scope, loop, "lookup", time_came);
    if (r == 0)
        r = scope_begin(&l->sockets, &l->scope, "sockets");
    if (r == 0)
        r = open_channel(l, servers);
    if (r < 0) {
        scope_end(&l->scope);
        return r;
    }
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(l->channel, host, NULL, &hints, answered, l);
    if (l->finished)
        timer_set(&l->timer, 0);
    else
        go_on(l);
    return 0;
}

void lookup_end(struct lookup *l)
{
    scope_end(&l->scope);
}
