/*
 * loki_request: some leases that one slot sends, and which of their entries are still to be sent.
 *
 * Entries are counted through the request: lease by lease, and within one, stream by stream. A span is a run of
 * them. What is left is a stack of spans in that order; the top one is sent next. A refusal splits it, between two
 * streams if it has several, else in the middle; a single entry that is refused becomes a dead letter. So a
 * request of N entries takes at most 2N - 1 sends, what was accepted is never sent after what came later, and an
 * entry that is sent again is the same to the byte.
 *
 * It does not know about HTTP: loki.c sends, and says what came of it. Thread: the sink's.
 */
#pragma once

#include "core/letters/letters.h"
#include "out/loki/loki_rules.h"
#include "out/times.h"

enum { SPANS_MAX = 2 + 32 }; /* the depth of halving 2^32 entries */

struct span {
    uint32_t from, to;
};

struct request_lease {
    struct lease *lease;
    uint32_t entries;
    uint64_t cut; /* bytes cut off lines of what was encoded last */
    struct outcome outcome;
};

struct loki_request {
    struct scope scope;
    struct request_lease *leases;
    unsigned n;
    uint32_t entries;
    uint64_t bytes; /* of all their records */
    struct times times; /* by which all of it is judged */
    uint32_t buried;    /* up to here the dead letters by their times are refused */
    uint32_t sent;      /* entries of what was encoded last, and what was found of their times */
    uint32_t verdicts[TIMES_VERDICTS];
    uint32_t demoted; /* of those: without a label that max_streams took from them */
    struct span todo[SPANS_MAX];
    unsigned n_todo;
    bool asked, waited; /* for the intents */
};

/* Takes the first n leases of the list. NULL: no memory, nothing taken. r->times is to be set. */
struct loki_request *loki_request_new(struct scope *owner, struct qnode **head, unsigned n);
/* All is accepted or dropped: secures the leases in their order and frees the request. */
void loki_request_secured(struct loki_request *r);
/* Gives them back unsecured. */
void loki_request_returned(struct loki_request *r);

static inline bool loki_request_done(const struct loki_request *r)
{
    return r->n_todo == 0;
}
/* The span to be sent next. */
static inline struct span loki_request_next(const struct loki_request *r)
{
    return r->todo[r->n_todo - 1];
}

/* Bytes of a span's records, more or less: as if all were as long. */
static inline uint64_t loki_request_bytes(const struct loki_request *r, struct span s)
{
    return r->entries ? (uint64_t)((double)r->bytes * (s.to - s.from) / r->entries) : 0;
}

/*
 * Encodes the next span behind what is in `out`, without those entries whose times make them dead letters; r->sent may be
 * 0 then. 0 or -errno.
 */
int loki_request_encode(struct loki_request *r, struct buf *out, struct loki_rulebook *rules);

/*
 * Before the first send, when it is encoded: asks for the intents of its leases (core/intents.h), once. Whether it has to wait
 * for them: until `wake` is nudged, and then perhaps again.
 */
bool loki_request_waits(struct loki_request *r, struct loki_rulebook *rules, struct nudge *wake);

/* The next span was accepted, as it was encoded last. Returns how many entries were sent. */
uint32_t loki_request_accepted(struct loki_request *r);
/* It was refused: false when it is a single entry (or, with only_streams, of a single stream): drop it. */
bool loki_request_split(struct loki_request *r, bool only_streams);
/* Its entries will never be taken, as `says` explains. How many; or -ENOMEM: some of them are still to be sent. */
int64_t loki_request_refuse(struct loki_request *r, enum letter_code code, const char *says);
/*
 * Refuses those whose times make them dead letters, so that they are in none of the spans' bodies. Before anything is encoded.
 * How many; or -ENOMEM: call again.
 */
int64_t loki_request_bury(struct loki_request *r);

/*
 * Whether the text of a 400 says that each of `entries` was refused, so that no halving is needed: "N errors like: ...;
 * M errors like: ...; ..." adds up to them, or, for a single stream, "total ignored: N out of N".
 */
bool loki_refused_all(const char *body, uint32_t entries, bool single_stream);
bool loki_request_single_stream(const struct loki_request *r);
/* What the text of a 400 means for an entry (the messages of Loki's pkg/validation). */
enum letter_code loki_refusal_code(const char *body);
