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

/* Each line as a mark of it as a whole, which lies in `text`. */
struct found {
    struct mark *marks;
    char *text;
    uint32_t n, len, consumed;
    int error;
};

static void add(struct found *found, const struct mark *m, bool continues, const char *piece)
{
    if (!continues) {
        found->marks[found->n] = *m;
        found->marks[found->n].off = found->len;
        found->marks[found->n++].len = 0;
    }
    struct mark *last = &found->marks[found->n - 1];
    expect(last->stream == m->stream && last->time == m->time);
    memcpy(found->text + found->len, piece + m->off, m->len);
    found->len += m->len;
    last->len += m->len;
    last->more = m->more;
    last->end = 0;
}

/* As a reader does it: what was left is given again with what came; is_over is for the last of it. step 0: all at once. */
static struct found read_all(struct frames f, const char *text, uint32_t size, uint32_t step)
{
    const bool is_over = f.is_over;
    struct found found = {.marks = malloc((size + 1) * sizeof(struct mark)), .text = malloc(size + 1)};
    struct mark *marks = malloc((size + 1) * sizeof *marks);
    for (uint32_t have = step ? 0 : size; found.error == 0; have = size - have > step ? have + step : size) {
        uint32_t consumed, base = found.consumed, end = 0;
        char *piece = malloc(have - base + 1); /* of its own, so that a sanitizer sees what is read behind its end */
        bool continues = f.goes_on;
        memcpy(piece, text + base, have - base);
        f.is_over = is_over && have == size;
        uint32_t n = frames_mark(&f, piece, have - base, marks, size + 1, &consumed, &found.error);
        for (uint32_t i = 0; i < n; i++) {
            const struct mark *m = &marks[i];
            expect(m->off <= m->end && m->len <= m->end - m->off && m->end > end && m->end <= consumed);
            end = m->end;
            add(&found, m, i == 0 && continues, piece);
        }
        expect(consumed <= have - base && (found.error || have - base - consumed < FRAMES_KEPT));
        free(piece);
        found.consumed += consumed;
        if (have == size)
            break;
    }
    free(marks);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 1 << 16)
        return 0;
    const struct frames f = {.tty = data[0] & 1, .is_over = data[0] & 2, .max_frame = 1 + (data[1] << 5)};
    const char *text = (const char *)data + 3;
    struct found all = read_all(f, text, (uint32_t)size - 3, 0), pieces = read_all(f, text, (uint32_t)size - 3, data[2] + 1u);
    expect(all.n == pieces.n && all.len == pieces.len && all.error == pieces.error && memcmp(all.text, pieces.text, all.len) == 0);
    for (uint32_t i = 0; i < all.n; i++)
        expect(memcmp(&all.marks[i], &pieces.marks[i], sizeof *all.marks) == 0);
    free(all.marks);
    free(all.text);
    free(pieces.marks);
    free(pieces.text);
    return 0;
}
