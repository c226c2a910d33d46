/*
 * restart: whether this process is better ended and begun anew, because one of its threads hangs (leak/watch/hung.h). Main asks before
 * each sign of life to the service manager (service.h), and keeps it back then; it says so before, and when the thread goes on.
 *
 * What hangs must hang in RESTART_LOOKS looks: after a pause of the whole machine, or of the process, main may be the first that
 * runs again and find that nobody else gave a sign of life.
 * Thread: main's.
 */
#pragma once

#include "config/config.h"
#include "leak/watch/hung.h"

enum { RESTART_LOOKS = 2 };

struct restart {
    const struct config *const *config; /* the one in force */
    int64_t started;                    /* clock_mono() of the process's start */
    unsigned looks;                     /* in a row */
    uint32_t said;                      /* the id of the thread it was said of; 0: of none */
};

bool restart_is_due(struct restart *r);
