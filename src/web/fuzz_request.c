/*
 * Whole requests to a server as the agent has it, on a connection each: whatever is asked, it answers and goes on. The input is a
 * request line, headers and a body; the framing (length, connection) is put right, so that each is complete.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "web/routes.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { REQUEST = 64 * 1024 };

static const char text[] = "state_dir: /nowhere\nserver: {port: 0, max_connections: 8, max_feeds: 4}\nmetrics: {enabled: false}\n"
                           "observability: {profiling: {enabled: false}}\napi: {max_body: 4096, rate: 1000000}\nsinks: {\"null\": {}}\n";
static struct config *config;
static struct pool pool;
static struct dispatcher dispatcher = {.pool = &pool};
static struct tap tap;
static struct web web;
static struct web_context context;

static int print_config(const struct config *c, struct buf *out)
{
    return buf_puts(out, "{}");
}

static int why(const char *path, struct buf *out)
{
    return buf_printf(out, "%s: no pattern matches it\n", path);
}

static void stop(void)
{
    web_end(&web);
    config_free(config);
    sources_end();
    pool_end(&pool);
    streams_end();
}

static void start(void)
{
    char error[300];
    struct buf errors;
    log_setup(LOG_LEVEL_ERROR, false);
    if (buf_begin(&errors, &scope_root, "errors", 1 << 16) < 0 ||
        !(config = config_parse(&scope_root, "f", text, sizeof text - 1, &errors)))
        abort();
    buf_end(&errors);
    tap_begin(&tap);
    context = (struct web_context){.config = config, .dispatcher = &dispatcher, .tap = &tap, .pool = &pool, .started = clock_mono(),
                                   .ready = true, .deadline = 5 * SECOND, .print_config = print_config, .why = why};
    if (streams_begin(&scope_root) < 0 || pool_begin(&pool, &scope_root, 1 << 20) < 0 || sources_begin(&scope_root, NULL, 0) < 0 ||
        web_begin(&web, &scope_root, &context, error, sizeof error) < 0)
        abort();
    atexit(stop);
}

/* Headers that say where the request ends are ours to write; some that would have it wait are left out. */
static bool is_framing(const char *line, size_t n)
{
    static const char *const names[] = {"Content-Length:", "Transfer-Encoding:", "Connection:", "Expect:", "Upgrade:"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (n >= strlen(names[i]) && strncasecmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* A line that begins with white space would go on with the one before it. */
static size_t make(const char *in, size_t size, char request[REQUEST])
{
    const char *end = in + size, *body = memmem(in, size, "\n\n", 2);
    const char *head_end = body ? body : end;
    size_t n = 0;
    body = body ? body + 2 : end;
    for (const char *line = in; line < head_end;) {
        const char *next = memchr(line, '\n', (size_t)(head_end - line));
        size_t length = (size_t)((next ? next : head_end) - line);
        bool empty = length == 0 || memchr(line, '\r', length) || memchr(line, 0, length);
        if (!empty && !is_framing(line, length) && *line != ' ' && *line != '\t') {
            memcpy(request + n, line, length);
            memcpy(request + n + length, "\r\n", 2);
            n += length + 2;
        }
        line += length + 1;
    }
    n += (size_t)snprintf(request + n, REQUEST - n, "Connection: close\r\nContent-Length: %zu\r\n\r\n", (size_t)(end - body));
    memcpy(request + n, body, (size_t)(end - body));
    return n + (size_t)(end - body);
}

/* Each from another address, as the ports of one do not suffice for as many as there are in a minute. */
static int dial(void)
{
    static uint32_t times;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010001 + times++ % 10000)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(web.server.listeners[0].port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int n = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (n < 0 || bind(n, (struct sockaddr *)&from, sizeof from) < 0 || connect(n, (struct sockaddr *)&to, sizeof to) < 0)
        abort();
    return n;
}

/* What comes first says enough: one who follows would get more for ever. */
static void converse(const char *request, size_t n)
{
    char reply[4096] = "";
    int s = dial();
    (void)!send(s, request, n, MSG_NOSIGNAL);
    struct pollfd p = {.fd = s, .events = POLLIN};
    int ready;
    while ((ready = poll(&p, 1, 10000)) < 0 && errno == EINTR)
        ; /* libFuzzer's own clock */
    if (ready != 1)
        abort(); /* it does not answer any more */
    ssize_t got = recv(s, reply, sizeof reply - 1, 0);
    if (got > 0 && strncmp(reply, "HTTP/1.", 7) != 0)
        abort();
    static const char foreign[] = "HTTP/1.1 200";
    if (got > 0 && strncmp(reply, foreign, sizeof foreign - 1) == 0 && memmem(request, n, "\r\nHost: evil.example\r\n", 22))
        abort();
    while (got > 0 && !strstr(reply, "text/event-stream"))
        got = recv(s, reply, sizeof reply - 1, 0);
    shutdown(s, SHUT_RDWR);
    close(s);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static char request[REQUEST];
    static bool started;
    if (size > 16 * 1024)
        return 0;
    if (!started)
        start();
    started = true;
    converse(request, make((const char *)data, size, request));
    return 0;
}
