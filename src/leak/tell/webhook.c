#include "leak/tell/webhook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static const struct task_kind post_kind = {.name = "webhook_post", .max_age = 5 * MINUTE};
static const struct http_header headers[] = {{"Content-Type", "application/json"}};

static void send_first(struct webhook *w);

static void drop_at(struct webhook *w, unsigned i)
{
    mem_free(w->waiting[i]);
    w->n--;
    memmove(w->waiting + i, w->waiting + i + 1, (w->n - i) * sizeof *w->waiting);
}

static void settled(struct webhook *w)
{
    drop_at(w, 0);
    w->tries = 0;
    w->backoff = SECOND;
    send_first(w);
}

/* The host alone: the rest of the address may be a secret. */
static const char *where(const struct webhook *w)
{
    return w->http.target.host;
}

static void try_again(struct webhook *w, int64_t retry_after, const char *why)
{
    atomic_fetch_add(&w->failed, 1);
    if (++w->tries >= WEBHOOK_TRIES) {
        atomic_fetch_add(&w->dropped, 1);
        log_error("leaks", "the webhook at %s took an alert in none of %d tries: %s; the alert is given up", where(w), WEBHOOK_TRIES, why);
        settled(w);
        return;
    }
    if (w->tries == 1)
        log_warn("leaks", "the webhook at %s did not take an alert: %s; it is tried again", where(w), why);
    int64_t jitter = (int64_t)((uint64_t)clock_mono() % (uint64_t)(w->backoff / 5 + 1));
    int64_t wait = retry_after > w->backoff ? retry_after : w->backoff + jitter;
    timer_set(&w->retry, wait < WEBHOOK_BACKOFF_MAX ? wait : WEBHOOK_BACKOFF_MAX);
    w->backoff = w->backoff * 2 < WEBHOOK_BACKOFF_MAX ? w->backoff * 2 : WEBHOOK_BACKOFF_MAX;
}

static void done(struct http_request *r, const struct http_answer *a)
{
    struct webhook *w = container_of(r, struct webhook, request);
    char why[64];
    snprintf(why, sizeof why, "HTTP %d", a->status);
    if (a->status >= 200 && a->status < 300) {
        atomic_fetch_add(&w->delivered, 1);
        settled(w);
    } else if (a->status >= 400 && a->status < 500 && a->status != 408 && a->status != 429) {
        atomic_fetch_add(&w->failed, 1);
        atomic_fetch_add(&w->dropped, 1);
        log_error("leaks", "the webhook at %s refuses alerts: %s %.200s", where(w), why, a->body ? a->body : "");
        settled(w);
    } else {
        try_again(w, a->retry_after, a->status ? why : a->error);
    }
}

static void send_first(struct webhook *w)
{
    if (!w->n || http_busy(&w->request) || timer_is_set(&w->retry))
        return;
    int r = http_post(&w->request, &w->http, &post_kind, w->waiting[0], strlen(w->waiting[0]), done);
    if (r < 0)
        try_again(w, -1, strerror(-r));
}

static void retry(struct timer *t)
{
    send_first(container_of(t, struct webhook, retry));
}

void webhook_post(struct webhook *w, const char *body, size_t size)
{
    char *copy = mem_new(&w->scope, size + 1, "alert");
    if (!copy) {
        atomic_fetch_add(&w->dropped, 1);
        return;
    }
    memcpy(copy, body, size);
    if (w->n == WEBHOOK_WAITING) { /* not the first: it is on its way */
        drop_at(w, 1);
        atomic_fetch_add(&w->dropped, 1);
        log_warn("leaks", "%d alerts wait for the webhook at %s: the oldest is dropped", WEBHOOK_WAITING, where(w));
    }
    w->waiting[w->n++] = copy;
    send_first(w);
}

int webhook_begin(struct webhook *w, struct scope *owner, struct loop *loop, const char *url)
{
    struct http_options options = { .user_agent = "logcap/" LOGCAP_VERSION, .headers = headers, .n_headers = 1,
        .username = "", .password = "", .password_file = "", .bearer_token = "", .bearer_token_file = "",
        .ca_file = "", .cert_file = "", .key_file = "", .proxy = "", .dns_servers = "",
        .timeout = WEBHOOK_TIMEOUT, .connect_timeout = WEBHOOK_TIMEOUT / 2, .max_connections = 1,
    };
    memset(w, 0, sizeof *w);
    w->backoff = SECOND;
    int r = scope_begin(&w->scope, owner, "webhook");
    if (r == 0 && !(options.url = scope_strdup(&w->scope, url)))
        r = -ENOMEM;
    if (r == 0)
        r = http_begin(&w->http, &w->scope, loop, &options);
    if (r == 0)
        r = timer_begin(&w->retry, &w->scope, loop, "webhook", retry);
    if (r < 0)
        scope_end(&w->scope);
    return r;
}

void webhook_end(struct webhook *w)
{
    if (thing_alive(&w->scope.thing))
        http_cancel(&w->request);
    scope_end(&w->scope);
}
