/*
 * secret: a password, a token, or a certificate or its key, given as such or in a file that is read again when it changed.
 *
 * A file that cannot be read, or is larger than SECRET_MAX, is said once; what was read before goes on being used.
 * Thread: one at a time: a sink's, or web's. The value is wiped when it is replaced and when the secret ends.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/mem.h"

enum { SECRET_MAX = 16 * 1024 }; /* bytes of its file */

struct secret {
    const char *file; /* "": `fixed` is the value */
    const char *fixed;
    struct scope *owner;
    char *value; /* a block, NULL until read */
    struct timespec changed;
    ino_t inode;
    off_t size;
    bool said;
};

void secret_begin(struct secret *s, struct scope *owner, const char *fixed, const char *file);
void secret_end(struct secret *s);
/* The value as it is now, without white space at its end; "" when none is configured; NULL when there is none yet. */
const char *secret_get(struct secret *s);
