/* Whatever it reads: it ends, within the text, and a stack has the frames that it says. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "codec/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heap_reader r;
    struct heap_stack s;
    char *text = malloc(size ? size : 1); /* of its own, so that a read behind it is seen */
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    if (heap_begin(&r, text, size) == 0)
        while (heap_next(&r, &s) == 1) {
            assert(s.n <= HEAP_FRAMES && r.at <= r.end);
            assert(heap_scale(s.objects, s.bytes, r.rate) >= 0);
        }
    free(text);
    return 0;
}
