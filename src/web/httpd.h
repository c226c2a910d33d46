/*
 * httpd: libmicrohttpd without threads and without sockets of its own, on our loop.
 *
 * It is given accepted sockets, parses, and closes them; its epoll is watched and its timeouts are a timer. One of them has one
 * certificate, or none and then no TLS. Ended, it cuts its clients. The loop's thread.
 */
#pragma once

#include "loop/loop.h"

struct MHD_Daemon;
struct server;

struct httpd {
    struct scope scope;
    struct server *server;
    struct fd_expected wake; /* the library's own */
    struct thing thing, epoll_thing;
    struct MHD_Daemon *daemon; /* NULL: it is not needed */
    struct watch watch;
    struct timer timer;
    bool ending;
};

/* cert and key: PEM, not needed afterwards; NULL: no TLS. 0 or -errno; -EKEYREJECTED: they cannot be used. */
int httpd_begin(struct httpd *e, struct server *s, const char *cert, const char *key);
void httpd_end(struct httpd *e);
/* Lets the server's httpds look at what they were given. */
void httpds_pump(struct server *s);
