/* The fallback file's parser: as it comes, and with a checksum that holds, so that lines are reached. */
#define XXH_STATIC_LINKING_ONLY
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"
#include "store/store_fallback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const char *s)
{
    assert(strlen(s) < 1 << 20);
}

static int source(const struct store_source *row, void *arg)
{
    use(row->key);
    use(row->name);
    assert(row->seen >= 0);
    return 0;
}

static int position(const struct store_position *row, void *arg)
{
    use(row->source_key);
    use(row->sink);
    return 0;
}

static int file(const struct store_file *row, void *arg)
{
    use(row->sink);
    use(row->path);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fallback_rows rows = {source, position, file, NULL};
    static const char header[] = "logcap-positions\t1\n";
    enum { SUM = 26 };
    size_t head = sizeof header - 1;
    if (size > 1 << 20)
        return 0;
    char *copy = mem_raw_alloc(head + size + SUM + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    (void)fallback_parse(copy, size, &rows);
    memcpy(copy, header, head);
    memcpy(copy + head, data, size);
    snprintf(copy + head + size, SUM + 1, "checksum\t%016" PRIx64 "\n", (uint64_t)XXH64(copy, head + size, 0));
    (void)fallback_parse(copy, head + size + SUM, &rows);
    mem_raw_free(copy);
    return 0;
}
