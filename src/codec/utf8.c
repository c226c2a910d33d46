#include "codec/utf8.h"

#include <stdint.h>
#include <string.h>

/*
 * How many of the first bytes are ASCII, counted in words of 32 and 8; fewer than 8 more may follow, unless all are: the
 * last word is looked at where it ends, not where it would begin.
 */
static inline size_t ascii_run(const char *data, size_t n)
{
    const uint64_t high = 0x8080808080808080;
    size_t i = 0;
    for (uint64_t w[4]; n - i >= 32; i += 32) {
        memcpy(w, data + i, 32);
        if ((w[0] | w[1] | w[2] | w[3]) & high)
            break;
    }
    for (uint64_t w; n - i >= 8; i += 8) {
        memcpy(&w, data + i, 8);
        if (w & high)
            return i;
    }
    if (n >= 8) {
        uint64_t last;
        memcpy(&last, data + n - 8, 8);
        if (!(last & high))
            return n;
    }
    return i;
}

/* Bytes of the character at data[0], n > 0; for an invalid one the negative length of its maximal part. */
static inline int utf8_next(const unsigned char *data, size_t n)
{
    unsigned char c = data[0], low = 0x80, high = 0xbf;
    int len;
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return -1;
    if (c < 0xe0) {
        len = 2;
    } else if (c < 0xf0) {
        len = 3;
        if (c == 0xe0)
            low = 0xa0;
        if (c == 0xed)
            high = 0x9f;
    } else {
        len = 4;
        if (c == 0xf0)
            low = 0x90;
        if (c == 0xf4)
            high = 0x8f;
    }
    for (int i = 1; i < len; i++) {
        if ((size_t)i == n || data[i] < low || data[i] > high)
            return -i;
        low = 0x80;
        high = 0xbf;
    }
    return len;
}

bool utf8_valid(const char *data, size_t n)
{
    size_t i = ascii_run(data, n);
    while (i < n) {
        int len = utf8_next((const unsigned char *)data + i, n - i);
        if (len < 0)
            return false;
        i += (size_t)len;
        if (len == 1)
            i += ascii_run(data + i, n - i);
    }
    return true;
}

size_t utf8_fit(const char *data, size_t n, size_t max, size_t *size)
{
    size_t i = 0;
    *size = 0;
    while (i < n) {
        int len = utf8_next((const unsigned char *)data + i, n - i);
        size_t more = len < 0 ? 3 : (size_t)len;
        if (more > max - *size)
            break;
        *size += more;
        i += (size_t)(len < 0 ? -len : len);
    }
    return i;
}

size_t utf8_repaired_size(const char *data, size_t n)
{
    size_t size;
    utf8_fit(data, n, SIZE_MAX, &size);
    return size;
}

size_t utf8_repair(const char *data, size_t n, char *out)
{
    char *o = out;
    for (size_t i = 0; i < n;) {
        int len = utf8_next((const unsigned char *)data + i, n - i);
        if (len < 0) {
            i += (size_t)-len;
            *o++ = '\xef';
            *o++ = '\xbf';
            *o++ = '\xbd';
            continue;
        }
        for (; len; len--)
            *o++ = data[i++];
    }
    return (size_t)(o - out);
}

size_t utf8_cut(const char *data, size_t n, size_t max)
{
    if (n <= max)
        return n;
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        int len = utf8_next((const unsigned char *)data + max - back, n - max + back);
        if (len > 0)
            return (size_t)len > back ? max - back : max;
    }
    return max;
}
