/*
 * queue: hands things from any thread to one loop; first in, first out.
 *
 * What is queued embeds a struct qnode: no allocation, so a push cannot run out of memory. A push
 * moves ownership to the consumer: after a push that succeeded the producer must not touch the item.
 * The consumer must empty its queue before it ends it; ending a queue that holds something is a
 * programming error and aborts.
 *
 * The limit counts whatever the user weighs items in (bytes, or 1 each). At the limit a push is refused with
 * -EAGAIN; an empty queue takes one item of any weight. After queue_shut() it is refused with -EPIPE.
 */
#pragma once

#include "loop/loop.h"

struct qnode {
    struct qnode *next;
    uint64_t weight;
};

struct queue {
    struct nudge nudge;
    pthread_mutex_t lock;
    struct qnode *head, **tail;
    uint64_t limit, weight, count; /* under the lock */
    bool shut;
    void (*fn)(struct queue *q);
    void (*nudge_end)(struct thing *); /* what ends the nudge below */
};

/* fn is called on the loop when something was pushed; it pops until NULL, or nudges itself for later. */
int queue_begin(struct queue *q, struct scope *owner, struct loop *l, const char *name,
                uint64_t limit, void (*fn)(struct queue *));

int queue_push(struct queue *q, struct qnode *node, uint64_t weight); /* any thread */
struct qnode *queue_pop(struct queue *q);                             /* the loop's thread */
void queue_shut(struct queue *q);                                     /* any thread */
/* What is in it: weight and, if count is not NULL, how many. Any thread. */
uint64_t queue_load(struct queue *q, uint64_t *count);
