#include "codec/lines.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline uint32_t line_add(const char *data, uint32_t start, uint32_t newline, struct mark *m)
{
    uint32_t len = newline - start;
    len -= len && data[newline - 1] == '\r';
    *m = (struct mark){.off = start, .len = len, .end = newline + 1};
    return newline + 1;
}

#ifdef __SSE2__
/* One bit for each of 64 bytes: whether it is a newline. */
static inline uint64_t newline_bits(const char *p)
{
    const __m128i newline = _mm_set1_epi8('\n');
    uint64_t bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + 16 * i));
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, newline)) << (16 * i);
    }
    return bits;
}
#endif

uint32_t lines_mark(const char *data, uint32_t size, struct mark *marks, uint32_t cap,
                    uint32_t *consumed)
{
    uint32_t n = 0, start = 0, at = 0;
#ifdef __SSE2__
    for (; size - at >= 64 && n < cap; at += 64) {
        for (uint64_t bits = newline_bits(data + at); bits; bits &= bits - 1) {
            start = line_add(data, start, at + (uint32_t)__builtin_ctzll(bits), &marks[n++]);
            if (n == cap)
                break;
        }
    }
#endif
    while (n < cap && at < size) {
        const char *newline = memchr(data + at, '\n', size - at);
        if (!newline)
            break;
        start = at = line_add(data, start, (uint32_t)(newline - data), &marks[n++]);
    }
    *consumed = start;
    return n;
}
