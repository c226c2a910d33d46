/*
 * client: one connection, with its descriptor, its deadline and at most one request at a time.
 *
 * A scope of its own under the server's clients, so that the census shows who is connected since when. We accept the socket; then it
 * is the library's, which closes it: client_shut() only sees to it that nothing more comes. Who may come, and who goes for it, is
 * said in server.h. The loop's thread.
 */
#pragma once

#include <netinet/in.h>

#include "web/server.h"

struct client {
    struct scope scope;
    struct client *next, *prev;
    struct server *server;
    const struct listener *listener;
    struct httpd *httpd;
    struct request *request; /* whose reply goes on, or NULL */
    struct task task;
    struct fd fd;
    struct timer deadline;
    struct sockaddr_storage from;
    int64_t waiting_since;   /* for a complete request */
    bool answering, closing; /* closing: shut down, libmicrohttpd will notice */
};

/* Accepts into a new client. 0, also if there was no place for it, or -errno: -EAGAIN when nobody is there. */
int client_accept(struct listener *l);
/* Nothing more comes: the library will notice, and then the client is gone. */
void client_shut(struct client *c);
/* Its reply goes on, so that it may stay as long as it likes. NULL: no longer. */
void client_follow(struct client *c, struct request *q);
/* It was answered; the next request is to be here and answered within `deadline`. */
void client_awaits(struct client *c);
/* The library is let look at a reply that goes on again; nothing if it does already. */
void client_wake(struct client *c);
/* The same for all of an httpd that is about to be ended: it must not be while one of them sleeps. */
void clients_wake(struct server *s, const struct httpd *e);

/* Whether it is an address of this host. */
bool address_is_local(const struct sockaddr_storage *a);
