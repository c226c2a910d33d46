/*
 * httpsink: a Loki that costs little: bench/httpsink [--count] [--trace]
 *
 * Listens on a free port of 127.0.0.1 and answers each POST with 204. Prints, one a line, flushed:
 *   port N                                   once
 *   request NS BYTES ENTRIES                 each, with --trace; NS: CLOCK_REALTIME at its last byte
 *   totals REQUESTS BYTES ENTRIES RAW        on SIGUSR1, and at the end by SIGTERM
 * ENTRIES and RAW (bytes of protobuf, before compression) are 0 without --count. BYTES are those of the bodies.
 *
 * With --count it undoes snappy (libsnappy) and counts the entries of the protobuf; a body that is neither ends it
 * with 1, so that nobody is quick by sending rubbish. One thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <snappy-c.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { HEAD_MOST = 16 * 1024, BODY_MOST = 64 << 20, CONNECTIONS = 1024 };

struct connection {
    char *data;
    size_t have, cap;
};

static struct connection connections[CONNECTIONS]; /* by descriptor */
static struct {
    bool count, trace;
    unsigned long long requests, bytes, entries, raw;
} sink;

static void die(const char *what)
{
    fprintf(stderr, "httpsink: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void rubbish(const char *why)
{
    fprintf(stderr, "httpsink: a body is no push request: %s\n", why);
    exit(1);
}

static uint64_t varint(const unsigned char **p, const unsigned char *end)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (*p == end)
            break;
        unsigned char c = *(*p)++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return v;
    }
    rubbish("a number has no end");
    return 0;
}

/* The next field, all of which have a length here; its contents are [*p, *p + result). */
static size_t field(const unsigned char **p, const unsigned char *end, unsigned char *tag)
{
    *tag = *(*p)++;
    if ((*tag & 7) != 2)
        rubbish("a field of another type");
    uint64_t n = varint(p, end);
    if (n > (size_t)(end - *p))
        rubbish("a field ends behind its message");
    return n;
}

static uint64_t entries_in(const unsigned char *p, const unsigned char *end)
{
    uint64_t entries = 0;
    unsigned char tag;
    while (p < end) {
        size_t n = field(&p, end, &tag);
        for (const unsigned char *stream_end = p + n; p < stream_end; p += n) {
            n = field(&p, stream_end, &tag);
            entries += tag == 0x12;
        }
    }
    return entries;
}

static uint64_t count(const char *body, size_t n)
{
    static char *raw;
    static size_t cap;
    size_t size;
    if (snappy_uncompressed_length(body, n, &size) != SNAPPY_OK || size > BODY_MOST)
        rubbish("not snappy");
    if (size > cap && !(raw = realloc(raw, cap = size)))
        die("memory");
    if (snappy_uncompress(body, n, raw, &size) != SNAPPY_OK)
        rubbish("broken snappy");
    sink.raw += size;
    return entries_in((unsigned char *)raw, (unsigned char *)raw + size);
}

static void print_totals(void)
{
    printf("totals %llu %llu %llu %llu\n", sink.requests, sink.bytes, sink.entries, sink.raw);
    fflush(stdout);
}

static void took(const char *body, size_t n)
{
    int64_t now = clock_real();
    uint64_t entries = sink.count ? count(body, n) : 0;
    sink.requests++;
    sink.bytes += n;
    sink.entries += entries;
    if (sink.trace) {
        printf("request %lld %zu %llu\n", (long long)now, n, (unsigned long long)entries);
        fflush(stdout);
    }
}

static void hang_up(int n)
{
    free(connections[n].data);
    connections[n] = (struct connection){0};
    close(n);
}

/* Bytes of the request at the front, header included; 0: the header is not whole. */
static size_t request_size(const struct connection *c, size_t *head)
{
    static const char length[] = "\r\nContent-Length:";
    const char *end = memmem(c->data, c->have, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *head = (size_t)(end - c->data) + 4;
    for (const char *p = c->data; p < end; p++)
        if (*p == '\r' && strncasecmp(p, length, sizeof length - 1) == 0)
            return *head + strtoull(p + sizeof length - 1, NULL, 10);
    return *head;
}

static bool answer(int n, struct connection *c)
{
    static const char text[] = "HTTP/1.1 204 No Content\r\n\r\n";
    size_t head, size;
    while ((size = request_size(c, &head)) && c->have >= size) {
        took(c->data + head, size - head);
        memmove(c->data, c->data + size, c->have -= size);
        if (send(n, text, sizeof text - 1, MSG_NOSIGNAL) != sizeof text - 1)
            return false;
    }
    size_t need = size ? size + HEAD_MOST : c->have + HEAD_MOST;
    if (need > BODY_MOST || (!size && c->have > HEAD_MOST))
        return false;
    if (need <= c->cap)
        return true;
    c->data = realloc(c->data, c->cap = need);
    if (!c->data)
        die("memory");
    return true;
}

static void readable(int n)
{
    struct connection *c = &connections[n];
    ssize_t got = recv(n, c->data + c->have, c->cap - c->have, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0)
        c->have += (size_t)got;
    if (got <= 0 || !answer(n, c))
        hang_up(n);
}

static int listen_anywhere(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, n) < 0 || listen(listener, 64) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &n) < 0)
        die("listen");
    printf("port %u\n", ntohs(at.sin_port));
    fflush(stdout);
    return listener;
}

static int signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int n = signalfd(-1, &set, SFD_CLOEXEC);
    if (n < 0)
        die("signalfd");
    return n;
}

static void watch(int epoll, int n)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = n};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, n, &e) < 0)
        die("epoll");
}

static void greet(int epoll, int listener)
{
    int n = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (n < 0)
        return;
    struct connection *c = n < CONNECTIONS ? &connections[n] : NULL;
    if (!c || !(c->data = malloc(c->cap = HEAD_MOST))) {
        close(n);
        return;
    }
    watch(epoll, n);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        sink.count |= strcmp(argv[i], "--count") == 0;
        sink.trace |= strcmp(argv[i], "--trace") == 0;
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC), signal = signals(), listener = listen_anywhere();
    watch(epoll, signal);
    watch(epoll, listener);
    for (struct epoll_event e; epoll_wait(epoll, &e, 1, -1) >= 0 || errno == EINTR;) {
        struct signalfd_siginfo info;
        if (e.data.fd == listener)
            greet(epoll, listener);
        else if (e.data.fd != signal)
            readable(e.data.fd);
        else if (read(signal, &info, sizeof info) == sizeof info) {
            print_totals();
            if (info.ssi_signo == SIGTERM)
                return 0;
        }
    }
    die("epoll");
}
