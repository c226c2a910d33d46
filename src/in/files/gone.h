/*
 * gone: what was read of files that are no more. Who looks like one of them is told from it:
 *
 *   the same inode   begins a new generation, since where no birth time is kept another file may have the number now;
 *                    if it still has the bytes before the position (it was forgotten, not deleted), it goes on there
 *   the same bytes   a compressed copy of what was read already (packed.h) is not read again
 *
 * Limit: the last GONE_MAX. Under the monitor's scope; one thread.
 */
#pragma once

#include "in/files/identity.h"

struct files;

enum { GONE_MAX = 1024 };

struct gone {
    struct identity id;
    uint64_t offset, tail_hash; /* how far it was read */
};

/* Without memory it is forgotten at once. */
void gone_add(struct files *f, const struct identity *id, uint64_t offset, uint64_t tail_hash);
/* The latest generation under this device, inode and birth time, or NULL. Valid until the next gone_add(). */
const struct gone *gone_find(const struct files *f, const struct identity *id);
