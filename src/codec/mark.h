/*
 * mark: one record within a chunk of bytes. What all codecs make and all sinks read.
 */
#pragma once

#include <stdint.h>

struct mark {
    uint32_t off, len; /* the record's bytes within the chunk; without its line end */
    uint32_t end;      /* where it ends in the source, line end included, from the chunk's start */
    uint16_t stream;   /* index into the batch's streams */
    uint16_t more;     /* 1: the next mark continues this record (one entry at the sink) */
    int64_t time;      /* UTC nanoseconds */
};
