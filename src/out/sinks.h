/*
 * sinks: the table of sink types by name, the `type` of a sink in the configuration.
 */
#pragma once

#include "core/sink.h"

const struct sink_type *sink_type_find(const char *name); /* NULL: no such type */
