#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/http_internal.h"

/* ---- sockets: one object each, found again by curl's assigned pointer or by number ---- */

struct http_socket {
    struct scope scope;
    struct http *http;
    struct fd fd;
    struct watch watch;
    struct http_socket *next;
};

static void run_curl(struct http *h, curl_socket_t n, int events);

static struct http_socket *socket_find(struct http *h, curl_socket_t n)
{
    for (struct thing *t = h->sockets.newest; t; t = t->older) {
        struct http_socket *s = container_of(t, struct http_socket, scope.thing);
        if (s->fd.n == n)
            return s;
    }
    return NULL;
}

curl_socket_t http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http *h = arg;
    struct http_socket *s = scope_new(&h->sockets, sizeof *s, "connection");
    if (!s)
        return CURL_SOCKET_BAD;
    s->http = h;
    h->no_socket = fd_socket(&s->fd, &s->scope, to->family, to->socktype, to->protocol);
    if (h->no_socket < 0) {
        scope_end(&s->scope);
        return CURL_SOCKET_BAD;
    }
    return s->fd.n;
}

int http_close_socket(void *arg, curl_socket_t n)
{
    struct http_socket *s = socket_find(arg, n);
    if (s)
        scope_end(&s->scope);
    return 0;
}

static void socket_ready(struct watch *w, uint32_t events)
{
    struct http_socket *s = container_of(w, struct http_socket, watch);
    run_curl(s->http, s->fd.n,
             (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                 (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static int socket_wants(CURL *easy, curl_socket_t n, int what, void *arg, void *assigned)
{
    struct http *h = arg;
    struct http_socket *s = socket_find(h, n);
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (!s)
        return 0;
    if (what == CURL_POLL_REMOVE) {
        watch_end(&s->watch);
        return 0;
    }
    int r = thing_alive(&s->watch.thing)
                ? watch_set(&s->watch, events)
                : watch_begin(&s->watch, &s->scope, h->loop, n, events, socket_ready);
    /* -1 would make libcurl fail every transfer of the handle: the request's deadline ends this one. */
    if (r < 0)
        log_warn("http", "cannot watch a connection: %s", strerror(-r));
    return 0;
}

static int timer_wants(CURLM *multi, long ms, void *arg)
{
    struct http *h = arg;
    if (ms < 0)
        timer_clear(&h->timer);
    else
        timer_set(&h->timer, ms * MILLISECOND);
    return 0;
}

void http_time_came(struct timer *t)
{
    run_curl(container_of(t, struct http, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* ---- what became of its transfers ---- */

/* libcurl says of a socket that cannot be opened only that it could not connect. */
static const char *why_failed(const struct http *h, const struct http_request *r, CURLcode code)
{
    if (r->too_much)
        return r->too_much;
    if (code == CURLE_COULDNT_CONNECT && h->no_socket < 0)
        return strerror(-h->no_socket);
    return r->error[0] ? r->error : libcurl.easy_strerror(code);
}

/* Whatever the answer, the addresses are asked for again after a failed connection. */
static void check_done(struct http *h)
{
    int left;
    for (CURLMsg *m; (m = libcurl.multi_info_read(h->multi, &left));) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        struct http_request *r = NULL;
        long status = 0;
        libcurl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r);
        libcurl.easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT)
            h->resolve_anew = true;
        if (code == CURLE_OK && status > 0 && !r->too_much)
            http_finish(r, (int)status, "");
        else
            http_finish(r, 0, why_failed(h, r, code));
    }
}

static struct http_request *find_transfer(struct http *h)
{
    for (struct thing *t = h->requests.newest; t; t = t->older) {
        struct http_request *r = container_of(t, struct http_request, scope.thing);
        if (r->easy)
            return r;
    }
    return NULL;
}

/*
 * libcurl ran out of memory between two steps and left its tables half-done: going on with them divides by zero
 * (7.88, singlesocket()). Its multi handle is thrown away with all its transfers; the next request makes another.
 */
static void give_up_multi(struct http *h, const char *why)
{
    scope_end(&h->multi_scope);
    for (struct http_request *r; (r = find_transfer(h));)
        http_finish(r, 0, why);
}

static void run_curl(struct http *h, curl_socket_t n, int events)
{
    int running;
    if (!h->multi)
        return;
    CURLMcode code = libcurl.multi_socket_action(h->multi, n, events, &running);
    if (code == CURLM_OK)
        check_done(h);
    else
        give_up_multi(h, libcurl.multi_strerror(code));
}

/* ---- the multi handle ---- */

static void multi_end(struct thing *t)
{
    struct http *h = container_of(t, struct http, handle);
    for (struct thing *i = h->requests.newest; i; i = i->older) {
        struct http_request *r = container_of(i, struct http_request, scope.thing);
        if (r->easy)
            libcurl.multi_remove_handle(h->multi, r->easy);
    }
    libcurl.multi_cleanup(h->multi);
    h->multi = NULL;
    timer_clear(&h->timer);
}

static void set_connections(struct http *h)
{
    libcurl.multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)h->options.max_connections);
    libcurl.multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)h->options.max_connections);
}

static int multi_parts(struct http *h)
{
    int r = fd_expect_begin(&h->wake, &h->multi_scope, "curl wake");
    if (r == 0)
        r = thing_begin(&h->handle, &h->multi_scope, BIRTH_HANDLE, "curl multi", 0, multi_end);
    if (r < 0)
        return r;
    h->multi = libcurl.multi_init();
    fd_expect_end(&h->wake);
    if (!h->multi) {
        thing_unborn(&h->handle);
        return -ENOMEM;
    }
    libcurl.multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, socket_wants);
    libcurl.multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    libcurl.multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, timer_wants);
    libcurl.multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    set_connections(h);
    return 0;
}

/* It has a scope of its own, older than the requests, since it may have to be made again. */
int http_multi_open(struct http *h)
{
    if (h->multi)
        return 0;
    int r = thing_alive(&h->multi_scope.thing) ? 0 : scope_begin(&h->multi_scope, &h->scope, "curl");
    if (r == 0)
        r = multi_parts(h);
    if (r < 0)
        scope_end(&h->multi_scope);
    return r;
}

void http_set_max_connections(struct http *h, unsigned n)
{
    h->options.max_connections = n;
    if (h->multi)
        set_connections(h);
}
