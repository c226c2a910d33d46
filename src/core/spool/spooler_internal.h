/* What the spooler's files share. Nobody else includes it. */
#pragma once

#include "core/dispatcher.h"
#include "core/source.h"
#include "core/spool/spooler.h"

enum job_state { JOB_NEW, JOB_WRITTEN, JOB_READY /* synced, or nothing is to be written */ };

/* ---- spooler.c ---- */

static inline struct account *account_of_lease(const struct lease *l)
{
    return source_account(l->batch->source, l->sink);
}
/* What secures the lease, without a reference on the source; a sink that has the lease too may be at work on it. */
void lease_to_secure(const struct lease *l, struct secured *s);
/* The lane was changed: a commit follows. Under the book's lock. */
void spooled_changed(struct spooled *s);
/* The job is off the list: lets go of what it held. */
void job_release(struct spooler *sp, struct lease *l);
void spooler_say(struct spooler *sp, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One turn of the thread: what came is written and secured, and what waits is given to sinks that have room. */
void spooler_pass(struct spooler *sp);

/* ---- spooler_rows.c ---- */

void spooled_end(struct spooled *p); /* its sink has no part in the spool any more */
void orphans_end(struct spooler *sp); /* what they have is not kept any more */

/* ---- spooler_write.c ---- */

/* Leases of sinks that have room by now and nothing in the spool go to them without it. */
void write_shortcuts(struct spooler *sp);
/* Writes what is new and syncs it. Partly: there is no room for more. */
enum written { WRITTEN_ALL, WRITTEN_PARTLY, WRITTEN_NOT };
enum written write_jobs(struct spooler *sp);
/* Secures what was synced. false: something waits for its sink. */
bool write_commits(struct spooler *sp);

/* ---- spooler_read.c ---- */

/* Gives the sink what it has room for. */
void read_back(struct spooled *s);
/* What the ledger still has in the spool, though nothing is there. */
void read_losses(struct spooled *s);
/* Finds segments that are not needed any more. */
void segments_give_up(struct spooler *sp);
/* Removes those that were given up, when state.db has it. */
void segments_remove(struct spooler *sp);
/* Makes room for so many bytes, as configured. false: there is none now. */
bool segments_make_room(struct spooler *sp, uint64_t size);
