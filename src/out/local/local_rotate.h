/*
 * local_rotate: what happens to output files after they were written: recovery at the start,
 * compression (gzip, in slices on the sink's loop), retention by age and by total size.
 *
 *     access.log                      being written
 *     access.log.20261121-050758      rotated (UTC), waiting to be compressed
 *     access.log.20261121-050758.gz
 *
 * Only files with a row are touched, and only while the path's inode is the row's. Each step is
 * announced to the store before it is done, so a crash in between leaves something that
 * housekeeping_recover() understands.
 *
 * Thread: the sink's.
 */
#pragma once

#include <zlib.h>

#include "out/local/local_output.h"

enum squeeze_state { SQUEEZE_IDLE, SQUEEZE_ANNOUNCED, SQUEEZE_RUNNING, SQUEEZE_DONE };

struct housekeeping {
    struct scope scope;
    struct sink *sink;
    struct local_rows *rows;
    struct nudge slice;
    enum squeeze_state state;
    struct scope work; /* of one compression */
    struct local_row *from, *to;
    struct fd in, out;
    struct thing zlib;
    z_stream stream;
    unsigned char *buffers;
    uint64_t compressed, deleted, recovered_bytes;
};

int housekeeping_begin(struct housekeeping *h, struct scope *owner, struct sink *sink,
                       struct local_rows *rows);
/* At the start: cuts files back to what is secured, ends what a crash interrupted. */
void housekeeping_recover(struct housekeeping *h);
/* Looks for something to compress or delete; each minute, and after a compression. */
void housekeeping_run(struct housekeeping *h);
/* The store has taken rows. */
void housekeeping_stored(struct housekeeping *h);
