/* The first byte is the number of lines to find at most; the rest is compared with a search by memchr(). */
#include <stdlib.h>
#include <string.h>

#include "codec/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1 << 16)
        return 0;
    const char *text = (const char *)data + 1, *end = (const char *)data + size, *start = text;
    uint32_t cap = data[0] ? data[0] : (uint32_t)size, consumed, n = 0;
    struct mark *marks = malloc((cap + !cap) * sizeof *marks);
    uint32_t found = lines_mark(text, (uint32_t)(size - 1), marks, cap, &consumed);

    for (const char *nl; n < cap && (nl = memchr(start, '\n', (size_t)(end - start))); n++, start = nl + 1) {
        size_t len = (size_t)(nl - start);
        len -= len && nl[-1] == '\r';
        if (n >= found || marks[n].off != start - text || marks[n].len != len ||
            marks[n].end != nl + 1 - text)
            abort();
    }
    if (n != found || consumed != start - text)
        abort();
    free(marks);
    return 0;
}
