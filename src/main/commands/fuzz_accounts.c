/* Any bytes as an agent's answer: rows that are complete and in order, or a refusal, and nothing left over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/census.h"
#include "main/commands/accounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rows(const struct accounts *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct accounts_row *row = a->rows[i], *before = i ? a->rows[i - 1] : NULL;
        if (!row->source || !row->key || !row->sink || !row->live)
            abort();
        int order = before ? strcmp(before->source, row->source) : -1;
        if (order > 0 || (order == 0 && strcmp(before->key, row->key) == 0 && strcmp(before->sink, row->sink) >= 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scope s;
    uint64_t total = 0;
    if (scope_begin(&s, &scope_root, "fuzz") < 0)
        abort();
    struct accounts a = {.scope = &s};
    int r = accounts_read_page(&a, (const char *)data, size, &total);
    if (r == -ENOMEM || (r == 0 && total > INT64_MAX) || accounts_sort(&a) < 0)
        abort();
    check_rows(&a);
    scope_end(&s);
    if (!census_empty(stderr))
        abort();
    return 0;
}
