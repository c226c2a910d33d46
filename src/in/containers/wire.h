/*
 * wire: the stream of the engine's API with what one container says: GET /containers/ID/logs with timestamps.
 *
 * Followed while the container runs; of one that does not run what there is is read once. After a stream has ended by itself what
 * follows the last message is asked for once more, without following: then nothing is left behind. The cursor (cursor.h) makes
 * each message come once, however often the stream breaks. What came of a line that is not whole yet is kept until the rest of it
 * comes: when the stream is opened again only what is new of it is added. When the container is gone by then, what there is of it is a
 * record. So it is when the log does not have its beginning any more, or of one that does not run ends within it each time it is asked for.
 *
 * Bytes go from libcurl's buffer to the batch; only lines that are not whole yet are kept meanwhile, also of a frame that is not, up to
 * max_line_bytes for stdout and stderr each. A line that is longer is given as several records. All wires together hold at
 * most a quarter of the pool that way; beyond it lines are given in the pieces in which they came. When a sink or the memory is full
 * the stream is not read on, and the engine waits.
 *
 * Rotation: after rotation_interval the stream is let go of, wholly, and then opened anew; the first time after a part of it
 * that differs from wire to wire. Stall: see wire_heartbeat().
 *
 * Position: records are counted (ordinals), the cursor says where that is. Time: the engine's, and for what has one
 * time (Podman tells seconds only) a nanosecond more for each.
 */
#pragma once

#include "codec/frames.h"
#include "core/batch.h"
#include "in/containers/cursor.h"
#include "net/http.h"

struct container;
struct engine;

/* The line of stdout or of stderr that is not whole yet. */
struct wire_line {
    struct buf text; /* what of it was not given as a record */
    int64_t time;    /* of its beginning, and how many before it had that; 0: nothing of it came */
    uint64_t tie;
    struct cursor_place reached; /* its last message that came */
    uint64_t skip; /* bytes of it that came before the stream was opened, and come again */
    bool is_kept;  /* and none of those came yet */
};

enum wire_state {
    WIRE_IDLE,    /* nothing to read */
    WIRE_WAITING, /* for a connection */
    WIRE_OPENING, /* asked for, no answer yet */
    WIRE_OPEN,
    WIRE_PAUSED,  /* broke, and is opened again after a while */
    WIRE_REFUSED, /* the engine cannot give it: not until the container starts again */
};

struct wire {
    struct scope scope; /* alive from wire_begin() to wire_end() */
    struct container *container;
    enum wire_state state;
    struct http_request request;
    struct timer again; /* opened again, or rotated */
    struct scope memory; /* of what is not whole, and of the stream; beyond its end, until all is given */
    struct buf raw; /* no whole message, or what waits for room */
    struct wire_line line[CURSOR_STREAMS];
    size_t part; /* bytes of the piece that is handed over which are taken, when there was no memory for the others */
    uint64_t claimed, held; /* of the pool, for those; of that for lines */
    struct frames frames;
    struct wire *next_waiting, *next_rotation, *next_blocked, *next_filled;
    bool waiting, in_rotation, rotating, is_blocked, is_filled;
    bool follows;  /* else what there is, once */
    bool last_look; /* it is that one: when it has ended all is read */
    bool drained;  /* all of it was read since it stopped */
    bool placed, answered, ever, has_slot, spread;
    bool is_fresh; /* nothing was heard since it was asked for */
    bool is_new; /* the message that is not through was not read before */
    bool ended; /* with this status, and what came before waits for room */
    int status;
    unsigned torn; /* how often its answer ended within a message, since the last record and while it did not run */
    int64_t backoff, asked, silent_since; /* clock_mono() */
    struct source *source;
    struct stream *streams[CURSOR_STREAMS];
    struct cursor cursor;
    struct cursor_replay replay;
    uint64_t next; /* ordinal */
    struct batch *batch;
    char why[200]; /* what the engine said */
};

/* The container is known. 0 or -errno. */
int wire_begin(struct wire *w, struct container *c);
/* Nothing when not alive. What it holds of a log that is away is given if there is room, else counted (DROP_SHUTDOWN). */
void wire_end(struct wire *w);
/* Opens it if there is something to read, as its container and its engine are now. */
void wire_consider(struct wire *w);
/* Lets go of the connection, and goes on where it was when it is considered again. */
void wire_pause(struct wire *w);
/* Lets go of what it holds, too: it is read no more, or from its cursor on. */
void wire_close(struct wire *w);
/* Nobody can tell its log again; or after all. */
void wire_set_away(struct wire *w, bool is_away);
/* Other labels from now on. */
void wire_relabel(struct wire *w);
/* Nothing is left to be read of it. */
bool wire_is_over(const struct wire *w);

/* ---- for the monitor ---- */

/* There is room again, or a turn is over. */
void wire_unblock(struct wire *w);
void wire_flush(struct wire *w);
/* A connection became free. */
void wire_serve_waiting(struct engine *e);
/*
 * Each heartbeat_interval. A stream that is open and was silent for stall_timeout is compared with what the engine has: one request
 * for the last message of its log; when that is newer than what came, the stream has stalled: it is opened anew and counted.
 */
void wire_heartbeat(struct engine *e);
