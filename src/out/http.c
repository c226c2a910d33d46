#include "out/http.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"

/* Bounds on how long an answer of the DNS is believed. /etc/hosts has no time to live. */
#define TTL_LEAST (1 * SECOND)
#define TTL_MOST (5 * MINUTE)
#define TTL_HOSTS (30 * SECOND)

enum { UPLOAD_LEAST = 64 * 1024, BODY_FIRST = 4 * 1024 };

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

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http *h = arg;
    struct http_socket *s = scope_new(&h->sockets, sizeof *s, "connection");
    if (!s)
        return CURL_SOCKET_BAD;
    s->http = h;
    if (fd_socket(&s->fd, &s->scope, to->family, to->socktype, to->protocol) < 0) {
        scope_end(&s->scope);
        return CURL_SOCKET_BAD;
    }
    return s->fd.n;
}

static int close_socket(void *arg, curl_socket_t n)
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

static void time_came(struct timer *t)
{
    run_curl(container_of(t, struct http, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* ---- the end of a request ---- */

static void unqueue(struct http_request *r)
{
    if (!r->at)
        return;
    *r->at = r->next;
    if (r->next)
        r->next->at = r->at;
    r->next = NULL;
    r->at = NULL;
}

static void end_request(struct http_request *r)
{
    unqueue(r);
    scope_end(&r->scope);
}

static void finish(struct http_request *r, int status, const char *error)
{
    char why[CURL_ERROR_SIZE], *body = r->body;
    snprintf(why, sizeof why, "%s", error);
    struct http_answer a = {
        .status = status,
        .retry_after = r->retry_after,
        .body = body ? body : "",
        .body_len = r->body_len,
        .error = why,
        .took = clock_mono() - r->began,
    };
    r->body = NULL;
    end_request(r);
    r->done(r, &a);
    mem_free(body);
}

void http_cancel(struct http_request *r)
{
    if (!http_busy(r))
        return;
    mem_free(r->body);
    r->body = NULL;
    end_request(r);
}

static void deadline_came(struct timer *t)
{
    struct http_request *r = container_of(t, struct http_request, deadline);
    char why[120];
    snprintf(why, sizeof why, "no answer within %.1f s%s", (double)r->http->options.timeout / SECOND,
             r->easy ? "" : ": the name could not be resolved");
    finish(r, 0, why);
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
        if (code == CURLE_OK && status > 0)
            finish(r, (int)status, "");
        else
            finish(r, 0, r->too_much ? r->too_much : r->error[0] ? r->error : libcurl.easy_strerror(code));
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
        finish(r, 0, why);
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

/* ---- what arrives ---- */

static bool keep_body(struct http_request *r, size_t more)
{
    if (r->body_len + more < r->body_cap)
        return true;
    size_t cap = r->body_cap ? r->body_cap * 2 : BODY_FIRST;
    while (cap <= r->body_len + more)
        cap *= 2;
    char *body = r->body ? mem_resize(r->body, cap)
                         : mem_new(&r->http->scope, cap, "HTTP answer");
    if (!body)
        return false;
    r->body = body;
    r->body_cap = cap;
    return true;
}

static size_t body_came(char *data, size_t one, size_t n, void *arg)
{
    struct http_request *r = arg;
    r->body_seen += n;
    task_beat(&r->task);
    if (r->body_seen > HTTP_BODY_MAX) {
        r->too_much = "the answer's body is too large";
        return 0;
    }
    size_t keep = n < HTTP_BODY_KEPT - 1 - r->body_len ? n : HTTP_BODY_KEPT - 1 - r->body_len;
    if (keep && keep_body(r, keep)) {
        memcpy(r->body + r->body_len, data, keep);
        r->body_len += keep;
        r->body[r->body_len] = 0;
    }
    return n;
}

static size_t header_came(char *data, size_t one, size_t n, void *arg)
{
    static const char name[] = "retry-after:";
    struct http_request *r = arg;
    r->headers_seen += n;
    task_beat(&r->task);
    if (r->headers_seen > HTTP_HEADERS_MAX) {
        r->too_much = "the answer's headers are too large";
        return 0;
    }
    char value[64];
    size_t len = n - (sizeof name - 1);
    if (n >= sizeof name && len < sizeof value && strncasecmp(data, name, sizeof name - 1) == 0) {
        memcpy(value, data + sizeof name - 1, len);
        value[len] = 0;
        r->retry_after = http_retry_after(value, clock_real());
    }
    return n;
}

int64_t http_retry_after(const char *value, int64_t now)
{
    char *end;
    value += strspn(value, " \t");
    errno = 0;
    long long seconds = strtoll(value, &end, 10);
    if (end != value && end[strspn(end, " \t\r\n")] == 0 && errno == 0 && seconds >= 0)
        return seconds > 365 * 86400 ? 365 * 24 * HOUR : seconds * SECOND;
    time_t date = libcurl.getdate(value, NULL);
    if (date < 0)
        return -1;
    return date <= now / SECOND ? 0 : (date - now / SECOND) * SECOND;
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
    libcurl.multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)h->options.max_connections);
    libcurl.multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)h->options.max_connections);
    return 0;
}

/* It has a scope of its own, older than the requests, since it may have to be made again. */
static int multi_open(struct http *h)
{
    int r = thing_alive(&h->multi_scope.thing) ? 0 : scope_begin(&h->multi_scope, &h->scope, "curl");
    if (r == 0)
        r = multi_parts(h);
    if (r < 0)
        scope_end(&h->multi_scope);
    return r;
}

/* ---- the start of a request ---- */

static void easy_end(struct thing *t)
{
    struct http_request *r = container_of(t, struct http_request, handle);
    if (r->http->multi)
        libcurl.multi_remove_handle(r->http->multi, r->easy);
    libcurl.easy_cleanup(r->easy);
    libcurl.slist_free_all(r->headers);
    libcurl.slist_free_all(r->resolve);
    r->easy = NULL;
    r->headers = r->resolve = NULL;
}

static bool add_header(struct http_request *r, const char *name, const char *value)
{
    struct buf line;
    if (buf_begin(&line, &r->scope, "header", 64 * 1024) < 0)
        return false;
    /* "name;" is how libcurl is told to send a header without a value. */
    struct curl_slist *all = NULL;
    if (buf_printf(&line, value[0] ? "%s: %s" : "%s;", name, value) == 0)
        all = libcurl.slist_append(r->headers, line.data);
    buf_end(&line);
    if (all)
        r->headers = all;
    return all != NULL;
}

static bool set_headers(struct http_request *r)
{
    struct http *h = r->http;
    /* A server that does not know "Expect: 100-continue" costs a second for each large body. */
    r->headers = libcurl.slist_append(NULL, "Expect:");
    if (!r->headers)
        return false;
    for (unsigned i = 0; i < h->options.n_headers; i++)
        if (!add_header(r, h->options.headers[i].name, h->options.headers[i].value))
            return false;
    const char *token = secret_get(&h->token);
    if (!token) {
        r->too_much = "the bearer token's file cannot be read";
        return false;
    }
    if (token[0]) {
        struct buf bearer;
        if (buf_begin(&bearer, &r->scope, "token", 64 * 1024) < 0)
            return false;
        bool ok = buf_printf(&bearer, "Bearer %s", token) == 0 &&
                  add_header(r, "Authorization", bearer.data);
        buf_end(&bearer);
        return ok;
    }
    return true;
}

#define SET(option, value) (ok = ok && libcurl.easy_setopt(e, option, value) == CURLE_OK)
#define SET_TEXT(option, value) ((value)[0] ? SET(option, value) : ok)

static bool set_auth_and_tls(struct http_request *r)
{
    const struct http_options *o = &r->http->options;
    CURL *e = r->easy;
    bool ok = true;
    if (o->username[0]) {
        const char *password = secret_get(&r->http->password);
        if (!password) {
            r->too_much = "the password's file cannot be read";
            return false;
        }
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, o->username);
        SET(CURLOPT_PASSWORD, password);
    }
    SET_TEXT(CURLOPT_CAINFO, o->ca_file);
    if (o->ca_file[0]) /* it alone is trusted; and the system's would be read for each connection */
        SET(CURLOPT_CAPATH, NULL);
    SET_TEXT(CURLOPT_SSLCERT, o->cert_file);
    SET_TEXT(CURLOPT_SSLKEY, o->key_file);
    if (o->insecure_skip_verify) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return ok;
}

static bool set_transfer(struct http_request *r)
{
    struct http *h = r->http;
    CURL *e = r->easy;
    bool ok = true;
    SET(CURLOPT_URL, h->options.url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, h->options.user_agent);
    SET(CURLOPT_PROXY, h->target.proxy); /* "" also keeps libcurl from looking at the environment */
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_PRIVATE, r);
    SET(CURLOPT_ERRORBUFFER, r->error);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, h);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, h);
    SET(CURLOPT_WRITEFUNCTION, body_came);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_HEADERFUNCTION, header_came);
    SET(CURLOPT_HEADERDATA, r);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(h->options.connect_timeout / MILLISECOND));
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, r->data);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->size);
    SET(CURLOPT_HTTPHEADER, r->headers);
    if (r->resolve)
        SET(CURLOPT_RESOLVE, r->resolve);
    /* The default of 64 KiB costs 30 to 50 % on large bodies. */
    if (r->size > UPLOAD_LEAST)
        SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)(r->size < HTTP_UPLOAD_MAX ? r->size : HTTP_UPLOAD_MAX));
    return ok;
}

static bool set_resolve(struct http_request *r)
{
    struct http *h = r->http;
    if (h->target.literal)
        return true;
    char entry[sizeof h->addresses + 300];
    snprintf(entry, sizeof entry, "%.256s:%u:%s", h->target.connect_host, h->target.connect_port,
             h->addresses);
    r->resolve = libcurl.slist_append(NULL, entry);
    return r->resolve != NULL;
}

/* false: `too_much` may say why; what was made so far ends with the request. */
static bool transfer(struct http_request *r)
{
    struct http *h = r->http;
    if (!h->multi && multi_open(h) < 0)
        return false;
    if (thing_begin(&r->handle, &r->scope, BIRTH_HANDLE, "curl easy", 0, easy_end) < 0)
        return false;
    r->easy = libcurl.easy_init();
    return r->easy && set_headers(r) && set_resolve(r) && set_auth_and_tls(r) && set_transfer(r) &&
           libcurl.multi_add_handle(h->multi, r->easy) == CURLM_OK;
}

/* ---- names ---- */

static void enqueue(struct http *h, struct http_request *r)
{
    struct http_request **at = &h->waiting;
    while (*at)
        at = &(*at)->next;
    *at = r;
    r->at = at;
    r->next = NULL;
}

/* All that wait begin, or fail with what the lookup said. done() may queue more: those wait for the next. */
static void serve_waiting(struct http *h, const char *error)
{
    struct http_request *todo = h->waiting;
    h->waiting = NULL;
    if (todo)
        todo->at = &todo;
    while (todo) {
        struct http_request *r = todo;
        unqueue(r);
        if (error)
            finish(r, 0, error);
        else if (!transfer(r))
            finish(r, 0, r->too_much ? r->too_much : "out of memory or descriptors");
    }
}

static bool addresses_fresh(const struct http *h)
{
    return h->target.literal ||
           (h->addresses[0] && !h->resolve_anew && clock_mono() < h->addresses_until);
}

static void remember(struct http *h, const struct lookup *l)
{
    h->addresses[0] = 0;
    for (unsigned i = 0; i < l->n; i++) {
        strcat(h->addresses, i ? "," : "");
        strcat(h->addresses, l->address[i]);
    }
    int64_t ttl = l->ttl == 0 ? TTL_HOSTS : l->ttl < TTL_LEAST ? TTL_LEAST : l->ttl;
    h->addresses_until = clock_mono() + (ttl > TTL_MOST ? TTL_MOST : ttl);
    h->resolve_anew = false;
}

static void looked_up(struct lookup *l)
{
    struct http *h = container_of(l, struct http, lookup);
    char why[200];
    bool found = l->n > 0;
    if (found)
        remember(h, l);
    else
        snprintf(why, sizeof why, "cannot resolve %s: %s", h->target.connect_host, l->error);
    lookup_end(l);
    /* What was known before is better than nothing while the DNS is down. */
    serve_waiting(h, found || h->addresses[0] ? NULL : why);
}

static void begin_waiting(struct nudge *n)
{
    struct http *h = container_of(n, struct http, started);
    if (!h->waiting || thing_alive(&h->lookup.scope.thing))
        return;
    if (addresses_fresh(h)) {
        serve_waiting(h, NULL);
        return;
    }
    int r = lookup_begin(&h->lookup, &h->scope, h->loop, h->target.connect_host,
                         h->options.dns_servers, looked_up);
    if (r < 0)
        serve_waiting(h, strerror(-r));
}

int http_post(struct http_request *r, struct http *h, const struct task_kind *kind, const void *body,
              size_t size, void (*done)(struct http_request *, const struct http_answer *))
{
    assert(!http_busy(r));
    *r = (struct http_request){.http = h, .data = body, .size = size, .done = done};
    r->began = clock_mono();
    r->retry_after = -1;
    int e = scope_begin(&r->scope, &h->requests, "request");
    if (e < 0)
        return e;
    e = task_begin(&r->task, &r->scope, kind, h->target.host);
    if (e == 0)
        e = timer_begin(&r->deadline, &r->scope, h->loop, "deadline", deadline_came);
    if (e < 0) {
        scope_end(&r->scope);
        return e;
    }
    task_wait(&r->task);
    timer_set(&r->deadline, h->options.timeout);
    enqueue(h, r);
    nudge_set(&h->started);
    return 0;
}

/* ---- the client ---- */

static int begin_parts(struct http *h)
{
    int r = http_library_begin(&h->library, &h->scope);
    if (r == 0)
        r = http_target_find(&h->target, &h->scope, h->options.url, h->options.proxy);
    if (r == 0)
        r = scope_begin(&h->sockets, &h->scope, "connections");
    if (r == 0)
        r = timer_begin(&h->timer, &h->scope, h->loop, "curl", time_came);
    if (r == 0)
        r = nudge_begin(&h->started, &h->scope, h->loop, "requests", begin_waiting);
    if (r == 0)
        r = multi_open(h);
    if (r == 0)
        r = scope_begin(&h->requests, &h->scope, "requests");
    return r;
}

int http_begin(struct http *h, struct scope *owner, struct loop *loop, const struct http_options *options)
{
    *h = (struct http){.loop = loop, .options = *options};
    int r = scope_begin(&h->scope, owner, "http");
    if (r < 0)
        return r;
    secret_begin(&h->password, &h->scope, options->password, options->password_file);
    secret_begin(&h->token, &h->scope, options->bearer_token, options->bearer_token_file);
    r = begin_parts(h);
    if (r < 0)
        scope_end(&h->scope);
    return r;
}

void http_end(struct http *h)
{
    if (!thing_alive(&h->scope.thing))
        return;
    /* Requests first: the queue of those that wait runs through them. */
    while (h->waiting)
        unqueue(h->waiting);
    secret_end(&h->password);
    secret_end(&h->token);
    scope_end(&h->scope);
}
