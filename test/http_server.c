#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 32, REQUEST_MAX = 8 * 1024 * 1024 };

struct connection {
    int fd;
    bool endless, hangs;
    size_t len;
    char *in;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

void server_answer(struct server_request *r, int status, const char *headers, const char *body)
{
    snprintf(r->answer, sizeof r->answer, "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\n%s\r\n%s", status,
             strlen(body), headers, body);
}

static void drop(struct connection *c)
{
    close(c->fd);
    free(c->in);
    *c = (struct connection){.fd = -1};
}

/* The size of the whole request at the start of the buffer; 0: not all here. */
static size_t whole(const struct connection *c, size_t *head_n)
{
    char *end = memmem(c->in, c->len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *head_n = (size_t)(end - c->in) + 4;
    *end = 0;
    const char *length = strcasestr(c->in, "content-length:");
    size_t body = length ? strtoul(length + 15, NULL, 10) : 0;
    *end = '\r';
    return c->len >= *head_n + body ? *head_n + body : 0;
}

static void serve(struct http_server *s, struct connection *c)
{
    size_t head_n, n = whole(c, &head_n);
    if (!n)
        return;
    struct server_request r = {.nth = ++s->seen, .head = c->in, .body = c->in + head_n, .body_n = n - head_n};
    enum server_act act = s->script(s, &r);
    memmove(c->in, c->in + n, c->len - n);
    c->len -= n;
    if (act != SERVER_HANG)
        (void)!send(c->fd, r.answer, strlen(r.answer), MSG_NOSIGNAL);
    c->endless = act == SERVER_ENDLESS;
    if (act == SERVER_CLOSE)
        drop(c);
}

static void receive(struct http_server *s, struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->len, REQUEST_MAX - c->len, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(c);
        return;
    }
    c->len += (size_t)n;
    serve(s, c);
}

static void pour(struct connection *c)
{
    static const char more[4096] = {[0 ... 4095] = 'x'};
    if (send(c->fd, more, sizeof more, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        drop(c);
}

static void take(struct http_server *s, struct connection *all)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (int i = 0; fd >= 0 && i < CONNECTIONS; i++)
        if (all[i].fd < 0) {
            all[i] = (struct connection){.fd = fd, .in = malloc(REQUEST_MAX)};
            return;
        }
    if (fd >= 0)
        close(fd);
}

static void *run(void *arg)
{
    struct http_server *s = arg;
    struct connection all[CONNECTIONS];
    struct pollfd p[CONNECTIONS + 2];
    for (int i = 0; i < CONNECTIONS; i++)
        all[i] = (struct connection){.fd = -1};
    for (;;) {
        for (int i = 0; i < CONNECTIONS; i++)
            p[i] = (struct pollfd){all[i].fd, all[i].endless ? POLLOUT : POLLIN, 0};
        p[CONNECTIONS] = (struct pollfd){s->listener, POLLIN, 0};
        p[CONNECTIONS + 1] = (struct pollfd){s->wake[0], POLLIN, 0};
        poll(p, CONNECTIONS + 2, -1);
        if (p[CONNECTIONS + 1].revents)
            break;
        for (int i = 0; i < CONNECTIONS; i++)
            if (all[i].fd >= 0 && p[i].revents)
                all[i].endless ? pour(&all[i]) : receive(s, &all[i]);
        if (p[CONNECTIONS].revents)
            take(s, all);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        if (all[i].fd >= 0)
            drop(&all[i]);
    return NULL;
}

void http_server_start(struct http_server *s, enum server_act (*script)(struct http_server *, struct server_request *),
                       void *arg)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *s = (struct http_server){.script = script, .arg = arg};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(s->listener >= 0, "socket");
    must(bind(s->listener, (void *)&at, sizeof at) == 0, "bind");
    must(listen(s->listener, 64) == 0, "listen");
    must(getsockname(s->listener, (void *)&at, &size) == 0, "getsockname");
    s->port = ntohs(at.sin_port);
    must(pipe2(s->wake, O_CLOEXEC) == 0, "pipe");
    must(pthread_create(&s->thread, NULL, run, s) == 0, "pthread_create");
}

void http_server_stop(struct http_server *s)
{
    (void)!write(s->wake[1], "x", 1);
    pthread_join(s->thread, NULL);
    close(s->wake[0]);
    close(s->wake[1]);
    close(s->listener);
}
