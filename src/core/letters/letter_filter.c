#include "core/letters/letter_filter.h"

#include <stdlib.h>
#include <string.h>

#include "codec/glob.h"

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

void letter_filter_sort(struct letter_filter *f)
{
    qsort(f->ids, f->n_ids, sizeof *f->ids, by_id);
}

struct store_letter_query letter_filter_query(const struct letter_filter *f, int64_t now)
{
    struct store_letter_query q = {
        .sink = f->sink[0] ? f->sink : NULL,
        .code = f->code[0] ? f->code : NULL,
        .before = f->older_than ? now - f->older_than + 1 : 0,
    };
    if (f->n_ids) {
        q.after = f->ids[0] - 1;
        q.until = f->ids[f->n_ids - 1];
    }
    return q;
}

bool letter_filter_takes(const struct letter_filter *f, const struct store_letter *l)
{
    if (f->n_ids && !bsearch(&l->id, f->ids, f->n_ids, sizeof *f->ids, by_id))
        return false;
    return !f->source[0] || strcmp(f->source, l->source_key) == 0 || glob_match(f->source, l->source_name);
}
