/*
 * server: HTTP/1.1 on a loop: libmicrohttpd without threads and without sockets of its own.
 *
 * We listen and accept; each connection is a scope with its descriptor, its deadline and its request, so the
 * census shows who is connected since when. libmicrohttpd gets the accepted socket, parses, and closes it; its
 * epoll is watched on our loop. With a certificate there are two of the library: one speaks TLS, the other does not, and
 * each listener says whose its connections are. With another certificate (server_renew()) there is a third, for what connects
 * from then on; the one before stays for its connections until the next renewal, which cuts those that are left once it has succeeded.
 *
 * Slow and hostile clients: a connection without a byte for `idle` is closed, one that has not finished its
 * request and read the reply within `deadline` too. At `max_connections` the one that has waited longest without
 * a complete request goes; if all are being answered the new one is closed. One address other than this host
 * gets at most half of them. Headers are limited by SERVER_HEADER_BYTES, bodies by the handler; all
 * bodies and replies together by SERVER_MEMORY, beyond it: 503.
 *
 * A reply may go on without an end (`more`): its connection sleeps in the library while there is nothing to send, and has no
 * deadline; who gives it something to send sees to it that it is read (feed.h).
 *
 * Threads: begun and ended by one thread, driven by the loop's in between.
 */
#pragma once

#include <netinet/in.h>

#include "base/mem.h"
#include "loop/loop.h"

struct MHD_Connection;
struct MHD_Daemon;

enum {
    SERVER_LISTENERS = 8,
    SERVER_HEADER_BYTES = 32 * 1024, /* a connection's pool: request line, headers, and our reply's */
    SERVER_MEMORY = 16 * 1024 * 1024,
    SERVER_REPLY_BYTES = 8 * 1024 * 1024,
};

struct server;

/* One of the library, with what drives it. */
struct engine {
    struct scope scope;
    struct server *server;
    struct fd_expected wake; /* the library's own */
    struct thing thing, epoll_thing;
    struct MHD_Daemon *daemon; /* NULL: it is not needed */
    struct watch watch;
    struct timer timer;
    bool ending;
};
/* Three that speak TLS: of the present certificate, of the one before, and room to begin the next before that one is cut. */
enum { ENGINE_PLAIN, ENGINE_TLS, ENGINES = ENGINE_TLS + 3 };

struct listener {
    struct fd fd;
    struct watch watch;
    struct server *server;
    int tag; /* the user's */
    bool tls, loopback;
    uint16_t port; /* as bound */
};

struct client;

/* One request and its reply; lives until the reply is sent. */
struct request {
    struct scope scope; /* under the client's */
    struct client *client;
    const struct listener *listener;
    struct MHD_Connection *connection;
    const char *method, *path; /* the library's, valid until replied */
    struct buf body;
    uint64_t max_body;
    bool body_too_large, body_failed, replied;
    /* the reply */
    unsigned status;
    const char *content_type;
    const char *allow;    /* an Allow header, or NULL */
    const char *challenge; /* a WWW-Authenticate header, or NULL */
    const char *policy;   /* Content-Security-Policy; NULL: nothing may be loaded by it */
    const char *cache;    /* Cache-Control; NULL: no-store */
    const char *etag, *encoding; /* NULL: no such header */
    const char *disposition;     /* Content-Disposition; NULL: no such header */
    unsigned retry_after; /* seconds; 0: no such header */
    struct buf out;
    const void *fixed;    /* instead of `out`: bytes that outlive the server */
    size_t fixed_n;
    /*
     * Instead of both: a reply that goes on. Gives the next bytes, at most `max`; 0: there are none now, and request_wake() is
     * called when there are; -1: it is over. over() is called when it ends, however that comes.
     */
    ssize_t (*more)(struct request *q, char *data, size_t max);
    void (*over)(struct request *q);
    void *arg;
    bool asleep; /* the library does not look at it */
};

const char *request_header(struct request *q, const char *name); /* NULL: not there */
const char *request_arg(struct request *q, const char *name);    /* of the query; NULL: not there */
/* Fills in a reply {"error": "..."}; what stood in `out` is dropped. */
void request_fail(struct request *q, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* There is something to send on a reply that goes on. */
void request_wake(struct request *q);
/* Its client does not read: the connection is cut. request_over comes soon. */
void request_cut(struct request *q);

struct server_config {
    unsigned max_connections;
    const char *cert, *key; /* PEM, only read by server_begin(); NULL: no TLS */
    int64_t idle, deadline; /* ns */
    /*
     * The headers are here. Sets max_body (0: none is allowed), or replies already by setting `status`.
     */
    void (*admit)(struct request *q);
    void (*answer)(struct request *q); /* body is complete; sets status, content_type, out */
    void (*before_tls)(struct server *s); /* somebody connects who is to speak TLS: the moment for server_renew(); NULL: nothing */
    void *arg;
};

struct server {
    struct scope scope;
    struct loop *loop;
    struct server_config config;
    struct listener listeners[SERVER_LISTENERS];
    unsigned n_listeners;
    struct scope clients_scope;
    struct client *clients; /* newest first */
    struct engine engines[ENGINES];
    struct engine *tls, *tls_before; /* the one for new connections, and of the certificate before; NULL: none */
    struct timer retry_accept;
    _Atomic uint64_t accepted, refused, evicted, timed_out, requests, unauthorized;
    _Atomic uint32_t open;
};

/* 0 or -errno; -EKEYREJECTED: the certificate or its key cannot be used. */
int server_begin(struct server *s, struct scope *owner, struct loop *loop, const struct server_config *config);
/* Whoever connects from now on gets this certificate. 0, or as server_begin(), and all is as it was. Only in before_tls(). */
int server_renew(struct server *s, const char *cert, const char *key);
/* Adds listeners for all addresses of `host`. 0 or -errno, and a sentence in `why`. Port 0: any. */
int server_listen(struct server *s, const char *host, uint32_t port, int tag, bool tls, char *why, size_t size);
