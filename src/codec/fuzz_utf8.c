/* Validity and repair against a decoder that goes character by character, by the table of RFC 3629, 4. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    uint8_t low[4], high[4];
    unsigned len;
} table[] = {
    {{0x00}, {0x7f}, 1},
    {{0xc2, 0x80}, {0xdf, 0xbf}, 2},
    {{0xe0, 0xa0, 0x80}, {0xe0, 0xbf, 0xbf}, 3},
    {{0xe1, 0x80, 0x80}, {0xec, 0xbf, 0xbf}, 3},
    {{0xed, 0x80, 0x80}, {0xed, 0x9f, 0xbf}, 3},
    {{0xee, 0x80, 0x80}, {0xef, 0xbf, 0xbf}, 3},
    {{0xf0, 0x90, 0x80, 0x80}, {0xf0, 0xbf, 0xbf, 0xbf}, 4},
    {{0xf1, 0x80, 0x80, 0x80}, {0xf3, 0xbf, 0xbf, 0xbf}, 4},
    {{0xf4, 0x80, 0x80, 0x80}, {0xf4, 0x8f, 0xbf, 0xbf}, 4},
};

/* How many bytes at p begin a character, at least 1 to go on; *whole: they are all of it. */
static size_t longest_part(const uint8_t *p, size_t n, bool *whole)
{
    size_t best = 1;
    *whole = false;
    for (unsigned row = 0; row < sizeof table / sizeof *table; row++) {
        size_t i = 0;
        while (i < table[row].len && i < n && p[i] >= table[row].low[i] && p[i] <= table[row].high[i])
            i++;
        *whole |= i == table[row].len;
        best = i > best ? i : best;
    }
    return best;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t repaired = utf8_repaired_size(text, size), at = 0;
    bool valid = true;
    char *room = malloc(repaired + 1), *out = malloc(repaired + 1);

    if (utf8_repair(text, size, out) != repaired || !utf8_valid(out, repaired))
        abort();
    for (size_t i = 0, part; i < size; i += part) {
        bool whole;
        part = longest_part(data + i, size - i, &whole);
        valid &= whole;
        size_t n = whole ? part : 3;
        if (repaired - at < n || memcmp(out + at, whole ? text + i : "\xef\xbf\xbd", n))
            abort();
        for (size_t max = i + 1; whole && max < i + part; max++) {
            if (utf8_cut(text, size, max) != i)
                abort();
        }
        for (size_t max = at, fit; max < at + n; max++) {
            if (utf8_fit(text, size, max, &fit) != i || fit != at)
                abort();
        }
        at += n;
    }
    if (at != repaired || utf8_valid(text, size) != valid)
        abort();
    if (repaired >= size) {
        memcpy(room + repaired - size, data, size);
        if (utf8_repair(room + repaired - size, size, room) != repaired || memcmp(room, out, repaired))
            abort();
    }
    free(room);
    free(out);
    return 0;
}
