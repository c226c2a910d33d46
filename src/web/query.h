/*
 * query: numbers in a request's query.
 */
#pragma once

#include "web/server.h"

/* A page of a long list, from ?limit= and ?offset=. */
struct page {
    uint64_t limit, offset;
};
/* A number that is none is as if it were not there. */
struct page request_page(struct request *q, uint64_t limit);
bool page_number(const char *text, uint64_t *number); /* digits only; false: none, or it does not fit */
/* false: it is not from `least` to `most`, and the reply says so. One that is not there leaves *value as it is. */
bool request_number(struct request *q, const char *name, uint64_t least, uint64_t most, uint64_t *value);
