/*
 * listener: a port at which clients come. Whoever comes is accepted by client.h, some at a time, so that no turn of the loop is long.
 *
 * Without descriptors or memory for one more it stops for a moment instead of spinning: the server's timer calls
 * listener_resume(). The loop's thread.
 */
#pragma once

#include <netdb.h>

#include "loop/loop.h"

enum { LISTENER_ACCEPTS = 64 /* a turn */ };

struct server;

struct listener {
    struct fd fd;
    struct watch watch;
    struct server *server;
    int tag; /* the user's */
    bool tls, loopback;
    uint16_t port; /* as bound */
};

/* 0 or -errno. */
int listener_begin(struct listener *l, struct server *s, const struct addrinfo *at, int tag, bool tls);
void listener_resume(struct listener *l);
