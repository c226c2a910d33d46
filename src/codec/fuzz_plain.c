/*
 * The first byte says what becomes the file: the rest as it is, or compressed as gzip or Zstandard; and what is done
 * to it then: a cut or a changed byte at the place that the next two bytes say. Whatever it is, small reads must
 * give what large ones give, and undamaged files their text.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/census.h"
#include "codec/plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 1 << 16, FILE_MAX = 2 * TEXT_MAX, OUT_MAX = 1 << 18 };
enum { AS_IT_IS, GZIP, ZSTANDARD, CUT = 4, CHANGE = 8 };

static uint8_t file[FILE_MAX];
static char large[OUT_MAX], small[OUT_MAX];

static size_t file_make(int how, const uint8_t *text, size_t n)
{
    if ((how & 3) == GZIP) {
        z_stream z = {.next_in = (Bytef *)text, .avail_in = (uInt)n, .next_out = file, .avail_out = FILE_MAX};
        if (deflateInit2(&z, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
            deflate(&z, Z_FINISH) != Z_STREAM_END)
            abort();
        deflateEnd(&z);
        return z.total_out;
    }
    if ((how & 3) == ZSTANDARD)
        return ZSTD_compress(file, FILE_MAX, text, n, 1);
    memcpy(file, text, n);
    return n;
}

/* Up to OUT_MAX bytes, `step` at a time; *end: the last result. */
static size_t read_all(int fd, char *out, size_t step, ssize_t *end)
{
    struct plain *p = plain_open(&scope_root, fd);
    size_t n = 0;
    if (!p)
        abort();
    do {
        *end = plain_read(p, out + n, step < OUT_MAX - n ? step : OUT_MAX - n);
        n += *end > 0 ? (size_t)*end : 0;
    } while (*end > 0 && n < OUT_MAX);
    plain_close(p);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > TEXT_MAX)
        return 0;
    int how = data[0];
    size_t place = data[1] | (size_t)data[2] << 8, step = 1 + data[3], n_text = size - 4;
    size_t n = file_make(how, data + 4, n_text);
    bool whole = (how & 3) == GZIP || (how & 3) == ZSTANDARD;
    if (how & CUT && place < n) {
        n = place;
        whole = false;
    }
    if (how & CHANGE && place < n) {
        file[place] ^= step;
        whole = false;
    }

    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, file, n) != (ssize_t)n)
        abort();
    ssize_t large_end, small_end;
    size_t n_large = read_all(fd, large, OUT_MAX, &large_end), n_small = read_all(fd, small, step, &small_end);
    close(fd);

    if (n_large != n_small || memcmp(large, small, n_large) || (n_large < OUT_MAX && large_end != small_end))
        abort();
    if (whole && (large_end != 0 || n_large != n_text || memcmp(large, data + 4, n_text)))
        abort();
    if (!census_empty(stderr))
        abort();
    return 0;
}
