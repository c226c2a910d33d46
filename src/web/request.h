/*
 * request: one request of a client and its reply, from the moment its headers are here until the reply is sent.
 *
 * The user's admit() sees the headers and says how much of a body there may be, or replies already; answer() sees the body too and
 * fills in the reply (struct server_config, server.h). A reply is `out`, or bytes that outlive the server (`fixed`), or goes on
 * without an end (`more`): then its connection sleeps in the library while there is nothing to send, and has no deadline; who gives
 * it something to send sees to it that it is read (feed.h).
 *
 * Owned by its client. The loop's thread.
 */
#pragma once

#include <sys/types.h>

#include "base/mem.h"

struct MHD_Connection;
struct client;
struct listener;

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
