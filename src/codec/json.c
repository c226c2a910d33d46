#include "codec/json.h"

#include <string.h>

#include "codec/utf8.h"

static const char hex_digits[] = "0123456789abcdef";

static int add_escape(struct buf *out, unsigned char c)
{
    static const char *const names = "\b\t\n\f\r\"\\", *const letters = "btnfr\"\\";
    const char *name = c ? strchr(names, c) : NULL;
    if (name)
        return buf_add(out, (char[]){'\\', letters[name - names]}, 2);
    return buf_add(out, (char[]){'\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15]}, 6);
}

static inline bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

/* text[0, n) needs no escapes. */
static int add_run(struct buf *out, const char *text, size_t n, bool valid)
{
    if (valid)
        return buf_add(out, text, n);
    int r = buf_reserve(out, utf8_repaired_size(text, n));
    if (r == 0)
        out->len += utf8_repair(text, n, out->data + out->len);
    return r;
}

int json_add_string(struct buf *out, const char *text, size_t n)
{
    size_t before = out->len, i = 0;
    bool valid = utf8_valid(text, n);
    int r = buf_reserve(out, n + 2);
    if (r == 0)
        r = buf_add(out, "\"", 1);
    while (r == 0 && i < n) {
        size_t run = i;
        while (run < n && !needs_escape((unsigned char)text[run]))
            run++;
        r = add_run(out, text + i, run - i, valid);
        if (r == 0 && run < n)
            r = add_escape(out, (unsigned char)text[run++]);
        i = run;
    }
    if (r == 0)
        r = buf_add(out, "\"", 1);
    if (r < 0 && out->data) {
        out->len = before;
        out->data[before] = 0;
    }
    return r;
}

int json_add_cstring(struct buf *out, const char *text)
{
    return json_add_string(out, text, strlen(text));
}

/* What may stand next. */
enum { WANT_VALUE, WANT_VALUE_OR_END, WANT_KEY, WANT_KEY_OR_END, WANT_COMMA_OR_END, WANT_NOTHING, FAILED };

void json_begin(struct json *j, const char *data, size_t size)
{
    *j = (struct json){.data = data, .size = size, .state = WANT_VALUE};
}

static enum json_type fail(struct json *j, size_t at, const char *error)
{
    j->state = FAILED;
    j->at = at;
    j->error = error;
    return j->type = JSON_ERROR;
}

static int peek(struct json *j)
{
    while (j->at < j->size && j->data[j->at] && strchr(" \t\r\n", j->data[j->at]))
        j->at++;
    return j->at < j->size ? (unsigned char)j->data[j->at] : -1;
}

static enum json_type done(struct json *j, enum json_type type)
{
    j->state = j->depth ? WANT_COMMA_OR_END : WANT_NOTHING;
    return j->type = type;
}

/* Four hex digits, or -1. */
static long hex4(const char *p, const char *end)
{
    long value = 0;
    if (end - p < 4)
        return -1;
    for (unsigned i = 0; i < 4; i++) {
        int c = p[i] | 0x20;
        const char *digit = c >= 'a' || (p[i] >= '0' && p[i] <= '9') ? strchr(hex_digits, c) : NULL;
        if (!digit || !*digit)
            return -1;
        value = value * 16 + (digit - hex_digits);
    }
    return value;
}

/* The code point of the \u escape at p[0, ...) and its length in *n (6 or 12); -1 if it is none. */
static long unicode_escape(const char *p, const char *end, unsigned *n)
{
    long high = hex4(p + 2, end), low;
    *n = 6;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return -1;
    low = hex4(p + 8, end);
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    *n = 12;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Reads the string whose opening quote is at j->at; false: failed. */
static bool read_string(struct json *j)
{
    const char *p = j->data + j->at + 1, *end = j->data + j->size;
    unsigned n;
    j->text = p;
    j->escaped = false;
    while (p < end && *p != '"') {
        if ((unsigned char)*p < 0x20)
            return fail(j, (size_t)(p - j->data), "a control character in a string must be escaped"), false;
        if (*p != '\\') {
            p++;
            continue;
        }
        j->escaped = true;
        if (end - p >= 2 && p[1] == 'u') {
            if (unicode_escape(p, end, &n) < 0)
                return fail(j, (size_t)(p - j->data), "\\u needs four hex digits, surrogates in pairs"), false;
            p += n;
        } else if (end - p >= 2 && p[1] && strchr("\"\\/bfnrt", p[1])) {
            p += 2;
        } else {
            return fail(j, (size_t)(p - j->data), "unknown escape in a string"), false;
        }
    }
    if (p >= end)
        return fail(j, j->at, "this string has no end"), false;
    j->len = (size_t)(p - j->text);
    if (!utf8_valid(j->text, j->len))
        return fail(j, (size_t)(j->text - j->data), "this string is not UTF-8"), false;
    j->at = (size_t)(p + 1 - j->data);
    return true;
}

static size_t digits(const struct json *j, size_t at)
{
    size_t i = at;
    while (i < j->size && j->data[i] >= '0' && j->data[i] <= '9')
        i++;
    return i - at;
}

static enum json_type read_number(struct json *j)
{
    size_t at = j->at + (j->data[j->at] == '-'), n = digits(j, at);
    if (n == 0 || (n > 1 && j->data[at] == '0'))
        return fail(j, j->at, n ? "a number must not begin with 0" : "unexpected character");
    at += n;
    if (at < j->size && j->data[at] == '.') {
        n = digits(j, ++at);
        if (!n)
            return fail(j, at, "a digit must follow the '.'");
        at += n;
    }
    if (at < j->size && (j->data[at] | 0x20) == 'e') {
        at++;
        at += at < j->size && (j->data[at] == '+' || j->data[at] == '-');
        n = digits(j, at);
        if (!n)
            return fail(j, at, "the exponent has no digits");
        at += n;
    }
    j->text = j->data + j->at;
    j->len = at - j->at;
    j->at = at;
    return done(j, JSON_NUMBER);
}

static enum json_type read_word(struct json *j, const char *word, enum json_type type)
{
    size_t n = strlen(word);
    if (j->size - j->at < n || memcmp(j->data + j->at, word, n))
        return fail(j, j->at, "unexpected word");
    j->at += n;
    return done(j, type);
}

static enum json_type open_level(struct json *j, bool object)
{
    if (j->depth == JSON_DEPTH)
        return fail(j, j->at, "nested too deeply");
    j->at++;
    uint64_t bit = 1ull << j->depth++;
    j->objects = object ? j->objects | bit : j->objects & ~bit;
    j->state = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    return j->type = object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
}

static bool in_object(const struct json *j)
{
    return j->depth && j->objects >> (j->depth - 1) & 1;
}

static enum json_type close_level(struct json *j)
{
    bool object = in_object(j);
    j->at++;
    j->depth--;
    return done(j, object ? JSON_OBJECT_END : JSON_ARRAY_END);
}

static enum json_type read_value(struct json *j, int c)
{
    switch (c) {
    case '{':
        return open_level(j, true);
    case '[':
        return open_level(j, false);
    case '"':
        return read_string(j) ? done(j, JSON_STRING) : JSON_ERROR;
    case 't':
        return read_word(j, "true", JSON_TRUE);
    case 'f':
        return read_word(j, "false", JSON_FALSE);
    case 'n':
        return read_word(j, "null", JSON_NULL);
    case -1:
        return fail(j, j->at, "a value is missing at the end");
    default:
        return read_number(j);
    }
}

static enum json_type read_key(struct json *j, int c)
{
    if (c != '"')
        return fail(j, j->at, "a key in quotes must stand here");
    if (!read_string(j))
        return JSON_ERROR;
    if (peek(j) != ':')
        return fail(j, j->at, "':' must follow the key");
    j->at++;
    j->state = WANT_VALUE;
    return j->type = JSON_KEY;
}

enum json_type json_next(struct json *j)
{
    if (j->state == FAILED)
        return JSON_ERROR;
    int c = peek(j);
    if (j->state == WANT_NOTHING)
        return c < 0 ? (j->type = JSON_END) : fail(j, j->at, "something stands behind the value");
    bool end = j->depth && c == (in_object(j) ? '}' : ']');
    if (end && (j->state == WANT_COMMA_OR_END || j->state == WANT_KEY_OR_END ||
                j->state == WANT_VALUE_OR_END))
        return close_level(j);
    if (j->state == WANT_COMMA_OR_END) {
        if (c != ',')
            return fail(j, j->at, in_object(j) ? "',' or '}' must stand here" : "',' or ']' must stand here");
        j->at++;
        c = peek(j);
        j->state = in_object(j) ? WANT_KEY : WANT_VALUE;
    }
    if (j->state == WANT_KEY || j->state == WANT_KEY_OR_END)
        return read_key(j, c);
    return read_value(j, c);
}

bool json_skip(struct json *j)
{
    if (j->type == JSON_KEY)
        json_next(j);
    if (j->type == JSON_OBJECT_BEGIN || j->type == JSON_ARRAY_BEGIN) {
        unsigned depth = j->depth - 1;
        while (j->type != JSON_ERROR && j->depth > depth)
            json_next(j);
    }
    return j->type != JSON_ERROR;
}

bool json_is(const struct json *j, const char *text)
{
    return j->len == strlen(text) && memcmp(j->text, text, j->len) == 0;
}

static char *put_utf8(char *o, unsigned long c)
{
    if (c < 0x80) {
        *o++ = (char)c;
        return o;
    }
    if (c < 0x800) {
        *o++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *o++ = (char)(0xe0 | c >> 12);
        } else {
            *o++ = (char)(0xf0 | c >> 18);
            *o++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *o++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *o++ = (char)(0x80 | (c & 0x3f));
    return o;
}

size_t json_unescape(const struct json *j, char *out)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *p = j->text, *end = p + j->len;
    char *o = out;
    while (p < end) {
        if (*p != '\\') {
            *o++ = *p++;
        } else if (p[1] == 'u') {
            unsigned n;
            unsigned long c = (unsigned long)unicode_escape(p, end, &n);
            p += n;
            o = put_utf8(o, c);
        } else {
            const char *letter = strchr(letters, p[1]);
            *o++ = letter ? meanings[letter - letters] : p[1];
            p += 2;
        }
    }
    return (size_t)(o - out);
}

bool json_int(const struct json *j, int64_t *value)
{
    bool negative = j->len && j->text[0] == '-';
    int64_t v = 0;
    if (j->type != JSON_NUMBER)
        return false;
    for (size_t i = negative; i < j->len; i++) {
        if (j->text[i] < '0' || j->text[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, j->text[i] - '0', &v))
            return false;
    }
    if (!negative && v == INT64_MIN)
        return false;
    *value = negative ? v : -v;
    return true;
}
