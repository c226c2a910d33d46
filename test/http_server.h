/*
 * http_server: a small HTTP server on a thread of its own whose answers are scripted, for tests of clients.
 *
 * script() is called on that thread for each whole request and writes the raw answer; what else it can do to the
 * client is in `act`. It is test code: plain calls, blocking, and it aborts when it cannot work.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum server_act {
    SERVER_ANSWER,  /* what script() wrote */
    SERVER_CLOSE,   /* what it wrote, then close */
    SERVER_HANG,    /* never answer */
    SERVER_ENDLESS, /* what it wrote, then bytes for as long as the client takes them */
};

struct server_request {
    unsigned nth; /* from 1 */
    const char *head;
    const char *body;
    size_t body_n;
    char answer[4096];
};

struct http_server {
    int listener, wake[2];
    unsigned port, seen;
    pthread_t thread;
    void *arg;
    enum server_act (*script)(struct http_server *s, struct server_request *r);
};

void http_server_start(struct http_server *s, enum server_act (*script)(struct http_server *, struct server_request *),
                       void *arg);
void http_server_stop(struct http_server *s);
/* Writes an answer with this status, extra headers ("Name: value\r\n") and body. */
void server_answer(struct server_request *r, int status, const char *headers, const char *body);
