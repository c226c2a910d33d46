#include "out/stdout.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "out/entry.h"

enum { CHUNK = 64 << 10, BUFFER_LIMIT = 16 << 20 };

struct out {
    struct scope scope;
    struct sink *sink;
    struct fd own; /* our own description of descriptor 1, if it could be had */
    int fd, flags; /* flags: what descriptor 1 had before O_NONBLOCK; -1: not changed */
    struct watch writable;
    bool watched, full, gone;
    struct timer give_up, again;
    struct buf buf;
    size_t written; /* of buf */
    struct lease *head, **tail;
    uint32_t next; /* the head's first mark that is not in buf */
    bool head_begun;
};

static struct lease *lease_after(struct lease *l)
{
    return l->context;
}

static void pop(struct out *o)
{
    struct lease *l = o->head;
    o->head = lease_after(l);
    if (!o->head)
        o->tail = &o->head;
    o->head_begun = false;
}

static void encode_some(struct out *o)
{
    struct lease *l = o->head;
    const bool json = o->sink->config->stdout_.format == FORMAT_JSON;
    if (!o->head_begun) {
        o->head_begun = true;
        o->next = l->first;
    }
    for (uint32_t end; o->buf.len < CHUNK && lease_next(l, &o->next, &end); o->next = end) {
        int r = json ? entry_json(&o->buf, l->batch, o->next, end)
                     : entry_text(&o->buf, l->batch, o->next, end);
        if (r < 0 && o->buf.len == 0) {
            timer_set(&o->again, SECOND); /* no memory: later */
            return;
        }
        if (r < 0)
            return; /* what is there goes out first */
    }
}

static bool head_is_encoded(struct out *o)
{
    uint32_t end;
    return o->head_begun && !lease_next(o->head, &o->next, &end);
}

static void fail(struct out *o, int err)
{
    struct sink *s = o->sink;
    atomic_fetch_add(&s->stats.request_errors, 1);
    o->gone = err == EPIPE || err == EBADF;
    if (o->gone && s->config->stdout_.ends_process) {
        kill(getpid(), SIGTERM);
        return;
    }
    if (!atomic_exchange(&s->stats.failing, true))
        log_error(s->name, "cannot write to standard output: %s", strerror(err));
    sink_set_error(s, "%s", strerror(err));
    if (!o->gone)
        timer_set(&o->again, SECOND);
}

static void wait_until_writable(struct out *o)
{
    o->full = true;
    if (!o->watched || watch_set(&o->writable, EPOLLOUT) < 0)
        timer_set(&o->again, 50 * MILLISECOND);
}

/* false: no more can be written now. */
static bool write_some(struct out *o)
{
    struct sink *s = o->sink;
    while (o->written < o->buf.len) {
        ssize_t r = fd_write(o->fd, o->buf.data + o->written, o->buf.len - o->written);
        if (r == -EAGAIN)
            wait_until_writable(o);
        else if (r < 0)
            fail(o, (int)-r);
        if (r < 0)
            return false;
        o->written += (size_t)r;
        atomic_fetch_add(&s->stats.bytes_out, (uint64_t)r);
    }
    buf_clear(&o->buf);
    o->written = 0;
    atomic_fetch_add(&s->stats.requests, 1);
    atomic_store(&s->stats.last_success, clock_real());
    if (atomic_exchange(&s->stats.failing, false))
        sink_set_error(s, "%s", "");
    return true;
}

static void pump(struct out *o)
{
    if (o->gone || o->full)
        return;
    while (o->head) {
        encode_some(o);
        if (o->buf.len == 0 && !head_is_encoded(o))
            return;
        if (!write_some(o))
            return;
        if (head_is_encoded(o)) {
            struct lease *l = o->head;
            pop(o);
            atomic_fetch_add(&o->sink->stats.records_out, lease_amount(l).records);
            lease_secured(l, NULL);
        }
    }
    if (o->sink->stopping)
        timer_set(&o->give_up, 0);
}

static void on_writable(struct watch *w, uint32_t events)
{
    struct out *o = container_of(w, struct out, writable);
    watch_set(w, 0);
    o->full = false;
    pump(o);
    /* A hang-up is reported whether asked for or not; nothing more will ever be ready. */
    if (events & EPOLLERR && !o->gone && o->head)
        fail(o, EPIPE);
    if (events & EPOLLERR) {
        watch_end(w);
        o->watched = false;
    }
}

static void on_again(struct timer *t)
{
    struct out *o = container_of(t, struct out, again);
    o->full = false;
    pump(o);
}

static void on_give_up(struct timer *t)
{
    struct out *o = container_of(t, struct out, give_up);
    while (o->head) {
        struct lease *l = o->head;
        pop(o);
        lease_returned(l);
    }
    if (o->flags >= 0)
        fcntl(STDOUT_FILENO, F_SETFL, o->flags);
    sink_drained(o->sink);
}

/* A descriptor that never blocks and is watched, if there is such a thing for what standard output
 * is. */
static int open_output(struct out *o)
{
    struct stat st;
    o->fd = STDOUT_FILENO;
    o->flags = -1;
    if (fstat(STDOUT_FILENO, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode))
        return 0;
    if ((S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) &&
        fd_open(&o->own, &o->scope, "/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY, 0) == 0) {
        o->fd = o->own.n;
    } else {
        o->flags = fcntl(STDOUT_FILENO, F_GETFL);
        if (o->flags < 0 || fcntl(STDOUT_FILENO, F_SETFL, o->flags | O_NONBLOCK) < 0)
            return -errno;
    }
    o->watched = watch_begin(&o->writable, &o->scope, &o->sink->loop, o->fd, 0, on_writable) == 0;
    return 0; /* what cannot be watched (/dev/null) is always ready, or is tried again by the timer
               */
}

static int stdout_start(struct sink *s)
{
    struct out *o = scope_new(&s->thread.scope, sizeof *o, "stdout");
    if (!o)
        return -errno;
    o->sink = s;
    o->tail = &o->head;
    o->own.n = -1;
    int r = buf_begin(&o->buf, &o->scope, "stdout", BUFFER_LIMIT);
    if (r == 0)
        r = timer_begin(&o->again, &o->scope, &s->loop, "stdout again", on_again);
    if (r == 0)
        r = timer_begin(&o->give_up, &o->scope, &s->loop, "stdout give up", on_give_up);
    if (r < 0) {
        scope_end(&o->scope);
        return r;
    }
    s->state = o;
    r = open_output(o);
    if (r < 0)
        fail(o, -r);
    return 0;
}

static void stdout_take(struct sink *s, struct lease *l)
{
    struct out *o = s->state;
    bool idle = o->head == NULL;
    l->context = NULL;
    *o->tail = l;
    o->tail = (struct lease **)&l->context;
    if (idle)
        pump(o);
}

static void stdout_stop(struct sink *s, int64_t deadline)
{
    struct out *o = s->state;
    int64_t left = deadline - clock_mono();
    timer_set(&o->give_up, o->head && !o->gone && left > 0 ? left : 0);
}

const struct sink_type stdout_sink = {
    .name = "stdout",
    .start = stdout_start,
    .take = stdout_take,
    .stop = stdout_stop,
};
