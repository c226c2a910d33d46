#include "web/pprof.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "codec/doc.h"
#include "web/query.h"

static const char top[] = "/debug/pprof/";

enum { CPU_SECONDS = 30, STACKS_MOST = 1000, FAILURE_TEXT = 200 };

/* One answer being made. Its thread writes `out` and `result`; the loop reads them once `done` has been set. */
struct explainer {
    struct scope scope; /* under the request's, which ends it if the client is gone */
    struct explainers *all;
    struct request *request;
    const char *name;
    int (*make)(const struct explain_ask *ask, struct scope *scope, struct buf *out, int cancel);
    struct explain_ask ask;
    struct thread thread;
    struct nudge done;
    struct fd cancel;
    struct buf out;
    int result;
    bool is_done;
    size_t sent;
};

static void explain(struct thread *t)
{
    struct explainer *e = t->arg;
    task_wait(&t->task); /* as long as was asked for: it does not hang */
    e->result = e->make(&e->ask, &t->scope, &e->out, e->cancel.n);
    nudge_set(&e->done);
}

static void stop(struct thread *t)
{
    struct explainer *e = t->arg;
    uint64_t one = 1;
    (void)fd_write(e->cancel.n, &one, sizeof one);
}

/* The answer's head is sent already. */
static void say_failure(struct explainer *e)
{
    char text[FAILURE_TEXT];
    struct doc d = {.out = &e->out};
    snprintf(text, sizeof text, "%s cannot be told: %s", e->name, strerror(-e->result));
    if (strcmp(e->request->content_type, "application/json") != 0) {
        buf_printf(&e->out, "%s\n", text);
        return;
    }
    doc_object(&d, NULL);
    doc_string(&d, "error", text);
    doc_object_end(&d);
}

static void explained(struct nudge *n)
{
    struct explainer *e = container_of(n, struct explainer, done);
    if (e->result < 0) {
        buf_clear(&e->out);
        say_failure(e);
    }
    e->is_done = true;
    request_wake(e->request);
}

static ssize_t give(struct request *q, char *data, size_t max)
{
    struct explainer *e = q->arg;
    if (!e->is_done)
        return 0;
    size_t n = e->out.len - e->sent;
    if (n == 0)
        return -1;
    if (n > max)
        n = max;
    memcpy(data, e->out.data + e->sent, n);
    e->sent += n;
    return (ssize_t)n;
}

static void over(struct request *q)
{
    struct explainer *e = q->arg;
    e->all->n--;
}

static int begin(struct explainer *e, struct request *q)
{
    int r = fd_event(&e->cancel, &e->scope, "cancel");
    if (r == 0)
        r = buf_begin(&e->out, &e->scope, "explained", SERVER_REPLY_BYTES);
    if (r == 0)
        r = nudge_begin(&e->done, &e->scope, e->all->loop, "explained", explained);
    if (r == 0)
        r = thread_begin(&e->thread, &e->scope, "explain", explain, stop, e);
    return r;
}

void explainers_start(struct explainers *x, struct request *q, const char *name,
                      int (*make)(const struct explain_ask *ask, struct scope *scope, struct buf *out, int cancel),
                      const struct explain_ask *ask)
{
    if (x->n == EXPLAINERS_MAX) {
        q->retry_after = 1;
        request_fail(q, 503, "%d such requests are being answered already", EXPLAINERS_MAX);
        return;
    }
    struct explainer *e = scope_new(&q->scope, sizeof *e, "explainer");
    if (!e) {
        request_fail(q, 503, "no memory for this now");
        return;
    }
    e->all = x;
    e->request = q;
    e->name = name;
    e->make = make;
    e->ask = *ask;
    int r = begin(e, q);
    if (r < 0) {
        scope_end(&e->scope);
        request_fail(q, 503, "this cannot be told now: %s", strerror(-r));
        return;
    }
    x->n++;
    q->arg = e;
    q->more = give;
    q->over = over;
}

static void write_index(struct request *q)
{
    q->content_type = "text/plain; charset=utf-8";
    buf_puts(&q->out, "Profiles of this process\n\n");
    for (int i = 0; i < EXPLAINED; i++)
        buf_printf(&q->out, "%s%-14s %s\n", top, explain_name((enum explain_what)i), explain_says((enum explain_what)i));
    buf_puts(&q->out,
             "\n?debug=1   text: equal stacks grouped, the most first\n"
             "?debug=2   of goroutine: each by itself, the oldest first\n"
             "?seconds=N what grew in N seconds\n"
             "?format=json|text&most=N   groups, the oldest first\n\n"
             "go tool pprof http://HOST:PORT/debug/pprof/NAME\n");
}

static bool read_ask(struct request *q, struct explain_ask *ask)
{
    uint64_t debug = 0, seconds = ask->what == EXPLAIN_CPU ? CPU_SECONDS : 0, most = 0;
    const char *format = request_arg(q, "format");
    if (!request_number(q, "debug", 0, 2, &debug) || !request_number(q, "seconds", 0, PPROF_SECONDS_MAX, &seconds) ||
        !request_number(q, "most", 0, UINT32_MAX, &most))
        return false;
    ask->form = debug == 0 ? EXPLAIN_PPROF : debug == 1 ? EXPLAIN_TEXT : EXPLAIN_EACH;
    ask->span = (int64_t)seconds * SECOND;
    ask->most = most ? most : STACKS_MOST;
    if (format && strcmp(format, "json") == 0)
        ask->form = EXPLAIN_JSON;
    else if (format && strcmp(format, "text") == 0)
        ask->form = EXPLAIN_PLAIN;
    if (ask->what == EXPLAIN_CPU && ask->span == 0)
        ask->span = CPU_SECONDS * SECOND;
    return true;
}

void explainers_answer(struct explainers *x, struct request *q)
{
    struct explain_ask ask = {0};
    const char *name = q->path + strlen(top);
    if (!*name) {
        write_index(q);
        return;
    }
    if (!explain_find(name, &ask.what)) {
        request_fail(q, 404, "no such profile: %s; GET %s lists them", name, top);
        return;
    }
    if ((ask.what == EXPLAIN_HEAP || ask.what == EXPLAIN_ALLOCS) && !explain_has_heap()) {
        request_fail(q, 501, "this build's allocator takes no samples, so there is no %s profile; blocks is there", name);
        return;
    }
    if (!read_ask(q, &ask))
        return;
    q->content_type = ask.form == EXPLAIN_JSON    ? "application/json"
                      : ask.form == EXPLAIN_PPROF ? "application/octet-stream"
                                                  : "text/plain; charset=utf-8";
    if (ask.form == EXPLAIN_PPROF)
        q->disposition = ask.what == EXPLAIN_CPU ? "attachment; filename=\"profile\"" : "attachment; filename=\"profile.pb.gz\"";
    explainers_start(x, q, explain_name(ask.what), explain_write, &ask);
}
