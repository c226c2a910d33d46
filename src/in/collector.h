/*
 * collector: the thread that reads. One loop with all sources of the host: files, the journal and containers.
 *
 * Begun after the sinks have started, ended before they stop: ending it stops all reading at once; what was
 * read and is not secured is read again after the next start.
 */
#pragma once

#include "base/thread.h"
#include "core/dispatcher.h"
#include "core/past.h"

struct containers;
struct files;
struct files_stats;
struct journal;

struct collector {
    struct thread thread;
    struct loop loop;
    struct nudge start;
    const struct config *files_config, *journal_config, *containers_config; /* what those follow */
    struct dispatcher *dispatcher;
    struct past *past;
    struct files *_Atomic files; /* NULL: not enabled, or could not begin */
    struct journal *journal;
    struct containers *_Atomic containers; /* as files */
};

int collector_begin(struct collector *c, struct scope *owner, const struct config *config,
                    struct dispatcher *dispatcher, struct past *past);
/*
 * Follows another configuration where it differs. 0, or -errno and what failed goes on as it was (the log says so). While
 * the collector's loop is paused. The configurations in files_config, journal_config and containers_config must stay.
 */
int collector_reload(struct collector *c, const struct config *config);
/* A sink came, with what the store knew of it. While the collector's loop is paused. */
void collector_add_sink(struct collector *c, const struct sink *sink);
/* Any thread, until the end. NULL: no files are read. */
const struct files_stats *collector_files(const struct collector *c);
/* Any thread but that which ends it. NULL: none are read. */
struct containers *collector_containers(const struct collector *c);
void collector_end(struct collector *c);
