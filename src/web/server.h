/*
 * server: HTTP/1.1 on a loop. Its parts, each with a manual of its own:
 *
 *     listener   a port at which clients come
 *     client     a connection, from our accept() on
 *     httpd      libmicrohttpd, which speaks HTTP with clients, or HTTP in TLS with one certificate
 *     request    what a client asks and what it is answered
 *
 * With a certificate there are two httpds: one speaks TLS, the other does not, and each listener says whose its connections are. With
 * another certificate (server_renew()) there is a third, for what connects from then on; the one before stays for its connections
 * until the next renewal, which cuts those that are left once it has succeeded.
 *
 * Slow and hostile clients: a connection without a byte for `idle` is closed, one that has not finished its
 * request and read the reply within `deadline` too. At `max_connections` the one that has waited longest without
 * a complete request goes; if all are being answered the new one is closed. One address other than this host
 * gets at most half of them. Headers are limited by SERVER_HEADER_BYTES, bodies by the handler; all
 * bodies and replies together by SERVER_MEMORY, beyond it: 503.
 *
 * Threads: begun and ended by one thread, driven by the loop's in between.
 */
#pragma once

#include "loop/loop.h"
#include "web/httpd.h"
#include "web/listener.h"
#include "web/request.h"

enum {
    SERVER_LISTENERS = 8,
    SERVER_HEADER_BYTES = 32 * 1024, /* a connection's pool: request line, headers, and our reply's */
    SERVER_MEMORY = 16 * 1024 * 1024,
    SERVER_REPLY_BYTES = 8 * 1024 * 1024,
};

/* Three that speak TLS: of the present certificate, of the one before, and room to begin the next before that one is cut. */
enum { HTTPD_PLAIN, HTTPD_TLS, HTTPDS = HTTPD_TLS + 3 };

struct client;

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
    struct httpd httpds[HTTPDS];
    struct httpd *tls, *tls_before; /* the one for new connections, and of the certificate before; NULL: none */
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
