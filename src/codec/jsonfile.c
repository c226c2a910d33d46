#include "codec/jsonfile.h"

#include <string.h>

#include "codec/json.h"
#include "codec/rfc3339.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What is known of a line; nothing is changed before all of it is. */
struct object {
    char *log, *log_end; /* between the quotes */
    char *escape;        /* the first one in it; log_end: there is none */
    uint16_t stream;
    int64_t time;
};

static const char log_key[] = "{\"log\":\"";
static const char stream_key[] = "\",\"stream\":\"std";
static const char time_key[] = "\",\"time\":\"";
static const char attrs_key[] = "\",\"attrs\":{";
static const char time_key_behind[] = ",\"time\":\"";

enum { LOG_KEY = sizeof log_key - 1, STREAM_KEY = sizeof stream_key - 1, TIME_KEY = sizeof time_key - 1,
       ATTRS_KEY = sizeof attrs_key - 1, TIME_KEY_BEHIND = sizeof time_key_behind - 1 };

/* ---- strings ---- */

static bool is_special(unsigned char c)
{
    return c == '"' || c == '\\' || c < 0x20;
}

/* The next quote, backslash or control character; end: there is none. */
static char *find_special(char *p, char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        int bits = _mm_movemask_epi8(hit);
        if (bits)
            return p + __builtin_ctz((unsigned)bits);
    }
#endif
    while (p < end && !is_special((unsigned char)*p))
        p++;
    return p;
}

static int hex(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Whether a whole escape begins at the backslash; its length, or 0. */
static unsigned escape_length(const char *p, const char *end)
{
    if (end - p < 2)
        return 0;
    switch (p[1]) {
    case 'n': case '"': case '\\': case '/': case 'b': case 'f': case 'r': case 't':
        return 2;
    case 'u':
        return end - p >= 6 && hex(p + 2) >= 0 ? 6 : 0;
    default:
        return 0;
    }
}

/* The closing quote of the string that begins at p, or NULL. */
static char *string_end(char *p, char *end, char **escape)
{
    *escape = NULL;
    for (;;) {
        p = find_special(p, end);
        if (p == end)
            return NULL;
        if (*p == '"') {
            if (!*escape)
                *escape = p;
            return p;
        }
        unsigned n = *p == '\\' ? escape_length(p, end) : 0;
        if (n == 0)
            return NULL;
        if (!*escape)
            *escape = p;
        p += n;
    }
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800)
        *out++ = (char)(0xC0 | c >> 6);
    else {
        if (c < 0x10000)
            *out++ = (char)(0xE0 | c >> 12);
        else {
            *out++ = (char)(0xF0 | c >> 18);
            *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        }
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (c & 0x3F));
    return out;
}

/* A \u escape, with the one behind it if they are a pair. */
static const char *unescape_u(const char *p, const char *end, char **out)
{
    uint32_t c = (uint32_t)hex(p + 2);
    p += 6;
    if (c >= 0xD800 && c < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        uint32_t low = (uint32_t)hex(p + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            *out = put_utf8(*out, 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00));
            return p + 6;
        }
    }
    *out = put_utf8(*out, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
    return p;
}

static char plain_of(char c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
    }
}

/* Escapes become shorter, so it happens in place. Returns the new end. */
static char *unescape(char *first, const char *end)
{
    char *out = first;
    for (const char *p = first; p < end;) {
        if (p[1] == 'u')
            p = unescape_u(p, end, &out);
        else {
            *out++ = plain_of(p[1]);
            p += 2;
        }
        const char *next = memchr(p, '\\', (size_t)(end - p));
        size_t n = (size_t)((next ? next : end) - p);
        memmove(out, p, n);
        out += n;
        p += n;
    }
    return out;
}

/* ---- lines ---- */

/* Behind the '}' that ends the object which was begun before p, or NULL. */
static char *object_end(char *p, char *end)
{
    char *escape;
    for (unsigned depth = 1; p < end && *p != '\n'; p++) {
        if (*p == '"' && !(p = string_end(p + 1, end, &escape)))
            return NULL;
        depth += *p == '{';
        if (*p == '}' && --depth == 0)
            return p + 1;
    }
    return NULL;
}

/* What Docker writes, key by key. Returns the '\n', or NULL: it is something else. */
static char *usual_line(struct object *o, char *p, char *end, struct rfc3339 *last)
{
    if (end - p < LOG_KEY || memcmp(p, log_key, LOG_KEY) != 0)
        return NULL;
    o->log = p + LOG_KEY;
    p = o->log_end = string_end(o->log, end, &o->escape);
    if (!p || end - p < STREAM_KEY + 3 + ATTRS_KEY || memcmp(p, stream_key, STREAM_KEY) != 0)
        return NULL;
    p += STREAM_KEY;
    o->stream = *p == 'o' ? WRAPPED_STDOUT : WRAPPED_STDERR;
    if (memcmp(p, o->stream == WRAPPED_STDOUT ? "out" : "err", 3) != 0)
        return NULL;
    p += 3;
    if (memcmp(p, time_key, TIME_KEY) == 0)
        p += TIME_KEY;
    else {
        p = memcmp(p, attrs_key, ATTRS_KEY) == 0 ? object_end(p + ATTRS_KEY, end) : NULL;
        if (!p || end - p < TIME_KEY_BEHIND || memcmp(p, time_key_behind, TIME_KEY_BEHIND) != 0)
            return NULL;
        p += TIME_KEY_BEHIND;
    }
    p = (char *)rfc3339_parse(last, p, end, &o->time);
    return p && end - p >= 3 && p[0] == '"' && p[1] == '}' && p[2] == '\n' ? p + 2 : NULL;
}

static bool take_value(struct object *o, struct json *j, struct rfc3339 *last, unsigned *found)
{
    enum { LOG = 1, STREAM = 2, TIME = 4 };
    unsigned key = json_is(j, "log") ? LOG : json_is(j, "stream") ? STREAM : json_is(j, "time") ? TIME : 0;
    if (key == 0)
        return json_skip(j);
    if (json_next(j) != JSON_STRING)
        return false;
    *found |= key;
    const char *end = j->text + j->len;
    if (key == LOG) {
        o->log = (char *)j->text;
        o->log_end = (char *)end;
        o->escape = j->escaped ? memchr(o->log, '\\', j->len) : o->log_end;
        return true;
    }
    if (key == TIME)
        return rfc3339_parse(last, j->text, end, &o->time) == end;
    o->stream = json_is(j, "stderr") ? WRAPPED_STDERR : WRAPPED_STDOUT;
    return o->stream == WRAPPED_STDERR || json_is(j, "stdout");
}

/* Any JSON object with the three keys. */
static bool any_line(struct object *o, const char *line, size_t n, struct rfc3339 *last)
{
    struct json j;
    unsigned found = 0;
    json_begin(&j, line, n);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return false;
    while (json_next(&j) == JSON_KEY)
        if (!take_value(o, &j, last, &found))
            return false;
    return j.type == JSON_OBJECT_END && json_next(&j) == JSON_END && found == 7;
}

/* The text, unescaped; without its line end, or a piece. */
static void mark_text(const struct object *o, const char *data, struct mark *m, bool *changed)
{
    char *end = o->escape;
    bool whole = o->log_end - o->escape == 2 && o->escape[1] == 'n';
    if (!whole && o->escape < o->log_end) {
        end = unescape(o->escape, o->log_end);
        *changed = true;
        whole = end[-1] == '\n';
        end -= whole;
    }
    if (whole && end > o->log && end[-1] == '\r')
        end--;
    m->off = (uint32_t)(o->log - data);
    m->len = (uint32_t)(end - o->log);
    m->more = !whole;
    m->stream = o->stream;
    m->time = o->time;
}

uint32_t jsonfile_mark(char *data, uint32_t size, struct mark *marks, uint32_t cap, uint32_t *consumed, bool *changed)
{
    struct rfc3339 last = {0};
    char *line = data, *end = data + size, *newline;
    uint32_t n = 0;
    for (; n < cap && line < end; line = newline + 1) {
        struct mark *m = &marks[n];
        struct object o;
        newline = usual_line(&o, line, end, &last);
        bool is = newline != NULL;
        if (!is && !(newline = memchr(line, '\n', (size_t)(end - line))))
            break;
        if (is || any_line(&o, line, (size_t)(newline - line), &last))
            mark_text(&o, data, m, changed);
        else {
            uint32_t len = (uint32_t)(newline - line);
            *m = (struct mark){.off = (uint32_t)(line - data), .len = len - (len && newline[-1] == '\r'), .stream = WRAPPED_BARE,
                               .time = WRAPPED_NO_TIME};
        }
        m->end = (uint32_t)(newline + 1 - data);
        n++;
    }
    *consumed = (uint32_t)(line - data);
    return n;
}
