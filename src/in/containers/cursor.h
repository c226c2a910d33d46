/*
 * cursor: how far the API's stream of a container is read, so that opened again it gives each message once.
 *
 * The engine is asked for messages since a time; what it sends again is told by the time and by how many of that time were read before,
 * for stdout and stderr each: their order among each other in the log is kept, their times need not be in order. So a stream is
 * asked for from CURSOR_MARGIN before the last time read on, or from where a message begins that is not whole yet.
 *
 * A message is what the engine sends as one, be it a piece of a longer line. A line is counted when it is whole. One that is
 * so long, or memory so short, that it is given as several records is known by how many of its bytes were given so far: when it is read
 * again it may come in other pieces. So may its records be others then, and what counts records (a sink that is further) does not
 * fit any more: `cuts` tells.
 *
 * Pure. Times are the engine's, UTC ns, of one clock; when it is set back meanwhile, messages come twice, never not at all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum { CURSOR_STREAMS = 2, CURSOR_TEXT = 240 };
#define CURSOR_MARGIN (2 * SECOND) /* by how much times of one log may be out of order */

struct cursor_place {
    int64_t time;    /* of the last message; 0: none yet */
    uint64_t n;      /* how many in a row had it */
    uint64_t given;  /* bytes of the line that follows */
    uint32_t pieces; /* as so many records */
};

struct cursor {
    struct cursor_place at[CURSOR_STREAMS];
    int64_t open;      /* when the oldest line begins that is not whole; 0: none */
    uint64_t max_line; /* what lines were split by */
    uint32_t cuts;     /* how often since ever one was split elsewhere, for want of memory */
};

/* As text for the store, and back. false: it is none. */
void cursor_write(const struct cursor *c, char text[CURSOR_TEXT]);
bool cursor_read(struct cursor *c, const char *text);
/* From when on to ask; 0: from the beginning. */
int64_t cursor_since(const struct cursor *c);

/* What came since the stream was opened. Zeroed at first. */
struct cursor_replay {
    struct cursor_place met[CURSOR_STREAMS];
    bool caught[CURSOR_STREAMS];
};
/* The next message. false: it was read before. r->met[stream] is its place. */
bool cursor_meet(struct cursor_replay *r, const struct cursor *c, unsigned stream, int64_t time);
