/*
 * targets: what the open descriptors are, by type and by what they lead to: the path of a file, the address of a peer. For alerts:
 * "380 tcp_close_wait to 10.0.0.5:3100" says more than 380 numbers.
 *
 * A peer's port is left out where it is one that a client gets from its kernel (from PORTS_OF_CLIENTS on): connections of one client
 * are one target. Groups beyond TARGETS_SEEN are counted together. Costs some 2 us a descriptor. Any thread.
 */
#pragma once

#include "codec/doc.h"
#include "leak/watch/kernel.h"

enum { TARGETS_SEEN = 128, TARGETS_SHOWN = 10, PORTS_OF_CLIENTS = 32768 };

/* An array of {type, target, count}, the most first. open: those to look at; what was closed meanwhile is passed over. */
void targets_write(struct doc *d, const char *key, const struct numbers *open, struct scope *scratch);
