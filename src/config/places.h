/*
 * places: where things are when the configuration does not say: by user and by environment.
 */
#pragma once

#include "config/config.h"

#define CONFIG_USUAL_FILE "/etc/logcap/logcap.yaml"

/* Absolute, in the arena; NULL: out of memory. */
const char *place_state_dir(struct scope *s);
const char *place_logs_dir(struct scope *s, const char *state_dir);
const char *place_host(struct scope *s);
