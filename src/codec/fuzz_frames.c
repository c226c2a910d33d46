/* The first bytes say how the rest is split; what is found must not depend on it, lie within its frame and tile what is consumed. */
#include <stdlib.h>
#include <string.h>

#include "codec/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

struct found {
    struct mark *marks;
    uint32_t n, consumed;
    int error;
};

/* As a reader does it: what was left is given again with what came. step 0: all at once. */
static struct found read_all(const struct frames *f, const char *text, uint32_t size, uint32_t step)
{
    struct found found = {.marks = malloc((size + 1) * sizeof(struct mark))};
    for (uint32_t have = step ? 0 : size; found.error == 0; have = size - have > step ? have + step : size) {
        uint32_t consumed, base = found.consumed;
        char *piece = malloc(have - base + 1); /* of its own, so that a sanitizer sees what is read behind its end */
        memcpy(piece, text + base, have - base);
        uint32_t n = frames_mark(f, piece, have - base, found.marks + found.n, size + 1 - found.n, &consumed, &found.error);
        free(piece);
        for (uint32_t end = 0; n; n--, found.n++) {
            struct mark *m = &found.marks[found.n];
            expect(m->off <= m->end && m->len <= m->end - m->off && m->end > end && m->end <= consumed);
            end = m->end;
            m->off += base;
            m->end += base;
        }
        found.consumed += consumed;
        if (have == size)
            break;
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 1 << 16)
        return 0;
    const struct frames f = {.tty = data[0] & 1, .max_frame = 1 + (data[1] << 5)};
    const char *text = (const char *)data + 3;
    struct found all = read_all(&f, text, (uint32_t)size - 3, 0), pieces = read_all(&f, text, (uint32_t)size - 3, data[2] + 1u);
    if (!f.tty) { /* where a TTY's endless line is cut depends on what is there */
        expect(all.n == pieces.n && all.consumed == pieces.consumed && all.error == pieces.error);
        for (uint32_t i = 0; i < all.n; i++)
            expect(memcmp(&all.marks[i], &pieces.marks[i], sizeof *all.marks) == 0);
    }
    free(all.marks);
    free(pieces.marks);
    return 0;
}
