#include "loop/pause.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

/* The lock is held. */
static void say_parked(struct pause *p)
{
    p->parked = true;
    pthread_cond_broadcast(&p->changed);
}

static void wait_for_resume(struct pause *p)
{
    while (atomic_load(&p->wanted))
        pthread_cond_wait(&p->changed, &p->lock);
    p->parked = false;
}

static void park(struct pause *p)
{
    say_parked(p);
    wait_for_resume(p);
}

void pause_enter(struct loop *l)
{
    struct pause *p = &l->pause;
    pthread_mutex_lock(&p->lock);
    p->running = true;
    park(p);
    pthread_mutex_unlock(&p->lock);
}

void pause_leave(struct loop *l)
{
    struct pause *p = &l->pause;
    pthread_mutex_lock(&p->lock);
    p->running = false;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void pause_here(struct loop *l)
{
    struct pause *p = &l->pause;
    if (!atomic_load(&p->wanted))
        return;
    pthread_mutex_lock(&p->lock);
    park(p);
    pthread_mutex_unlock(&p->lock);
}

int loop_pause(struct loop *l, int64_t patience)
{
    struct pause *p = &l->pause;
    int64_t until = clock_mono() + patience;
    struct timespec deadline = {until / SECOND, until % SECOND};
    int r = 0;
    atomic_store(&p->wanted, true);
    loop_wake(l);
    pthread_mutex_lock(&p->lock);
    while (p->running && !p->parked && r == 0)
        r = pthread_cond_clockwait(&p->changed, &p->lock, CLOCK_MONOTONIC, &deadline);
    bool held = !p->running || p->parked;
    pthread_mutex_unlock(&p->lock);
    if (held)
        return 0;
    loop_resume(l);
    return -r;
}

void loop_resume(struct loop *l)
{
    struct pause *p = &l->pause;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->wanted, false);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void loop_wait_begin(struct loop *l)
{
    pthread_mutex_lock(&l->pause.lock);
    say_parked(&l->pause);
    pthread_mutex_unlock(&l->pause.lock);
}

void loop_wait_end(struct loop *l)
{
    pthread_mutex_lock(&l->pause.lock);
    wait_for_resume(&l->pause);
    pthread_mutex_unlock(&l->pause.lock);
}
