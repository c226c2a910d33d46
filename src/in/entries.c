#include "in/entries.h"

#include <ctype.h>
#include <string.h>

#include "codec/timestamp.h"

static bool fail(struct entries *e, size_t at, const char *error)
{
    e->error = error;
    e->error_at = at;
    return false;
}

/* Where the token begins that the scanner just gave. */
static size_t token_at(const struct json *j)
{
    switch (j->type) {
    case JSON_KEY:
    case JSON_STRING:
        return (size_t)(j->text - 1 - j->data);
    case JSON_NUMBER:
        return (size_t)(j->text - j->data);
    case JSON_TRUE:
    case JSON_NULL:
        return j->at - 4;
    case JSON_FALSE:
        return j->at - 5;
    case JSON_ERROR:
    case JSON_END:
        return j->at;
    default:
        return j->at - 1;
    }
}

/* What stands there is not what should: the scanner's own error if it has one. */
static bool unexpected(struct entries *e, const char *error)
{
    return fail(e, token_at(&e->json), e->json.type == JSON_ERROR ? e->json.error : error);
}

/* Copies the key or string as text with its NUL. NULL: failed. */
static char *keep(struct entries *e, size_t max)
{
    const struct json *j = &e->json;
    char *text = e->memory + e->used;
    if (j->len >= sizeof e->memory - e->used) {
        fail(e, token_at(j), "the labels of an entry take at most 8 KiB");
        return NULL;
    }
    size_t n = json_unescape(j, text);
    if (memchr(text, 0, n)) {
        fail(e, token_at(j), "a label must not contain NUL");
        return NULL;
    }
    if (n > max) {
        fail(e, token_at(j), "this is too long for a label: names have at most 1024 bytes, values 2048");
        return NULL;
    }
    text[n] = 0;
    e->used += n + 1;
    return text;
}

static bool read_text(struct entries *e, const char **out, const char *error)
{
    switch (json_next(&e->json)) {
    case JSON_STRING:
        return (*out = keep(e, STREAM_LABEL_VALUE)) != NULL;
    case JSON_NULL:
        return true;
    default:
        return unexpected(e, error);
    }
}

static bool read_message(struct entries *e)
{
    if (json_next(&e->json) != JSON_STRING)
        return unexpected(e, "message must be a string");
    e->message = e->json;
    return true;
}

/* The whole of it: timestamp_parse() alone would not mind what follows, nor a missing zone. */
static bool is_rfc3339(const char *s, size_t n)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    size_t i = sizeof shape - 1;
    if (n <= i || n > 40)
        return false;
    for (size_t k = 0; k < i; k++)
        if (shape[k] == 'd' ? !isdigit((unsigned char)s[k]) : (s[k] != shape[k] && !(shape[k] == 'T' && s[k] == 't')))
            return false;
    if (s[i] == '.') {
        size_t first = ++i;
        while (i < n && isdigit((unsigned char)s[i]))
            i++;
        if (i == first || i - first > 9)
            return false;
    }
    if (n - i == 1)
        return s[i] == 'Z' || s[i] == 'z';
    return n - i == 6 && (s[i] == '+' || s[i] == '-') && isdigit((unsigned char)s[i + 1]) &&
           isdigit((unsigned char)s[i + 2]) && s[i + 3] == ':' && isdigit((unsigned char)s[i + 4]) &&
           isdigit((unsigned char)s[i + 5]);
}

static bool is_integer(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)s[i]))
            return false;
    return n > 0;
}

static bool read_time(struct entries *e)
{
    const struct json *j = &e->json;
    char upper[TIMESTAMP_MAX];
    switch (json_next(&e->json)) {
    case JSON_NULL:
        return true;
    case JSON_STRING:
    case JSON_NUMBER:
        break;
    default:
        return unexpected(e, "timestamp must be a string or an integer");
    }
    if (j->len >= sizeof upper || !(is_integer(j->text, j->len) || (j->type == JSON_STRING && is_rfc3339(j->text, j->len))))
        return unexpected(e, "timestamp must be RFC 3339 with a zone, or an integer since the epoch");
    for (size_t i = 0; i < j->len; i++)
        upper[i] = (char)toupper((unsigned char)j->text[i]);
    if (!timestamp_parse("auto", upper, j->len, e->now, &e->time, NULL))
        return unexpected(e, "timestamp is no time that can be: seconds have 10 digits, nanoseconds 19");
    e->has_time = true;
    return true;
}

/* A name as stream_get() would make it; it must be done before equal sets are looked for. */
static void make_valid(char *name)
{
    for (char *c = name; *c; c++)
        if (*c != '_' && !(isascii((unsigned char)*c) && (isalpha((unsigned char)*c) || (c > name && isdigit((unsigned char)*c)))))
            *c = '_';
}

static bool read_label(struct entries *e)
{
    struct label label = {.value = NULL};
    size_t at = token_at(&e->json);
    char *name = keep(e, STREAM_LABEL_NAME);
    if (!name)
        return false;
    if (!*name)
        return fail(e, at, "a label must have a name");
    make_valid(name);
    label.name = name;
    if (!read_text(e, &label.value, "a label's value must be a string"))
        return false;
    if (!label.value)
        return true;
    if (e->text.n == ENTRY_LABELS)
        return fail(e, at, "an entry has at most 24 labels");
    e->text.labels[e->text.n++] = label;
    return true;
}

static bool read_labels(struct entries *e)
{
    json_next(&e->json);
    if (e->json.type == JSON_NULL)
        return true;
    if (e->json.type != JSON_OBJECT_BEGIN)
        return unexpected(e, "labels must be an object of strings");
    while (json_next(&e->json) == JSON_KEY)
        if (!read_label(e))
            return false;
    return e->json.type == JSON_OBJECT_END || unexpected(e, "");
}

enum key { MESSAGE, LEVEL, SOURCE_TYPE, SOURCE_ID, LABELS, TIMESTAMP, KEYS };

static enum key key_of(const struct json *j)
{
    static const char *const names[KEYS] = {"message", "level", "source_type", "source_id", "labels", "timestamp"};
    enum key k = 0;
    while (k < KEYS && !json_is(j, names[k]))
        k++;
    return k;
}

static bool read_member(struct entries *e)
{
    enum key k = key_of(&e->json);
    if (k < KEYS && e->seen >> k & 1)
        return fail(e, token_at(&e->json), "this key stands twice in the entry");
    e->seen |= 1u << k;
    switch (k) {
    case MESSAGE:
        return read_message(e);
    case LEVEL:
        return read_text(e, &e->text.level, "level must be a string");
    case SOURCE_TYPE:
        return read_text(e, &e->text.source_type, "source_type must be a string");
    case SOURCE_ID:
        return read_text(e, &e->text.source_id, "source_id must be a string");
    case LABELS:
        return read_labels(e);
    case TIMESTAMP:
        return read_time(e);
    default:
        e->unknown_keys++;
        return json_skip(&e->json) || unexpected(e, "");
    }
}

/* Behind its '{'. */
static bool read_entry(struct entries *e)
{
    e->at = token_at(&e->json);
    e->text = (struct entry_text){0};
    e->has_time = false;
    e->seen = 0;
    e->used = 0;
    while (json_next(&e->json) == JSON_KEY)
        if (!read_member(e))
            return false;
    if (e->json.type != JSON_OBJECT_END)
        return unexpected(e, "");
    return e->seen >> MESSAGE & 1 || fail(e, e->at, "this entry has no message");
}

/* Moves behind the next key "entries" of the body's object, if there is one. */
static bool find_entries(struct json *j, uint64_t *others)
{
    while (json_next(j) == JSON_KEY) {
        if (json_is(j, "entries"))
            return true;
        ++*others;
        if (!json_skip(j))
            return false;
    }
    return false;
}

static bool open_body(struct entries *e)
{
    uint64_t others = 0;
    switch (json_next(&e->json)) {
    case JSON_ARRAY_BEGIN:
        e->shape = ENTRIES_LIST;
        return true;
    case JSON_OBJECT_BEGIN:
        break;
    default:
        return unexpected(e, "an entry, an array of entries, or {\"entries\": [...]} must stand here");
    }
    struct json ahead = e->json;
    if (!find_entries(&ahead, &others)) {
        e->shape = ENTRIES_ONE;
        return true;
    }
    e->shape = ENTRIES_WRAPPED;
    e->unknown_keys = others;
    e->json = ahead;
    return json_next(&e->json) == JSON_ARRAY_BEGIN || unexpected(e, "entries must be an array");
}

/* After the last entry. Always false: no entry. */
static bool close_body(struct entries *e)
{
    if (e->shape == ENTRIES_WRAPPED && find_entries(&e->json, &e->unknown_keys))
        return fail(e, token_at(&e->json), "this key stands twice");
    e->shape = ENTRIES_OVER;
    return json_next(&e->json) == JSON_END ? false : unexpected(e, "something stands behind the entries");
}

void entries_begin(struct entries *e, const char *body, size_t size, int64_t now)
{
    e->shape = ENTRIES_UNREAD;
    e->now = now;
    e->unknown_keys = 0;
    e->error = NULL;
    json_begin(&e->json, body, size);
}

bool entries_next(struct entries *e)
{
    if (e->error || e->shape == ENTRIES_OVER)
        return false;
    if (e->shape == ENTRIES_UNREAD) {
        if (!open_body(e))
            return false;
        if (e->shape == ENTRIES_ONE)
            return read_entry(e);
    } else if (e->shape == ENTRIES_ONE) {
        return close_body(e);
    }
    json_next(&e->json);
    if (e->json.type == JSON_ARRAY_END)
        return close_body(e);
    if (e->json.type != JSON_OBJECT_BEGIN)
        return unexpected(e, "an entry must be an object");
    return read_entry(e);
}
