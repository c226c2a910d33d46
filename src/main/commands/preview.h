/*
 * preview: what `logcap check` says about containers: which engines it would ask and whether they can be connected to, and whether
 * there are logs of pods. It connects to sockets of this machine, and at once closes again; nothing is asked, and no other host.
 */
#pragma once

#include "config/config.h"

/* On standard output. What it takes lives in the scope. */
void preview_containers(struct scope *scope, const struct config *c);
