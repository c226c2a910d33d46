/*
 * stdout: entries on standard output, as text or JSON lines (entry.h). For dry runs and containers.
 *
 * Thread: the sink's. Nothing here blocks: a pipe or terminal is opened again through /proc, so
 * that O_NONBLOCK does not change it for those who share it; where that is refused the flag is set
 * on descriptor 1 and taken back at the end. Regular files are always ready. A reader that is slow
 * stops the sink, not the agent; one that has gone (EPIPE) is said once, and what was not written
 * stays unsecured.
 */
#pragma once

#include "core/sink.h"

extern const struct sink_type stdout_sink;
