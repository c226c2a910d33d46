/* The head of a record in the spool and a body's labels: as they come, and with a checksum that holds. */
#define XXH_STATIC_LINKING_ONLY
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "store/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HASH_AT = 8, HASHED_FROM = 16 }; /* see struct disk_head in spool_record.c */

static void parse(const char *bytes, size_t n)
{
    struct spool_head h;
    int r = spool_parse_head(bytes, n, &h);
    assert(r != -EAGAIN || (h.next > n && h.next <= SPOOL_HEAD_MAX));
    if (r < 0)
        return;
    assert(h.n_sinks <= SINKS_MAX && h.n_streams <= SPOOL_STREAMS && h.labels_size <= SPOOL_LABELS_MAX);
    size_t sum = strlen(h.key) + strlen(h.name) + strlen(h.cursor);
    for (unsigned i = 0; i < h.n_sinks; i++) {
        sum += strlen(h.sinks[i].name);
        assert(h.sinks[i].first <= h.n_marks);
    }
    assert(sum < n);
}

static void labels(const char *bytes, size_t n)
{
    struct label items[STREAM_LABELS];
    const char *at = bytes, *end = bytes + n;
    int count;
    while ((count = spool_next_labels(&at, end, items)) >= 0)
        for (int i = 0; i < count; i++)
            assert(items[i].name + strlen(items[i].name) < items[i].value && items[i].value + strlen(items[i].value) < end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char begin[] = "LCS1";
    if (size > SPOOL_HEAD_MAX)
        return 0;
    char *copy = mem_raw_alloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    parse(copy, size);
    labels(copy, size);
    if (size >= HASHED_FROM) {
        uint32_t head_size = (uint32_t)size;
        memcpy(copy, begin, 4);
        memcpy(copy + 4, &head_size, sizeof head_size);
        uint64_t sum = XXH3_64bits_withSeed(copy + HASHED_FROM, size - HASHED_FROM, size);
        memcpy(copy + HASH_AT, &sum, sizeof sum);
        parse(copy, size);
    }
    mem_raw_free(copy);
    return 0;
}
