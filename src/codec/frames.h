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
 * Bytes are given as they came, split anywhere: what is not a whole frame (TTY: line) is left for the next call, so a chunk must hold
 * max_frame + FRAMES_MORE bytes. Marks are those of wrapped.h; a message of several lines (other drivers' may be) has one for each, with one
 * time. Type 3 and what has no time are WRAPPED_BARE. Pure; any thread.
 */
#pragma once

#include "codec/wrapped.h"

enum { FRAMES_HEADER = 8, FRAMES_MORE = 64, FRAMES_PIECE = 16 * 1024 };

struct frames {
    bool tty;
    uint32_t max_frame; /* at least 1: bytes behind the header; of a TTY: of a line, which is taken to be a piece when it gets longer */
};

/*
 * As lines_mark(). *error is 0; -EMSGSIZE: what follows *consumed says that it is longer than max_frame; -EBADMSG: it is no
 * header. After either there is no telling where the next frame begins: the stream has to be opened again.
 */
uint32_t frames_mark(const struct frames *f, const char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed,
                     int *error);
