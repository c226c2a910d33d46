/*
 * webhook: posts alerts to one address, one after the other, until it takes them.
 *
 * Retried after 1 s, twice as long each time up to WEBHOOK_BACKOFF_MAX with a fifth of jitter, or as the server's Retry-After says,
 * WEBHOOK_TRIES times at all; what is refused for good (4xx but 408 and 429) is given up at once. At most WEBHOOK_WAITING wait, then the
 * oldest of them goes. All of that is said in the log and counted. A server that hangs holds up nothing but its own alerts:
 * the client (net/http.h) is asynchronous and has a deadline.
 *
 * Thread: the loop's. The counters: any.
 */
#pragma once

#include "net/http.h"

enum { WEBHOOK_WAITING = 32, WEBHOOK_TRIES = 20, WEBHOOK_BODY = 256 * 1024 };
#define WEBHOOK_TIMEOUT (10 * SECOND)
#define WEBHOOK_BACKOFF_MAX MINUTE

struct webhook {
    struct scope scope;
    struct http http;
    struct http_request request;
    struct timer retry;
    char *waiting[WEBHOOK_WAITING]; /* oldest first; the first is under way or waits for its retry */
    unsigned n, tries;
    int64_t backoff;
    _Atomic uint64_t delivered, failed /* tries */, dropped;
};

/* 0 or -errno (-EINVAL: the url). */
int webhook_begin(struct webhook *w, struct scope *owner, struct loop *loop, const char *url);
void webhook_end(struct webhook *w); /* nothing when not alive; what waits is dropped */
void webhook_post(struct webhook *w, const char *body, size_t size);
