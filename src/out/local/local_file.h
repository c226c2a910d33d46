/*
 * local_file: entries as lines of local files, once each, also over a crash.
 *
 * A lease is written, then synced with others (every sync_interval, or when half of the queue is
 * written), then secured: positions and the lengths of the files go to the store in one transaction
 * (local_rows.h). Text lines are written straight from the batch. Leases are held until the sync,
 * so that a sync that fails costs nothing: the files are cut back and the leases written again.
 *
 * The default name, {path}, mirrors where lines come from: a file's copy is the file. See
 * local_pattern.h; rotation, compression and retention are local_rotate.h.
 *
 * When the disk is full, read-only or broken the sink says so once, holds what it has (so its
 * sources wait), and tries again with a backoff of 1 to 30 s.
 */
#pragma once

#include "core/sink.h"

extern const struct sink_type local_file_sink;

