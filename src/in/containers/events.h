/*
 * events: the engine's stream of what happens to its containers.
 *
 * Asked for from the time of the last one on, so that what happened while it was down is heard of, as far as the engine remembers. A
 * line over EVENT_MOST, or one that makes no sense, is passed over and counted. When the stream breaks it is opened again, and the list
 * is asked for; when the list shows that it tells nothing any more (engine.c), it is opened anew.
 */
#pragma once

#include "in/containers/monitor.h"

void engine_hear(struct engine *e);
void engine_unhear(struct engine *e);
/* Begins e->events_again and e->events_room. 0 or -errno. */
int engine_hear_begin(struct engine *e);
