/*
 * room: who waits until something bounded (a sink's queue, the spooler's memory) has room again. Any thread.
 */
#pragma once

#include "loop/loop.h"

enum { ROOM_WAITERS = 8 };

struct room {
    pthread_mutex_t lock;
    struct nudge *waiting[ROOM_WAITERS];
};

void room_begin(struct room *r);
void room_end(struct room *r);
/* Whether there is room; if not, `who` (unless NULL) is nudged once, by room_wake(). */
bool room_wait(struct room *r, struct nudge *who, bool (*has)(struct room *));
void room_forget(struct room *r, struct nudge *who);
void room_wake(struct room *r); /* after room was made */
