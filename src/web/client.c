#include "web/client.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "web/library.h"

static const struct task_kind client_kind = {.name = "http_client", .max_age = HOUR};
/* Whose reply goes on may stay as long as it likes. */
static const struct task_kind follower_kind = {.name = "http_follower"};

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

void client_shut(struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    atomic_fetch_sub(&c->server->open, 1);
    shutdown(c->fd.n, SHUT_RDWR);
    client_wake(c);
}

static void client_too_late(struct timer *t)
{
    struct client *c = container_of(t, struct client, deadline);
    struct server *s = c->server;
    atomic_fetch_add(&s->timed_out, 1);
    client_shut(c);
    httpds_pump(s);
}

static struct client *client_of(struct server *s, int fd)
{
    for (struct client *c = s->clients; c; c = c->next)
        if (c->fd.n == fd)
            return c;
    return NULL;
}

void client_changed(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
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

void client_follow(struct client *c, struct request *q)
{
    if (q)
        timer_clear(&c->deadline);
    birth_set_task_kind(c->task.thing.birth, q ? &follower_kind : &client_kind);
    c->request = q;
}

void client_awaits(struct client *c)
{
    c->answering = false;
    c->waiting_since = c->server->loop->now;
    timer_set(&c->deadline, c->server->config.deadline);
    task_wait(&c->task);
}

static bool resume(struct client *c)
{
    struct request *q = c->request;
    if (!q || !q->asleep)
        return false;
    q->asleep = false;
    MHD_resume_connection(q->connection);
    return true;
}

void client_wake(struct client *c)
{
    if (resume(c))
        timer_set(&c->httpd->timer, 0);
}

void clients_wake(struct server *s, const struct httpd *e)
{
    for (struct client *c = s->clients; c; c = c->next)
        if (c->httpd == e)
            (void)resume(c);
}

/* ---- who may come ---- */

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

bool address_is_local(const struct sockaddr_storage *a)
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
    if (!address_is_local(from) && same >= (s->config.max_connections + 1) / 2)
        return false;
    if (open < s->config.max_connections)
        return true;
    if (!oldest)
        return false;
    atomic_fetch_add(&s->evicted, 1);
    client_shut(oldest);
    return true;
}

int client_accept(struct listener *l)
{
    struct server *s = l->server;
    struct client *c = scope_new(&s->clients_scope, sizeof *c, "client");
    if (!c)
        return -errno;
    socklen_t len = sizeof c->from;
    c->server = s;
    c->listener = l;
    c->httpd = l->tls ? s->tls : &s->httpds[HTTPD_PLAIN];
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
    if (MHD_add_connection(c->httpd->daemon, c->fd.n, (struct sockaddr *)&c->from, len) != MHD_YES) {
        fd_release(&c->fd); /* the library has closed it in any case */
        client_free(c);
    }
    return 0;
}
