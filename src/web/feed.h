/*
 * feed: a client that follows: server-sent events on a reply without an end.
 *
 * There is room for one event at a time: what comes before a client has taken the last one is left out for it (whoever sends
 * knows by feed_is_free()), and one that takes nothing for FEED_PATIENCE is cut off. So a slow client costs one buffer,
 * and nobody waits for it.
 *
 * Ownership: a feed lives with its request. There are at most server.max_feeds of them, over all kinds.
 * Thread: the web's.
 */
#pragma once

#include "base/clock.h"
#include "web/server.h"

enum { FEED_BYTES = 1024 * 1024 };
#define FEED_PATIENCE (30 * SECOND)

struct web;

struct feed {
    struct feed *next, *prev;
    struct request *request;
    struct buf out; /* the event under way */
    size_t at;      /* of it, sent */
    int64_t since;  /* it is under way; clock_mono() */
    _Atomic uint32_t *count; /* of all feeds */
    void (*over)(struct feed *f); /* the client is gone; the feed too, after this */
    void *arg;
};

/*
 * Makes the request's reply a feed and gives it to the list at *first. `size` bytes that begin with a struct feed, zeroed.
 * NULL: it is answered, since there are too many or no memory.
 */
void *feed_begin(struct web *w, struct request *q, size_t size, struct feed **first,
                 void (*over)(struct feed *f));

/* It is answered otherwise after all: the feed is gone, `over` was called. */
void feed_give_up(struct feed *f);

/* Whether it has taken the last event. Cuts it off if it has been too long. */
bool feed_is_free(struct feed *f);
/* To a feed that is free: an event's name and its data, one line. */
void feed_send(struct feed *f, const char *event, const char *data, size_t n);
