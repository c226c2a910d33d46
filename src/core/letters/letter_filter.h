/*
 * letter_filter: which dead letters are meant. What is not set means any. Plain data; any thread.
 */
#pragma once

#include "store/store_letters.h"

enum { LETTER_IDS = 256, LETTER_GLOB = 1024, LETTER_WORD = 128 };

struct letter_filter {
    char sink[LETTER_WORD], code[LETTER_WORD];
    char source[LETTER_GLOB];  /* a pattern (codec/glob.h) of the source's name, or its key */
    int64_t older_than;        /* ns; first refused at least so long ago */
    int64_t ids[LETTER_IDS];   /* ascending, see letter_filter_sort() */
    unsigned n_ids;
};

void letter_filter_sort(struct letter_filter *f);
/* What the database can choose by itself; `f` must outlive the query. */
struct store_letter_query letter_filter_query(const struct letter_filter *f, int64_t now);
/* The rest of it. */
bool letter_filter_takes(const struct letter_filter *f, const struct store_letter *l);
