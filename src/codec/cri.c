#include "codec/cri.h"

#include <string.h>

#include "codec/rfc3339.h"

/* Behind "stdout " or "stderr "; NULL: it is neither. */
static const char *stream_of(const char *p, const char *end, uint16_t *stream)
{
    if (end - p < 7 || memcmp(p, "std", 3) != 0 || p[6] != ' ')
        return NULL;
    bool out = memcmp(p + 3, "out", 3) == 0;
    if (!out && memcmp(p + 3, "err", 3) != 0)
        return NULL;
    *stream = out ? WRAPPED_STDOUT : WRAPPED_STDERR;
    return p + 7;
}

/* Behind the tags and the blank; NULL: the first is neither F nor P. */
static const char *tags_of(const char *p, const char *end, uint16_t *more)
{
    if (p == end || (*p != 'F' && *p != 'P'))
        return NULL;
    *more = *p++ == 'P';
    if (p < end && *p == ':')
        while (p < end && *p != ' ')
            p++;
    if (p == end) /* an empty text, whose blank was taken off by an editor */
        return p;
    return *p == ' ' ? p + 1 : NULL;
}

uint32_t cri_mark(const char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed)
{
    struct rfc3339 last = {0};
    const char *line = data, *end = data + size, *newline;
    uint32_t n = 0;
    for (; n < cap && line < end && (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1) {
        struct mark m = {.end = (uint32_t)(newline + 1 - data)};
        const char *text = rfc3339_parse(&last, line, newline, &m.time);
        if (text)
            text = text < newline && *text == ' ' ? stream_of(text + 1, newline, &m.stream) : NULL;
        if (text)
            text = tags_of(text, newline, &m.more);
        if (!text) {
            text = line;
            m.stream = WRAPPED_BARE;
            m.more = 0;
            m.time = WRAPPED_NO_TIME;
        }
        m.off = (uint32_t)(text - data);
        m.len = (uint32_t)(newline - text);
        m.len -= !m.more && m.len && newline[-1] == '\r';
        marks[n++] = m;
    }
    *consumed = (uint32_t)(line - data);
    return n;
}
