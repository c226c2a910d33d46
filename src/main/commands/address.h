/*
 * address: where the agent that works with a state directory answers over HTTP: the file `http` in it.
 *
 * It is what holds, whatever the configuration file says by now (a port only changes with a restart; port 0 is the kernel's to
 * choose). It counts only while an agent holds the lock of the directory: one that was killed leaves it behind.
 */
#pragma once

#include "base/scope.h"
#include "config/config.h"

struct address {
    char host[256];
    uint32_t port;
    bool tls;
};

/* What the agent listens on, `port` as bound. Failing is said in the log; whoever asks then follows the configuration. */
void address_write(struct scope *scope, const char *state_dir, const struct address *a);
void address_remove(const char *state_dir);
/* The running agent's, or what the configuration says. */
void address_find(struct scope *scope, const struct config *c, struct address *a);
