#include "net/http.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "net/http_internal.h"

/* Bounds on how long an answer of the DNS is believed. /etc/hosts has no time to live. */
#define TTL_LEAST (1 * SECOND)
#define TTL_MOST (5 * MINUTE)
#define TTL_HOSTS (30 * SECOND)

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

void http_finish(struct http_request *r, int status, const char *error)
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
    http_finish(r, 0, r->too_much ? r->too_much : why);
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
            http_finish(r, 0, error);
        else if (!http_transfer_begin(r))
            http_finish(r, 0, r->too_much ? r->too_much : "out of memory or descriptors");
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

static int begin_request(struct http_request *r, struct http *h, const struct task_kind *kind, const char *name)
{
    r->http = h;
    r->began = clock_mono();
    r->retry_after = -1;
    int e = scope_begin(&r->scope, &h->requests, "request");
    if (e < 0)
        return e;
    e = task_begin(&r->task, &r->scope, kind, name);
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

int http_post(struct http_request *r, struct http *h, const struct task_kind *kind, const void *body,
              size_t size, void (*done)(struct http_request *, const struct http_answer *))
{
    assert(!http_busy(r));
    *r = (struct http_request){.data = body, .size = size, .body_kept = HTTP_BODY_KEPT - 1, .body_most = HTTP_BODY_MAX,
                               .done = done};
    return begin_request(r, h, kind, h->target.host);
}

static int begin_get(struct http_request *r, struct http *h, const struct task_kind *kind, const char *name, const char *path)
{
    r->get = true;
    int e = begin_request(r, h, kind, name);
    if (e < 0)
        return e;
    r->path = scope_strdup(&r->scope, path);
    if (!r->path)
        http_cancel(r);
    return r->path ? 0 : -ENOMEM;
}

int http_get(struct http_request *r, struct http *h, const struct task_kind *kind, const char *name, const char *path, size_t most,
             void (*done)(struct http_request *, const struct http_answer *))
{
    assert(!http_busy(r));
    *r = (struct http_request){.body_kept = most, .body_most = most, .done = done};
    return begin_get(r, h, kind, name, path);
}

int http_follow(struct http_request *r, struct http *h, const struct task_kind *kind, const char *name, const char *path,
                enum http_piece (*piece)(struct http_request *, const char *, size_t),
                void (*done)(struct http_request *, const struct http_answer *))
{
    assert(!http_busy(r));
    *r = (struct http_request){.piece = piece, .body_kept = HTTP_BODY_KEPT - 1, .body_most = HTTP_BODY_MAX, .done = done};
    return begin_get(r, h, kind, name, path);
}

void http_be_patient(struct http_request *r)
{
    timer_clear(&r->deadline);
}

/*
 * What libcurl kept of a transfer that waits it hands over from within, and when that fails it drops it, says so here alone
 * and lets the transfer stand (7.88, curl_easy_pause()). It is over then; its deadline says so, from the loop.
 */
void http_resume(struct http_request *r)
{
    if (!http_busy(r) || !r->waits)
        return;
    r->waits = false;
    CURLcode code = libcurl.easy_pause(r->easy, CURLPAUSE_CONT);
    if (code == CURLE_OK)
        return;
    if (!r->too_much)
        r->too_much = libcurl.easy_strerror(code);
    timer_set(&r->deadline, 0);
}

void http_disconnect(struct http *h)
{
    assert(!h->requests.newest);
    scope_end(&h->multi_scope);
}

/* ---- the client ---- */

/* What listens on a path of this machine has no name to look up, and no proxy before it. */
static int find_target(struct http *h)
{
    if (!h->options.unix_socket)
        return http_target_find(&h->target, &h->scope, h->options.url, h->options.proxy);
    h->target = (struct http_target){.host = h->options.unix_socket, .proxy = "", .connect_host = "", .literal = true};
    return 0;
}

static int begin_parts(struct http *h)
{
    int r = http_library_begin(&h->library, &h->scope);
    if (r == 0)
        r = find_target(h);
    if (r == 0)
        r = scope_begin(&h->sockets, &h->scope, "connections");
    if (r == 0)
        r = timer_begin(&h->timer, &h->scope, h->loop, "curl", http_time_came);
    if (r == 0)
        r = nudge_begin(&h->started, &h->scope, h->loop, "requests", begin_waiting);
    if (r == 0)
        r = http_multi_open(h);
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
