/*
 * audit: whether the ledger adds up, looked at where it costs next to nothing: each account when the keeper stores it
 * (only those that changed), each sink's totals with every commit and each minute.
 *
 * A mismatch is never normal: it is a bug, or somebody changed the store. It is said once for each account or sink,
 * counted, and makes /health unhealthy, until the agent ends.
 *
 * Threads: the keeper's, but for the count and audit_first(), which are anybody's.
 */
#pragma once

#include "core/ledger.h"

struct audit {
    _Atomic uint64_t mismatches; /* accounts and sinks that do not add up */
    pthread_mutex_t lock;
    char first[512]; /* the first one's sentence; under the lock */
};

void audit_begin(struct audit *a);
void audit_end(struct audit *a);

/* `counts`: a copy of one moment. The account belongs to a source that the caller has a reference on. */
void audit_account(struct audit *a, struct account *account, const struct counts *counts);
void audit_book(struct audit *a, struct book *b);

/* What was found first: "/var/log/x at loki: taken 3 records ..."; "" when all adds up. */
void audit_first(struct audit *a, char *text, size_t size);
