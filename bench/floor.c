/*
 * floor: the least that delivering a file to Loki costs: bench/floor FILE PORT LABELS METADATA [--plain]
 *
 * Reads 1 MiB at a time, finds the lines, encodes Loki's push request (see codec/loki.h), compresses it with snappy
 * (--plain: a literal snappy block, as the agent's `compression: none`), sends it to 127.0.0.1:PORT over one kept
 * connection, waits for the answer, and does nothing else: no positions, no queue, no thread, no retry, no check of
 * UTF-8. LABELS is the stream as Loki writes it, METADATA the file_path that each entry carries ("": none), so that the
 * bytes on the wire are those of the agent.
 *
 * Errors end it with a sentence and 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <snappy-c.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/lines.h"

enum {
    READ = 1 << 20,
    BATCH = 1 << 20,           /* bytes of lines in one request */
    CHUNK = 2 * READ,          /* the rest of the last read, and one read more */
    ENCODED = 2 * CHUNK,
    MARKS = 64 * 1024,
    HEAD = 512,                /* room before a body for the HTTP header */
    LITERAL_HEAD = 16,
    LENGTH_BYTES = 5,
    SNAPPY_LITERAL_4 = 63 << 2 /* a literal whose length is in four bytes */
};

static char chunk[CHUNK], raw[HEAD + LITERAL_HEAD + ENCODED], packed[HEAD + 2 * ENCODED];
static struct mark marks[MARKS];
static struct {
    int socket;
    bool plain;
    const char *labels;
    char metadata[4096];
    size_t metadata_n;
    char *at, *stream; /* the next byte to be encoded, and where the stream's length stands */
    size_t lines;      /* bytes of lines in the request so far */
} f;

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static inline char *put_varint(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static inline size_t varint_size(uint64_t v)
{
    return 1 + (size_t)(63 - __builtin_clzll(v | 1)) / 7;
}

static char *put_bytes(char *p, char tag, const char *data, size_t n)
{
    *p++ = tag;
    p = put_varint(p, n);
    memcpy(p, data, n);
    return p + n;
}

static void request_begin(void)
{
    f.at = raw + HEAD + LITERAL_HEAD;
    *f.at++ = 0x0a;
    f.stream = f.at;
    f.at = put_bytes(f.at + LENGTH_BYTES, 0x0a, f.labels, strlen(f.labels));
    f.lines = 0;
}

/* Short lines, with more about them than in them, end a request sooner. */
static inline bool is_full(const struct mark *m)
{
    return f.lines + m->len >= BATCH || f.at - raw > CHUNK;
}

static inline void encode(const struct mark *m, const char *data, int64_t time)
{
    int64_t seconds = time / SECOND, nanos = time % SECOND;
    size_t time_n = 2 + varint_size((uint64_t)seconds) + varint_size((uint64_t)nanos);
    char *p = f.at;
    *p++ = 0x12;
    p = put_varint(p, 2 + time_n + 1 + varint_size(m->len) + m->len + f.metadata_n);
    *p++ = 0x0a;
    *p++ = (char)time_n;
    *p++ = 0x08;
    p = put_varint(p, (uint64_t)seconds);
    *p++ = 0x10;
    p = put_varint(p, (uint64_t)nanos);
    p = put_bytes(p, 0x12, data + m->off, m->len);
    memcpy(p, f.metadata, f.metadata_n);
    f.at = p + f.metadata_n;
    f.lines += m->end - m->off;
}

static void send_all(const char *data, size_t n)
{
    while (n) {
        ssize_t sent = send(f.socket, data, n, MSG_NOSIGNAL);
        if (sent < 0)
            die("send");
        data += sent;
        n -= (size_t)sent;
    }
}

static void await_answer(void)
{
    char answer[4096];
    size_t have = 0;
    do {
        ssize_t n = recv(f.socket, answer + have, sizeof answer - 1 - have, 0);
        if (n <= 0)
            die("no answer");
        have += (size_t)n;
        answer[have] = 0;
    } while (!strstr(answer, "\r\n\r\n"));
    if (strncmp(answer, "HTTP/1.1 204 ", 13) != 0) {
        errno = EPROTO;
        die("the sink does not answer 204");
    }
}

/* `body` has HEAD bytes of room before it. */
static void post(char *body, size_t n)
{
    char head[HEAD];
    int head_n = snprintf(head, sizeof head,
                          "POST /loki/api/v1/push HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                          "Content-Type: application/x-protobuf\r\nContent-Length: %zu\r\n\r\n",
                          n);
    send_all(memcpy(body - head_n, head, (size_t)head_n), (size_t)head_n + n);
    await_answer();
}

static void post_literal(char *encoded, size_t n)
{
    char head[LITERAL_HEAD], *p = put_varint(head, n);
    *p++ = (char)SNAPPY_LITERAL_4;
    for (int shift = 0; shift < 32; shift += 8)
        *p++ = (char)((n - 1) >> shift);
    size_t head_n = (size_t)(p - head);
    post(memcpy(encoded - head_n, head, head_n), head_n + n);
}

static void request_end(void)
{
    char *encoded = raw + HEAD + LITERAL_HEAD;
    size_t n = (size_t)(f.at - f.stream) - LENGTH_BYTES, packed_n = sizeof packed - HEAD;
    for (int i = 0; i < LENGTH_BYTES; i++, n >>= 7)
        f.stream[i] = (char)((n & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
    n = (size_t)(f.at - encoded);
    if (f.plain)
        post_literal(encoded, n);
    else if (snappy_compress(encoded, n, packed + HEAD, &packed_n) == SNAPPY_OK)
        post(packed + HEAD, packed_n);
    else
        die("snappy");
}

static void deliver(int file)
{
    int64_t anchor = clock_real();
    size_t have = 0;
    request_begin();
    for (ssize_t n; (n = read(file, chunk + have, READ)) != 0;) {
        uint32_t used, from = 0;
        if (n < 0)
            die("read");
        have += (size_t)n;
        do {
            uint32_t found = lines_mark(chunk + from, (uint32_t)have - from, marks, MARKS, &used);
            for (uint32_t i = 0; i < found; i++) {
                if (is_full(&marks[i])) {
                    request_end();
                    request_begin();
                }
                encode(&marks[i], chunk + from, anchor + from + marks[i].off);
            }
            from += used;
        } while (used);
        anchor += from;
        have -= from;
        if (have > READ) {
            errno = E2BIG;
            die("a line");
        }
        memmove(chunk, chunk + from, have);
    }
    if (f.lines)
        request_end();
}

static void connect_to(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f.socket < 0 || connect(f.socket, (struct sockaddr *)&to, sizeof to) < 0)
        die("connect");
    setsockopt(f.socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

static void set_metadata(const char *value)
{
    static const char name[] = "file_path";
    size_t n = strlen(value);
    if (n > 2048) {
        errno = ENAMETOOLONG;
        die("the metadata");
    }
    char *p = f.metadata;
    *p++ = 0x1a;
    p = put_varint(p, 2 + sizeof name - 1 + 1 + varint_size(n) + n);
    p = put_bytes(p, 0x0a, name, sizeof name - 1);
    p = put_bytes(p, 0x12, value, n);
    f.metadata_n = (size_t)(p - f.metadata);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: floor FILE PORT LABELS METADATA [--plain]\n");
        return 2;
    }
    int file = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (file < 0)
        die(argv[1]);
    connect_to(argv[2]);
    f.labels = argv[3];
    if (argv[4][0])
        set_metadata(argv[4]);
    f.plain = argc > 5 && strcmp(argv[5], "--plain") == 0;
    deliver(file);
    return 0;
}
