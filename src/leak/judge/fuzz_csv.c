/*
 * The text fed at once and byte by byte must give the same samples or the same error, and samples must be as csv.h promises.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "leak/judge/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct taken {
    uint64_t n;
    int64_t last;
    double sum;
};

static void take(void *arg, int64_t time, double value)
{
    struct taken *t = arg;
    if (time < 0 || (t->n && time <= t->last) || !isfinite(value))
        abort();
    t->n++;
    t->last = time;
    t->sum = t->sum / 2 + value / 2;
}

static int read_in_pieces(struct csv *c, const char *data, size_t size, size_t piece, struct taken *t)
{
    *t = (struct taken){0};
    csv_begin(c);
    for (size_t at = 0; at < size; at += piece) {
        int r = csv_feed(c, data + at, size - at < piece ? size - at : piece, take, t);
        if (r < 0)
            return r;
    }
    return csv_end(c, take, t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct csv whole, bytes;
    struct taken of_whole, of_bytes;
    int r = read_in_pieces(&whole, (const char *)data, size, size ? size : 1, &of_whole);
    int again = read_in_pieces(&bytes, (const char *)data, size, 1, &of_bytes);

    if (r != again || (r != 0 && r != -EINVAL) || (r == 0 && !of_whole.n))
        abort();
    if (r < 0 && (!whole.error[0] || strcmp(whole.error, bytes.error) != 0 || whole.line != bytes.line))
        abort();
    if (of_whole.n != of_bytes.n || of_whole.sum != of_bytes.sum || whole.samples != of_whole.n)
        abort();
    return 0;
}
