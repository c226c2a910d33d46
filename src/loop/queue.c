#include "loop/queue.h"

#include <assert.h>
#include <errno.h>

static void nudged(struct nudge *n)
{
    struct queue *q = container_of(n, struct queue, nudge);
    q->fn(q);
}

static void queue_thing_end(struct thing *t)
{
    struct queue *q = container_of(t, struct queue, nudge.thing);
    assert(!q->head);
    q->nudge_end(t);
    pthread_mutex_destroy(&q->lock);
}

int queue_begin(struct queue *q, struct scope *owner, struct loop *l, const char *name,
                uint64_t limit, void (*fn)(struct queue *))
{
    *q = (struct queue){.limit = limit, .fn = fn};
    q->tail = &q->head;
    int r = nudge_begin(&q->nudge, owner, l, name, nudged);
    if (r < 0)
        return r;
    pthread_mutex_init(&q->lock, NULL);
    q->nudge_end = q->nudge.thing.end;
    q->nudge.thing.end = queue_thing_end;
    return 0;
}

int queue_push(struct queue *q, struct qnode *node, uint64_t weight)
{
    pthread_mutex_lock(&q->lock);
    int r = 0;
    if (q->shut)
        r = -EPIPE;
    else if (q->limit && q->head && q->weight + weight > q->limit)
        r = -EAGAIN;
    else {
        node->next = NULL;
        node->weight = weight;
        *q->tail = node;
        q->tail = &node->next;
        q->weight += weight;
        q->count++;
    }
    pthread_mutex_unlock(&q->lock);
    if (r == 0)
        nudge_set(&q->nudge);
    return r;
}

struct qnode *queue_pop(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct qnode *node = q->head;
    if (node) {
        q->head = node->next;
        if (!q->head)
            q->tail = &q->head;
        q->weight -= node->weight;
        q->count--;
    }
    pthread_mutex_unlock(&q->lock);
    return node;
}

void queue_shut(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->shut = true;
    pthread_mutex_unlock(&q->lock);
}

uint64_t queue_load(struct queue *q, uint64_t *count)
{
    pthread_mutex_lock(&q->lock);
    uint64_t weight = q->weight;
    if (count)
        *count = q->count;
    pthread_mutex_unlock(&q->lock);
    return weight;
}
