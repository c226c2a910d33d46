/*
 * letters: the dead letters: entries that a sink will never take, kept whole in state.db until somebody looks at them,
 * sends them again or throws them away.
 *
 * A sink calls lease_refuse() for each entry that is refused for good, and ends the lease as ever. What was refused holds
 * the batch (nothing is copied) until the letters are committed, in the same transaction as the ledger and the position
 * of that moment: no letter is lost or doubled, whenever the process dies. Until then it counts in the sink's `held`, so
 * that a store that cannot write stops the readers and not the memory. In the ledger it is `dead`.
 *
 * Sent again (replay: by an operator, or by itself if dead_letters.reprocess says so) letters go as batches of an origin to
 * the sink that refused them, a round at a time: at most ROUND_LETTERS and about ROUND_BYTES, reserved from the pool
 * before they are read, and the next round when the last is delivered and committed; what is read live has the rest.
 * Delivered: the letter goes, and the ledger moves from dead to delivered, in one transaction. Refused again: it stays, and
 * its attempts are counted. Removed (max_size and max_age: the oldest; or an operator): from dead to dropped,
 * DROP_PURGED, in one transaction too.
 *
 * Files: letters.c the life and what a commit does; letters_refused.c the sinks' side; letters_round.c replay;
 * letters_jobs.c what operators ask for, and the limits; letters_load.c what the last process left.
 *
 * Threads: letters_begin() and letters_end() main's; lease_refuse() the sink's; letters_ask() and letters_numbers() any;
 * all else the store's, where it is the keeper's guest.
 */
#pragma once

#include "core/keeper.h"
#include "core/letters/letter_filter.h"
#include "core/letters/letters_alert.h"
#include "core/past.h"

enum letter_code {
    LETTER_INVALID,     /* the server says so, without a reason that we know */
    LETTER_TOO_LONG,
    LETTER_TOO_OLD,     /* or too far behind its stream */
    LETTER_TOO_NEW,
    LETTER_BLOCKED,     /* by the server's policy */
    LETTER_MAX_RETRIES, /* it might have been taken, had anybody waited */
    LETTER_OTHER,       /* of a later version's letters */
    LETTER_CODES
};
const char *letter_code_name(enum letter_code code);
enum letter_code letter_code_of(const char *name); /* LETTER_OTHER: none of ours */

enum { LETTER_SAYS = 300, LETTER_JOBS = 8 };

/* ---- the sinks' side ---- */

/*
 * The server will never take the entry over marks [mark, next), and `says` why. Adds it to `outcome`: as dead, or, where
 * there are no dead letters, as DROP_INVALID. 0, or -ENOMEM and nothing happened: ask the server again later.
 */
int lease_refuse(struct lease *l, uint32_t mark, uint32_t next, enum letter_code code, const char *says,
                 struct outcome *outcome);
/* For sink.c, which ends leases. The book's lock is held. */
void refused_settle(const struct secured *s);
/* It is not held. NULL: nothing. */
void refused_forget(struct refused *list);

/* ---- what operators see and ask for ---- */

struct letter_tally {
    uint64_t letters, bytes, size; /* bytes: of lines; size: what they count for against max_size */
};

struct letter_numbers {
    struct letter_tally there[SINKS_MAX + 1][LETTER_CODES]; /* the last: of sinks that are not configured now */
    struct letter_tally all;
    uint64_t refused[SINKS_MAX][LETTER_CODES]; /* since this start, replays too */
    uint64_t delivered[SINKS_MAX], purged;     /* since this start; letters */
    uint64_t in_a_minute;
    bool alert;
    int64_t oldest; /* first refused then, clock_real(); as of the last look, 0: none */
};

enum letter_verb { LETTER_REPLAY, LETTER_PURGE };
const char *letter_verb_name(enum letter_verb verb);

/* What became of something that was asked for; kept until newer ones take its place. */
struct letter_job {
    uint64_t id;
    enum letter_verb verb;
    bool done;
    int64_t asked, ended; /* clock_real() */
    uint64_t sent, delivered, refused, purged;
};

struct letters;
void letters_numbers(struct letters *l, struct letter_numbers *numbers);
/* Newest first; returns how many. */
unsigned letters_jobs(struct letters *l, struct letter_job jobs[LETTER_JOBS]);
/* For the letters that are there now. 0 and the job's id; -EBUSY: LETTER_JOBS are under way; -ENOMEM. */
int letters_ask(struct letters *l, enum letter_verb verb, const struct letter_filter *filter, uint64_t *id);

/* ---- life ---- */

/*
 * After past_load(), before the keeper begins and the sinks start. Reads what is there, brings the accounts in line with it
 * and gives each sink its letters_at. NULL: no memory.
 */
struct letters *letters_begin(struct scope *owner, const struct config *config, struct store *store, const struct past *past,
                              struct pool *pool, struct sink *const *sinks, unsigned n_sinks);
struct keeper_guest *letters_guest(struct letters *l);
/* Another configuration, while the store's thread is paused. It must stay until the next. */
void letters_change(struct letters *l, const struct config *config);
/*
 * A sink that comes, after past_rejoin(), or goes, after its last commit, while all others are paused; n_sinks: how many there
 * are now of those that letters_begin() was given. The letters of one that goes stay. 0 or -errno.
 */
int letters_add(struct letters *l, struct sink *sink, unsigned n_sinks, const struct past *past);
void letters_remove(struct letters *l, struct sink *sink, unsigned n_sinks);
/* After the keeper has ended, before sinks and sources. */
void letters_end(struct letters *l); /* NULL is allowed */
