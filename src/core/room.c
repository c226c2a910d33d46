#include "core/room.h"

#include <assert.h>

void room_begin(struct room *r)
{
    *r = (struct room){0};
    pthread_mutex_init(&r->lock, NULL);
}

void room_end(struct room *r)
{
    pthread_mutex_destroy(&r->lock);
}

bool room_wait(struct room *r, struct nudge *who, bool (*has)(struct room *))
{
    if (has(r))
        return true;
    if (!who)
        return false;
    pthread_mutex_lock(&r->lock);
    int place = -1;
    for (int i = 0; i < ROOM_WAITERS; i++) {
        if (r->waiting[i] == who) {
            place = i;
            break;
        }
        if (!r->waiting[i] && place < 0)
            place = i;
    }
    assert(place >= 0);
    r->waiting[place] = who;
    /* Looked at again behind the lock: who made room before it saw nobody waiting. */
    bool there_is = has(r);
    if (there_is)
        r->waiting[place] = NULL;
    pthread_mutex_unlock(&r->lock);
    return there_is;
}

void room_forget(struct room *r, struct nudge *who)
{
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < ROOM_WAITERS; i++)
        if (r->waiting[i] == who)
            r->waiting[i] = NULL;
    pthread_mutex_unlock(&r->lock);
}

void room_wake(struct room *r)
{
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < ROOM_WAITERS; i++)
        if (r->waiting[i]) {
            nudge_set(r->waiting[i]);
            r->waiting[i] = NULL;
        }
    pthread_mutex_unlock(&r->lock);
}
