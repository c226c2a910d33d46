/*
 * store_letters: the dead letters in state.db (table dead_letters; core/letters/letters.h says what they are).
 *
 * A letter is known by its id, which is never used twice, and by where it came from: the same entry of a source at a
 * sink (its place and its time) is one letter, however often it is refused.
 *
 * Threads and errors: as store.h says. Strings and the line live until fn returns.
 */
#pragma once

#include "store/store.h"

enum { STORE_LETTER_OVERHEAD = 200 }; /* what a letter counts for in store_letter_size(), beside its line and labels */

struct store_letter {
    int64_t id;
    const char *sink, *source_key, *source_name;
    uint64_t place; /* where the entry ends in its source: an offset or an ordinal */
    const char *code, *says;
    int64_t refused_at, tried_at; /* the first and the last time; clock_real() */
    uint64_t attempts;            /* refusals */
    int64_t next_try;             /* clock_real(); 0: not by itself */
    int64_t time;                 /* the entry's, ns */
    const char *labels;           /* a JSON object */
    const void *line;             /* not NULL */
    size_t line_n;
    uint64_t size;                /* when it is read: store_letter_size() */
};
uint64_t store_letter_size(const struct store_letter *l);

/* ---- in a transaction ---- */

/* *again: there is such a letter already; what is new in this one went into it. The id is not used. */
int store_put_letter(struct store *s, const struct store_letter *row, bool *again);
/* It was refused once more. *found: it is still there. */
int store_retry_letter(struct store *s, int64_t id, const char *code, const char *says, int64_t at, int64_t next_try,
                       bool *found);
int store_delete_letter(struct store *s, int64_t id);
/* All that are not tried by themselves and were refused less often than `attempts` times. */
int store_schedule_letters(struct store *s, uint64_t attempts, int64_t next_try);
/* In the ledger of a sink that no account is open for: from dead letters to what was purged. */
int store_purge_ledger(struct store *s, const char *source_key, const char *sink, uint64_t records, uint64_t bytes);

/* ---- reading ---- */

struct store_letter_query {
    int64_t after;          /* ids above this */
    int64_t until;          /* up to this; 0: all */
    const char *sink, *code; /* NULL: any */
    int64_t before;         /* first refused before this; 0: any time */
    int64_t limit;          /* rows looked at */
    bool whole;             /* with labels and line, else NULL and line_n only */
};
/* In the order of their ids. fn says false to end. */
int store_each_letter(struct store *s, const struct store_letter_query *q, bool (*fn)(const struct store_letter *, void *),
                      void *arg);
/* Those whose next_try has come, the most overdue first, without labels and lines. */
int store_each_due_letter(struct store *s, const char *sink, int64_t now, int64_t limit,
                          bool (*fn)(const struct store_letter *, void *), void *arg);
/* One with its labels and line; *found: fn was called. */
int store_find_letter(struct store *s, int64_t id, bool (*fn)(const struct store_letter *, void *), void *arg, bool *found);

/* What letters of a source at a sink with one code come to; there may be several such sums, which add up. */
struct store_letter_sum {
    const char *sink, *source_key, *source_name, *code;
    uint64_t letters, bytes, size; /* bytes: of lines; size: store_letter_size() */
};
int store_each_letter_sum(struct store *s, bool (*fn)(const struct store_letter_sum *, void *), void *arg);
/* The highest id ever given; 0: none. */
int store_last_letter(struct store *s, int64_t *id);
