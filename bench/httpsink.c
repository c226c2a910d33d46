/*
 * httpsink: a Loki that costs little: bench/httpsink [--count] [--trace]
 *
 * Listens on a free port of 127.0.0.1 and answers each POST with 204. Prints, one a line, flushed:
 *   port N                                   once
 *   request NS BYTES ENTRIES                 each, with --trace; NS: CLOCK_REALTIME at its last byte
 *   totals REQUESTS BYTES ENTRIES RAW        on SIGUSR1, and at the end by SIGTERM
 * ENTRIES and RAW (bytes of protobuf, before compression) are 0 without --count. BYTES are those of the bodies.
 *
 * With --count it undoes snappy (libsnappy) and counts the entries of the protobuf, or of JSON, gzipped or not, when the
 * request's Content-Type says so; another body ends it with 1, so that nobody is quick by sending rubbish. One thread.
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
#include <zlib.h>

#include "base/clock.h"

enum { HEAD_MOST = 16 * 1024, BODY_MOST = 64 << 20, RAW_MOST = 256 << 20, CONNECTIONS = 1024 };

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

/* Memory for an undone body; what was in it is gone when it grows. */
static char *room(size_t size)
{
    static char *raw;
    static size_t cap;
    if (size > RAW_MOST)
        rubbish("too large");
    if (size > cap && !(raw = realloc(raw, cap = size)))
        die("memory");
    return raw;
}

static uint64_t count_protobuf(const char *body, size_t n)
{
    size_t size;
    if (snappy_uncompressed_length(body, n, &size) != SNAPPY_OK)
        rubbish("not snappy");
    char *raw = room(size);
    if (snappy_uncompress(body, n, raw, &size) != SNAPPY_OK)
        rubbish("broken snappy");
    sink.raw += size;
    return entries_in((unsigned char *)raw, (unsigned char *)raw + size);
}

/* The byte behind the string that begins before p. */
static const char *behind_string(const char *p, const char *end)
{
    for (; (p = memchr(p, '"', (size_t)(end - p))); p++) {
        size_t escapes = 0;
        while (p[-1 - (ptrdiff_t)escapes] == '\\')
            escapes++;
        if (escapes % 2 == 0)
            return p + 1;
    }
    rubbish("a string has no end");
    return end;
}

/* {"streams":[{"stream":{...},"values":[[TIME, LINE], ...]}, ...]}: an entry is an array in two others. */
static uint64_t values_in(const char *p, const char *end)
{
    uint64_t entries = 0;
    int depth = 0;
    while (p < end) {
        char c = *p++;
        if (c == '"')
            p = behind_string(p, end);
        else if (c == '[')
            entries += ++depth == 3;
        else if (c == ']' && --depth < 0)
            break;
    }
    if (depth)
        rubbish("not JSON");
    return entries;
}

static uint64_t count_json(const char *body, size_t n)
{
    if (n < 2 || (unsigned char)body[0] != 0x1f) {
        sink.raw += n;
        return values_in(body, body + n);
    }
    z_stream z = {.next_in = (unsigned char *)body, .avail_in = (unsigned)n};
    char *raw = room(RAW_MOST);
    z.next_out = (unsigned char *)raw;
    z.avail_out = RAW_MOST;
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        die("zlib");
    if (inflate(&z, Z_FINISH) != Z_STREAM_END)
        rubbish("broken gzip");
    size_t size = z.total_out;
    inflateEnd(&z);
    sink.raw += size;
    return values_in(raw, raw + size);
}

static void print_totals(void)
{
    printf("totals %llu %llu %llu %llu\n", sink.requests, sink.bytes, sink.entries, sink.raw);
    fflush(stdout);
}

static void took(const char *body, size_t n, bool json)
{
    int64_t now = clock_real();
    uint64_t entries = !sink.count ? 0 : json ? count_json(body, n) : count_protobuf(body, n);
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

/* What stands behind "\r\nNAME: " in a header of n bytes, or NULL. */
static const char *header(const char *head, size_t n, const char *name)
{
    size_t name_n = strlen(name);
    for (const char *p = head; p + name_n < head + n; p++)
        if (*p == '\r' && strncasecmp(p, name, name_n) == 0)
            return p + name_n + strspn(p + name_n, " ");
    return NULL;
}

/* Bytes of the request at the front, header included; 0: the header is not whole. */
static size_t request_size(const struct connection *c, size_t *head)
{
    const char *end = memmem(c->data, c->have, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *head = (size_t)(end - c->data) + 4;
    const char *length = header(c->data, *head, "\r\nContent-Length:");
    return *head + (length ? strtoull(length, NULL, 10) : 0);
}

static bool is_json(const char *head, size_t n)
{
    static const char json[] = "application/json";
    const char *type = header(head, n, "\r\nContent-Type:");
    return type && strncasecmp(type, json, sizeof json - 1) == 0;
}

static bool answer(int n, struct connection *c)
{
    static const char text[] = "HTTP/1.1 204 No Content\r\n\r\n";
    size_t head, size;
    while ((size = request_size(c, &head)) && c->have >= size) {
        took(c->data + head, size - head, is_json(c->data, head));
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
