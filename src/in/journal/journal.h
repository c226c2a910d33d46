/*
 * journal: systemd's journal as one source, read through libsystemd on the collector's loop.
 *
 * Position: records are counted (ordinals), and the entry's cursor says where that is. At the start
 * reading goes on behind the cursor of the sink that is furthest behind; where the others stand in
 * the same count is found by walking on from there to their cursors. A cursor whose entry was
 * vacuumed means: on at the next entry that exists.
 *
 * An entry is one record, its MESSAGE as it is, with the entry's realtime stamp; within its microsecond the number of the
 * entry tells apart what a service printed at once, the same at each reading. A message over
 * max_line_bytes is split into several, at most SPLIT_MAX; what is beyond is cut and counted. The
 * pieces of an entry stay in one batch. Labels: source, service (the unit's name or the
 * identifier), instance, unit, priority, identifier, and the configuration's. Entries of logcap
 * itself are never read: by process, by identifier, by unit.
 *
 * Bounded: a turn reads one batch, then lets the loop go round. Without a journal, or when it
 * fails, it is opened again every 30 s; both are said once. That there is none is a fault only if the
 * configuration says something of the journal, or if it was there before: many hosts have none.
 *
 * Handles: the sd_journal is one BIRTH_HANDLE; the descriptors and mappings it opens are
 * libsystemd's, and end with it.
 */
#pragma once

#include "core/dispatcher.h"
#include "core/past.h"

struct journal;

int journal_begin(struct journal **out, struct scope *owner, struct loop *loop,
                  const struct config *config, struct dispatcher *dispatcher, struct past *past);
/*
 * Follows another configuration with the same directory, which must stay until the next one or the end; nothing comes twice.
 * Not enabled: it rests, and goes on where it was. The loop's thread, or while that is paused.
 */
void journal_reload(struct journal *j, const struct config *config);
void journal_end(struct journal *j); /* NULL is allowed */

/* For `logcap check`: NULL, or why there would be nothing to read now. */
const char *journal_missing(struct scope *scope, const struct config *config);
