/*
 * collector: the thread that reads. One loop with all sources of the host: files and the journal.
 *
 * Begun after the sinks have started, ended before they stop: ending it stops all reading at once; what was
 * read and is not secured is read again after the next start.
 */
#pragma once

#include "base/thread.h"
#include "core/dispatcher.h"
#include "core/past.h"

struct files;
struct journal;

struct collector {
    struct thread thread;
    struct loop loop;
    const struct config *config;
    struct dispatcher *dispatcher;
    struct past *past;
    struct files *files; /* NULL: not enabled, or could not begin */
    struct journal *journal;
};

int collector_begin(struct collector *c, struct scope *owner, const struct config *config,
                    struct dispatcher *dispatcher, struct past *past);
void collector_end(struct collector *c);
