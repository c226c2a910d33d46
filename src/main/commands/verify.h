/*
 * verify: what `logcap verify` looks at: one part a kind of store, in the table of cmd_verify.c. A part prints a line or
 * more of what it found, each begun with the file's name, and never changes anything unless repair is asked for.
 */
#pragma once

#include "base/scope.h"

struct verify {
    struct scope *scope;
    const char *state_dir;
    const char *spool_dir;
};

enum verify_outcome {
    VERIFY_GOOD,
    VERIFY_DAMAGED, /* repair() can set it aside or mend it */
    VERIFY_WRONG,   /* no repair would make it right, or it cannot be read */
};

struct verify_part {
    enum verify_outcome (*look)(struct verify *v);
    int (*repair)(struct verify *v); /* no agent runs; 0 or -errno, with its reason in the log */
};

extern const struct verify_part verify_store; /* state.db, the fallback file */
extern const struct verify_part verify_spool; /* the disk buffer's segments */
