/*
 * null: the sink that secures everything at once and keeps nothing. For measuring what comes before
 * a sink.
 */
#pragma once

#include "core/sink.h"

extern const struct sink_type null_sink;
