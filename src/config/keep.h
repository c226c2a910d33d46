/* keep: what a running agent goes on with though the file says otherwise by now, because only a restart changes it. */
#pragma once

#include "config/config.h"

/*
 * Puts the values that only a restart changes (config_needs_restart()) back to what runs, so that `next` says what will be in
 * force: ports and directories. Copies; `running` may go. 0 or -ENOMEM.
 */
int config_keep(struct config *next, const struct config *running);
