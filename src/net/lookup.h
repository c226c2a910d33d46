/*
 * lookup: the addresses of one host name, asked for on a loop.
 *
 * c-ares does it, with its sockets watched by our loop: a server that never answers holds nothing up, and
 * lookup_end() ends it at once, at any moment. (libcurl's own resolver is a thread that cannot be cancelled.)
 * /etc/hosts and /etc/resolv.conf are read anew for each lookup, so a change of either is seen; callers keep
 * the answer for its `ttl`.
 *
 * Thread: the loop's. The caller must hold an http_library. Errors: done() is always called from the loop, never
 * from within lookup_begin(); it may end the lookup.
 */
#pragma once

#include <ares.h>
#include <arpa/inet.h>

#include "loop/loop.h"

enum { LOOKUP_ADDRESSES = 8, LOOKUP_SOCKETS = 8 };

struct lookup_socket {
    struct fd fd;
    struct watch watch;
    struct lookup *lookup;
};

struct lookup {
    struct scope scope;
    struct scope sockets;
    struct loop *loop;
    struct timer timer;
    struct thing handle;
    ares_channel channel;
    struct lookup_socket socket[LOOKUP_SOCKETS];
    bool finished;
    void (*done)(struct lookup *l);
    /* The answer, from done() on. */
    unsigned n; /* 0: `error` says why */
    char address[LOOKUP_ADDRESSES][INET6_ADDRSTRLEN];
    int64_t ttl; /* ns; 0: the answer had none (/etc/hosts) */
    const char *error;
};

/* servers: "address:port,..." instead of the system's; "" for those. */
int lookup_begin(struct lookup *l, struct scope *owner, struct loop *loop, const char *host,
                 const char *servers, void (*done)(struct lookup *));
void lookup_end(struct lookup *l);
