#include "web/server.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/doc.h"
#include "web/host.h"

enum { ACCEPTS_A_TURN = 64, BACKLOG = 128, FEED_BLOCK = 16 * 1024 };

static const struct task_kind client_kind = {.name = "http_client", .max_age = HOUR};
/* Whose reply goes on may stay as long as it likes. */
static const struct task_kind follower_kind = {.name = "http_follower"};

struct client {
    struct scope scope;
    struct client *next, *prev;
    struct server *server;
    const struct listener *listener;
    struct engine *engine;
    struct request *request; /* whose reply goes on, or NULL */
    struct task task;
    struct fd fd;
    struct timer deadline;
    struct sockaddr_storage from;
    int64_t waiting_since;   /* for a complete request */
    bool answering, closing; /* closing: shut down, libmicrohttpd will notice */
};

static void pump(struct server *s);
static void wake(struct client *c);

/* ---- clients ---- */

static void client_free(struct client *c)
{
    struct server *s = c->server;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->clients = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (!c->closing)
        atomic_fetch_sub(&s->open, 1);
    scope_end(&c->scope);
}

/* libmicrohttpd owns the socket: it is only told that nothing will come. */
static void client_shut(struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    atomic_fetch_sub(&c->server->open, 1);
    shutdown(c->fd.n, SHUT_RDWR);
    wake(c);
}

static void client_too_late(struct timer *t)
{
    struct client *c = container_of(t, struct client, deadline);
    struct server *s = c->server;
    atomic_fetch_add(&s->timed_out, 1);
    client_shut(c);
    pump(s);
}

static struct client *client_of(struct server *s, int fd)
{
    for (struct client *c = s->clients; c; c = c->next)
        if (c->fd.n == fd)
            return c;
    return NULL;
}

static void connection_changed(void *arg, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct server *s = arg;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? client_of(s, info->connect_fd) : NULL;
        return;
    }
    struct client *c = *context;
    if (!c)
        return;
    *context = NULL;
    fd_release(&c->fd); /* it is closed by the library right after this */
    client_free(c);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static bool from_here(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

/* Whether there is a place for one more from this address; makes one if somebody can go. */
static bool make_room(struct server *s, const struct sockaddr_storage *from)
{
    unsigned open = 0, same = 0;
    struct client *oldest = NULL;
    for (struct client *c = s->clients; c; c = c->next) {
        if (c->closing)
            continue;
        open++;
        same += same_address(&c->from, from);
        if (!c->answering && (!oldest || c->waiting_since < oldest->waiting_since))
            oldest = c;
    }
    if (!from_here(from) && same >= (s->config.max_connections + 1) / 2)
        return false;
    if (open < s->config.max_connections)
        return true;
    if (!oldest)
        return false;
    atomic_fetch_add(&s->evicted, 1);
    client_shut(oldest);
    return true;
}

/* Accepts into a new client. 0, or -errno: -EAGAIN when nobody is there. */
static int client_accept(struct listener *l)
{
    struct server *s = l->server;
    struct client *c = scope_new(&s->clients_scope, sizeof *c, "client");
    if (!c)
        return -errno;
    socklen_t len = sizeof c->from;
    c->server = s;
    c->listener = l;
    c->engine = l->tls ? s->tls : &s->engines[ENGINE_PLAIN];
    c->waiting_since = clock_mono();
    int r = task_begin(&c->task, &c->scope, &client_kind, "http client");
    if (r == 0)
        r = timer_begin(&c->deadline, &c->scope, s->loop, "deadline", client_too_late);
    if (r == 0)
        r = fd_accept(&c->fd, &c->scope, l->fd.n, (struct sockaddr *)&c->from, &len);
    if (r == 0 && !make_room(s, &c->from)) {
        atomic_fetch_add(&s->refused, 1);
        scope_end(&c->scope);
        return 0;
    }
    if (r < 0) {
        scope_end(&c->scope);
        return r;
    }
    c->next = s->clients;
    if (c->next)
        c->next->prev = c;
    s->clients = c;
    atomic_fetch_add(&s->accepted, 1);
    atomic_fetch_add(&s->open, 1);
    timer_set(&c->deadline, s->config.deadline);
    task_wait(&c->task);
    if (MHD_add_connection(c->engine->daemon, c->fd.n, (struct sockaddr *)&c->from, len) != MHD_YES) {
        fd_release(&c->fd); /* the library has closed it in any case */
        client_free(c);
    }
    return 0;
}

static void accept_clients(struct watch *w, uint32_t events)
{
    struct listener *l = container_of(w, struct listener, watch);
    struct server *s = l->server;
    int r = 0;
    if (l->tls && s->config.before_tls)
        s->config.before_tls(s);
    for (int i = 0; i < ACCEPTS_A_TURN && r == 0; i++)
        r = client_accept(l);
    if (r < 0 && r != -EAGAIN && r != -ECONNABORTED && r != -EINTR) {
        log_warn("web", "cannot accept a connection: %s", strerror(-r));
        /* The listener stays ready: without a pause this would spin. */
        watch_set(w, 0);
        timer_set(&s->retry_accept, 100 * MILLISECOND);
    }
    pump(s);
}

static void accept_again(struct timer *t)
{
    struct server *s = container_of(t, struct server, retry_accept);
    for (unsigned i = 0; i < s->n_listeners; i++)
        watch_set(&s->listeners[i].watch, EPOLLIN);
}

/* ---- requests ---- */

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

/* The library is let look at it again. */
static void wake(struct client *c)
{
    struct request *q = c->request;
    if (!q || !q->asleep)
        return;
    q->asleep = false;
    MHD_resume_connection(q->connection);
    timer_set(&c->engine->timer, 0);
}

void request_wake(struct request *q)
{
    wake(q->client);
}

void request_cut(struct request *q)
{
    client_shut(q->client);
}

static ssize_t read_more(void *arg, uint64_t position, char *data, size_t max)
{
    struct request *q = arg;
    task_beat(&q->client->task);
    ssize_t n = q->client->engine->ending || q->client->closing ? -1 : q->more(q, data, max);
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
        q->client->request = q;
        timer_clear(&q->client->deadline);
        birth_set_task_kind(q->client->task.thing.birth, &follower_kind);
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

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
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

static void request_over(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct request *q = *context;
    if (!q)
        return;
    *context = NULL;
    struct client *c = q->client;
    if (c->request)
        birth_set_task_kind(c->task.thing.birth, &client_kind);
    c->request = NULL;
    if (q->over)
        q->over(q);
    scope_end(&q->scope);
    c->answering = false;
    c->waiting_since = c->server->loop->now;
    timer_set(&c->deadline, c->server->config.deadline);
    task_wait(&c->task);
}

/* ---- the library on our loop ---- */

static void pump_engine(struct engine *e)
{
    MHD_UNSIGNED_LONG_LONG ms;
    MHD_run(e->daemon);
    if (MHD_get_timeout(e->daemon, &ms) == MHD_YES)
        timer_set(&e->timer, (int64_t)ms * MILLISECOND);
    else
        timer_clear(&e->timer);
}

static void pump(struct server *s)
{
    for (int i = 0; i < ENGINES; i++)
        if (s->engines[i].daemon)
            pump_engine(&s->engines[i]);
}

static void epoll_ready(struct watch *w, uint32_t events)
{
    pump_engine(container_of(w, struct engine, watch));
}

static void time_came(struct timer *t)
{
    pump_engine(container_of(t, struct engine, timer));
}

__attribute__((format(printf, 2, 0))) static void library_says(void *arg, const char *format, va_list ap)
{
    char text[300];
    vsnprintf(text, sizeof text, format, ap);
    text[strcspn(text, "\n")] = 0;
    log_debug("web", "libmicrohttpd: %s", text);
}

/* It must not be stopped while a connection sleeps. */
static void daemon_end(struct thing *t)
{
    struct engine *e = container_of(t, struct engine, thing);
    struct server *s = e->server;
    e->ending = true;
    for (struct client *c = s->clients; c; c = c->next)
        if (c->request && c->request->asleep && c->engine == e) {
            c->request->asleep = false;
            MHD_resume_connection(c->request->connection);
        }
    MHD_stop_daemon(e->daemon); /* ends its clients through connection_changed() */
    e->daemon = NULL;
}

/* cert: NULL: no TLS. */
static struct MHD_Daemon *daemon_start(struct server *s, const char *cert, const char *key)
{
    const struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (char[]){"NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"}},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME | (cert ? MHD_USE_TLS : 0), 0,
        NULL, NULL, on_request, s,
        MHD_OPTION_EXTERNAL_LOGGER, library_says, s,
        MHD_OPTION_CONNECTION_LIMIT, 2 * s->config.max_connections + ACCEPTS_A_TURN,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_HEADER_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((s->config.idle + SECOND - 1) / SECOND),
        MHD_OPTION_NOTIFY_COMPLETED, request_over, s,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, s,
        MHD_OPTION_ARRAY, cert ? secure : secure + 3, MHD_OPTION_END);
}

static int engine_start(struct server *s, struct engine *e, const char *cert, const char *key)
{
    int r = fd_expect_begin(&e->wake, &e->scope, "libmicrohttpd wake");
    if (r == 0)
        r = thing_begin(&e->thing, &e->scope, BIRTH_HANDLE, cert ? "libmicrohttpd, TLS" : "libmicrohttpd", 0, daemon_end);
    if (r < 0) {
        fd_expect_end(&e->wake);
        return r;
    }
    e->daemon = daemon_start(s, cert, key);
    fd_expect_end(&e->wake);
    const union MHD_DaemonInfo *info = e->daemon ? MHD_get_daemon_info(e->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        if (!e->daemon)
            thing_unborn(&e->thing);
        return cert ? -EKEYREJECTED : -ENOMEM;
    }
    /* The library closes it: only its record is ours. */
    r = thing_begin(&e->epoll_thing, &e->scope, BIRTH_FD, "libmicrohttpd epoll", 0, NULL);
    if (r < 0)
        return r;
    birth_set_fd(e->epoll_thing.birth, info->epoll_fd);
    r = watch_begin(&e->watch, &e->scope, s->loop, info->epoll_fd, EPOLLIN, epoll_ready);
    return r < 0 ? r : timer_begin(&e->timer, &e->scope, s->loop, "libmicrohttpd", time_came);
}

static int engine_begin(struct server *s, struct engine *e, const char *cert, const char *key)
{
    *e = (struct engine){.server = s};
    int r = scope_begin(&e->scope, &s->scope, "libmicrohttpd");
    if (r < 0)
        return r;
    r = engine_start(s, e, cert, key);
    if (r < 0)
        scope_end(&e->scope);
    return r;
}

static struct engine *free_engine(struct server *s)
{
    struct engine *e = &s->engines[ENGINE_TLS];
    while (e == s->tls || e == s->tls_before)
        e++;
    return e;
}

int server_renew(struct server *s, const char *cert, const char *key)
{
    struct engine *next = free_engine(s);
    int r = engine_begin(s, next, cert, key);
    if (r < 0)
        return r;
    if (s->tls_before)
        scope_end(&s->tls_before->scope);
    s->tls_before = s->tls;
    s->tls = next;
    return 0;
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
        r = engine_begin(s, &s->engines[ENGINE_PLAIN], NULL, NULL);
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

static int listen_at(struct server *s, const struct addrinfo *a, int tag, bool tls)
{
    struct listener *l = &s->listeners[s->n_listeners];
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    int on = 1, off = 0;
    if (s->n_listeners == SERVER_LISTENERS)
        return -E2BIG;
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
    l->loopback = from_here(&bound);
    l->port = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                               : ((struct sockaddr_in6 *)&bound)->sin6_port);
    s->n_listeners++;
    return 0;
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
        r = listen_at(s, a, tag, tls);
        if (r < 0)
            error = r;
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
