/*
 * frames: the stream of the Docker Engine's /containers/ID/logs, with `timestamps`: frames of
 *
 *     byte 0      0, 1: stdout, 2: stderr, 3: the daemon says why it cannot go on
 *     bytes 1-3   0
 *     bytes 4-7   the length of what follows, big-endian; any byte may be in it, '\n' too
 *     the time, a blank, and a message, with '\n' at its end but for a piece of a longer one
 *
 * or, of a container with a TTY, all of that without the eight bytes and all of it stdout. There a piece is known by its 16 KiB, behind
 * which the next one's time stands. Source: Docker Engine API, ContainerAttach, "Stream format"; moby/daemon/logger/copier.go.
 *
 * Bytes are given as they came, split anywhere. What is there of a message is marked though its end is not: the reader need not keep a
 * frame until it is whole, however long one is. Only what tells where a message begins must be there at once, at most FRAMES_KEPT bytes;
 * it is left for the next call, as is a '\r' that may be half of a line end. A message of several lines (other drivers' may be) has a mark
 * for each, with one time. Type 3 and what has no time are WRAPPED_BARE. Pure; any thread.
 */
#pragma once

#include "codec/wrapped.h"

enum {
    FRAMES_HEADER = 8,
    FRAMES_STAMP = 64, /* more than any time and its blank */
    FRAMES_DAEMON = 192, /* of what the daemon says so much comes at once */
    FRAMES_PIECE = 16 * 1024,
    FRAMES_KEPT = FRAMES_PIECE + 2 * FRAMES_STAMP,
};

/* At the beginning of a stream all but tty and max_frame are zero. A copy of it is a place in the stream that can be gone back to. */
struct frames {
    bool tty;
    uint32_t max_frame; /* at least 1: bytes behind the header; not of a TTY */
    bool is_over;       /* nothing follows the bytes given: what is there of a frame's text is marked, however little; not of a TTY */
    bool goes_on;       /* the next mark continues the last one: both are of one line of one message */
    uint16_t stream;    /* of the message that is not through */
    uint32_t left;      /* bytes of it that are still to come; not of a TTY */
    int64_t time;
};

/* Of `size` bytes those of the frame that goes on or begins there; all, of a TTY or when its header is not there. */
uint32_t frames_one(const struct frames *f, const char *data, uint32_t size);
/*
 * As lines_mark(); a mark has `more` if its line goes on, in this message or in the next one. *error is 0; -EMSGSIZE: what follows
 * *consumed says that it is longer than max_frame; -EBADMSG: it is no header. After either there is no telling where the next frame
 * begins: the stream has to be opened again.
 */
uint32_t frames_mark(struct frames *f, const char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed, int *error);
/*
 * The stream has ended behind what frames_mark() left: of a TTY that is a line without its end. false: no text of one is there, and the
 * stream is torn.
 * What there is of a torn frame frames_mark() tells, once is_over is set.
 */
bool frames_rest(struct frames *f, const char *data, uint32_t size, struct mark *mark);
