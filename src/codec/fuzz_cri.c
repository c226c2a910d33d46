/* Whatever the bytes, the marks tile the whole lines; and what is in the form is compared with a plainer reading of it. */
#include <stdlib.h>
#include <string.h>

#include "codec/cri.h"
#include "codec/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static void check(const struct mark *m, const char *text, const char *line, const char *newline)
{
    const char *a = memchr(line, ' ', (size_t)(newline - line));
    expect(m->end == newline + 1 - text);
    expect(m->off >= line - text && m->off + m->len < m->end);
    expect((m->stream == WRAPPED_BARE) == (m->time == WRAPPED_NO_TIME));
    if (m->stream == WRAPPED_BARE) {
        expect(m->off == line - text && !m->more);
        return;
    }
    int64_t time;
    expect(a && timestamp_parse("auto", line, (size_t)(a - line), 0, &time, NULL) && time == m->time);
    expect(memcmp(a, m->stream == WRAPPED_STDERR ? " stderr " : " stdout ", 8) == 0);
    expect(a[8] == (m->more ? 'P' : 'F'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1 << 16)
        return 0;
    const char *text = (const char *)data + 1, *line = text, *end = text + size - 1, *newline;
    uint32_t cap = data[0] ? data[0] : (uint32_t)size, consumed, n = 0;
    struct mark *marks = malloc(cap * sizeof *marks);
    uint32_t found = cri_mark(text, (uint32_t)(size - 1), marks, cap, &consumed);
    for (; n < cap && (newline = memchr(line, '\n', (size_t)(end - line))); n++, line = newline + 1) {
        expect(n < found);
        check(&marks[n], text, line, newline);
    }
    expect(n == found && consumed == line - text);
    free(marks);
    return 0;
}
