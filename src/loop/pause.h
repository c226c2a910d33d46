/*
 * pause: the half of loop_pause() that the loop itself calls. Only for src/loop/.
 */
#pragma once

#include "loop/loop.h"

void pause_enter(struct loop *l); /* loop_run() begins */
void pause_leave(struct loop *l); /* and ends */
/* Between two turns: waits as long as somebody wants it to. */
void pause_here(struct loop *l);
/* Lets a sleeping loop look. Any thread. */
void loop_wake(struct loop *l);
