/* Marks tile the whole lines, nothing else is changed, and what JSON says of a line is what its mark says. */
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/jsonfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

/* The text of a line that is JSON with the three keys, none of them twice, or NULL. */
static char *text_of(const char *line, size_t n, size_t *len, bool *err)
{
    struct json j;
    char *text = NULL;
    unsigned streams = 0, logs = 0;
    json_begin(&j, line, n);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return NULL;
    while (json_next(&j) == JSON_KEY) {
        bool log = json_is(&j, "log"), stream = json_is(&j, "stream");
        if (!log && !stream) {
            json_skip(&j);
            continue;
        }
        if (json_next(&j) != JSON_STRING)
            break;
        if (stream) {
            streams++;
            *err = json_is(&j, "stderr");
        } else if (logs++ == 0) {
            text = malloc(j.len + 1);
            *len = json_unescape(&j, text);
        }
    }
    if (logs == 1 && streams == 1 && j.type == JSON_OBJECT_END && json_next(&j) == JSON_END)
        return text;
    free(text);
    return NULL;
}

static void check(const struct mark *m, const char *now, const char *was, const char *line, size_t n)
{
    size_t len = 0;
    bool err = false;
    expect(m->off >= line - was && m->off + m->len <= line - was + n && m->end == line - was + n + 1);
    expect((m->stream == WRAPPED_BARE) == (m->time == WRAPPED_NO_TIME));
    if (m->stream == WRAPPED_BARE) {
        expect(m->off == line - was && !m->more && memcmp(now + m->off, line, n) == 0);
        return;
    }
    char *text = text_of(line, n, &len, &err);
    if (!text) /* it was taken though it is no strict JSON: not valid UTF-8, say */
        return;
    bool whole = len && text[len - 1] == '\n';
    len -= whole;
    len -= whole && len && text[len - 1] == '\r';
    expect(m->more == !whole && m->stream == (err ? WRAPPED_STDERR : WRAPPED_STDOUT));
    expect(m->len == len && memcmp(now + m->off, text, len) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1 << 16)
        return 0;
    const char *was = (const char *)data + 1, *line = was, *end = was + --size, *newline;
    char *now = malloc(size + 1);
    memcpy(now, was, size);
    uint32_t cap = data[0] ? data[0] : (uint32_t)size + 1, consumed, n = 0;
    struct mark *marks = malloc(cap * sizeof *marks);
    bool changed = false;
    uint32_t found = jsonfile_mark(now, (uint32_t)size, marks, cap, &consumed, &changed);
    for (; n < cap && (newline = memchr(line, '\n', (size_t)(end - line))); n++, line = newline + 1) {
        expect(n < found);
        check(&marks[n], now, was, line, (size_t)(newline - line));
    }
    expect(n == found && consumed == line - was);
    expect(memcmp(now + consumed, was + consumed, size - consumed) == 0);
    expect(changed || memcmp(now, was, size) == 0);
    free(marks);
    free(now);
    return 0;
}
