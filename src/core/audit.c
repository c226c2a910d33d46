#include "core/audit.h"

#include <stdio.h>

#include "base/log.h"
#include "core/sink.h"
#include "core/source.h"

void audit_begin(struct audit *a)
{
    *a = (struct audit){0};
    pthread_mutex_init(&a->lock, NULL);
}

void audit_end(struct audit *a)
{
    pthread_mutex_destroy(&a->lock);
}

static void found(struct audit *a, const char *whose, const char *sink, const char *why)
{
    char sentence[sizeof a->first];
    snprintf(sentence, sizeof sentence, "%.250s at %s: %s", whose, sink, why);
    pthread_mutex_lock(&a->lock);
    if (!a->first[0])
        snprintf(a->first, sizeof a->first, "%s", sentence);
    pthread_mutex_unlock(&a->lock);
    atomic_fetch_add(&a->mismatches, 1);
    log_error("ledger", "does not add up, which must not happen: %s; please report it", sentence);
}

void audit_account(struct audit *a, struct account *account, const struct counts *counts)
{
    char why[200];
    if (account->mismatched || counts_check(counts, why, sizeof why))
        return;
    account->mismatched = true;
    found(a, account->source->name, account->book->sink->name, why);
}

void audit_book(struct audit *a, struct book *b)
{
    struct counts totals;
    char why[200];
    book_totals(b, &totals);
    if (b->mismatched || counts_check(&totals, why, sizeof why))
        return;
    b->mismatched = true;
    found(a, "all sources since this start", b->sink->name, why);
}

void audit_first(struct audit *a, char *text, size_t size)
{
    pthread_mutex_lock(&a->lock);
    snprintf(text, size, "%s", a->first);
    pthread_mutex_unlock(&a->lock);
}
