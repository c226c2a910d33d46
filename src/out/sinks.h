/*
 * sinks: the table of sink types by name, the `type` of a sink in the configuration.
 */
#pragma once

#include "core/sink.h"

const struct sink_type *sink_type_find(const char *name); /* NULL: no such type */
/* The i-th type, for messages that name them all; NULL at the end. */
const struct sink_type *sink_type_at(unsigned i);
