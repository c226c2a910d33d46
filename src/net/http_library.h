/*
 * http_library: what libcurl and c-ares keep for the whole process, and the memory they take.
 *
 * libcurl is opened (libcurl.h) and both libraries are initialised with the first holder and cleaned up with the last, with our allocator as
 * theirs, so that http_library_bytes() is what they hold at this moment (GnuTLS takes its own).
 *
 * Threads: any; a lock guards the count of holders, the byte counter is atomic.
 */
#pragma once

#include <stdint.h>

#include "base/scope.h"

struct http_library {
    struct thing thing; /* a handle: one hold */
};

int http_library_begin(struct http_library *l, struct scope *owner);
void http_library_end(struct http_library *l);
uint64_t http_library_bytes(void);
