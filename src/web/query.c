#include "web/query.h"

#include <inttypes.h>

bool page_number(const char *text, uint64_t *number)
{
    uint64_t n = 0;
    for (const char *c = text; *c; c++)
        if (*c < '0' || *c > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*c - '0'), &n))
            return false;
    *number = n;
    return *text != 0;
}

struct page request_page(struct request *q, uint64_t limit)
{
    const char *asked = request_arg(q, "limit"), *offset = request_arg(q, "offset");
    struct page page = {.limit = limit};
    if (asked)
        page_number(asked, &page.limit);
    if (offset)
        page_number(offset, &page.offset);
    return page;
}

bool request_number(struct request *q, const char *name, uint64_t least, uint64_t most, uint64_t *value)
{
    const char *text = request_arg(q, name);
    if (!text || (page_number(text, value) && *value >= least && *value <= most))
        return true;
    request_fail(q, 400, "%s is a number from %" PRIu64 " to %" PRIu64, name, least, most);
    return false;
}
