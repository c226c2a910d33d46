#include "core/letters/letter_ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/glob.h"
#include "codec/json.h"
#include "config/units.h"
#include "core/letters/letters.h"

static const char *set_word(char *out, size_t size, const char *value)
{
    if (strlen(value) >= size)
        return "a value is too long";
    memset(out, 0, size);
    strcpy(out, value);
    return NULL;
}

static const char *add_id(struct letter_filter *f, const char *value)
{
    char *end;
    long long id = strtoll(value, &end, 10);
    if (end == value || *end || id <= 0)
        return "an id must be a number above 0";
    if (f->n_ids == LETTER_IDS)
        return "there are too many ids: at most 256";
    f->ids[f->n_ids++] = id;
    letter_filter_sort(f);
    return NULL;
}

static const char *set_age(struct letter_filter *f, const char *value)
{
    return units_time_from(value, &f->older_than) && f->older_than >= 0 ? NULL
                                                                        : "older_than must be a time such as 30m or 24h";
}

static const char *set_reason(struct letter_filter *f, const char *value)
{
    if (letter_code_of(value) == LETTER_OTHER && strcmp(value, letter_code_name(LETTER_OTHER)) != 0)
        return "reason must be one of invalid, too_long, too_old, too_new, blocked, max_retries, other";
    return set_word(f->code, sizeof f->code, value);
}

static const char *set_source(struct letter_filter *f, const char *value)
{
    return glob_check(value) ? "source is no valid pattern" : set_word(f->source, sizeof f->source, value);
}

const char *letter_ask_set(struct letter_ask *ask, const char *key, const char *value)
{
    struct letter_filter *f = &ask->filter;
    if (strcmp(key, "sink") == 0)
        return set_word(f->sink, sizeof f->sink, value);
    if (strcmp(key, "reason") == 0 || strcmp(key, "code") == 0)
        return set_reason(f, value);
    if (strcmp(key, "source") == 0)
        return set_source(f, value);
    if (strcmp(key, "older_than") == 0 || strcmp(key, "age") == 0)
        return set_age(f, value);
    if (strcmp(key, "id") == 0 || strcmp(key, "ids") == 0)
        return add_id(f, value);
    return "unknown key: there are sink, reason, source, older_than, ids, all, dry_run";
}

bool letter_ask_restricts(const struct letter_ask *ask)
{
    const struct letter_filter *f = &ask->filter;
    return f->sink[0] || f->code[0] || f->source[0] || f->older_than || f->n_ids;
}

/* ---- reading ---- */

/* The text of a value: a string, or a number's digits. */
static const char *text_of(const struct json *j, char *out, size_t size)
{
    if ((j->type != JSON_STRING && j->type != JSON_NUMBER) || j->len >= size)
        return NULL;
    size_t n = j->len;
    if (j->type == JSON_STRING)
        n = json_unescape(j, out);
    else
        memcpy(out, j->text, n);
    out[n] = 0;
    return strlen(out) == n ? out : NULL;
}

static const char *read_ids(struct letter_ask *ask, struct json *j)
{
    char text[32];
    if (j->type != JSON_ARRAY_BEGIN) {
        const char *one = text_of(j, text, sizeof text);
        return one ? add_id(&ask->filter, one) : "ids must be a list of numbers";
    }
    while (json_next(j) != JSON_ARRAY_END) {
        const char *id = text_of(j, text, sizeof text);
        const char *wrong = id ? add_id(&ask->filter, id) : "ids must be a list of numbers";
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *read_flag(const struct json *j, bool *flag)
{
    *flag = j->type == JSON_TRUE;
    return j->type == JSON_TRUE || j->type == JSON_FALSE ? NULL : "all and dry_run must be true or false";
}

static const char *read_value(struct letter_ask *ask, struct json *j, const char *key)
{
    char text[6 * LETTER_GLOB]; /* as it stands in JSON, each byte escaped */
    json_next(j);
    if (strcmp(key, "ids") == 0 || strcmp(key, "id") == 0)
        return read_ids(ask, j);
    if (strcmp(key, "all") == 0)
        return read_flag(j, &ask->all);
    if (strcmp(key, "dry_run") == 0)
        return read_flag(j, &ask->dry_run);
    const char *value = text_of(j, text, sizeof text);
    return value ? letter_ask_set(ask, key, value) : "a value is of a wrong type, or too long";
}

const char *letter_ask_read(struct letter_ask *ask, const char *text, size_t n)
{
    struct json j;
    *ask = (struct letter_ask){0};
    while (n && strchr(" \t\r\n", text[n - 1]))
        n--;
    if (n == 0)
        return NULL;
    json_begin(&j, text, n);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return "the body must be a JSON object";
    while (json_next(&j) == JSON_KEY) {
        char key[32];
        const char *wrong = "unknown key: there are sink, reason, source, older_than, ids, all, dry_run";
        if (j.len < sizeof key) {
            key[json_unescape(&j, key)] = 0;
            wrong = read_value(ask, &j, key);
        }
        if (j.type == JSON_ERROR)
            break;
        if (wrong)
            return wrong;
    }
    return j.type == JSON_OBJECT_END && json_next(&j) == JSON_END ? NULL : "the body is no valid JSON";
}

/* ---- writing ---- */

static void write_text(struct buf *out, const char *key, const char *value)
{
    if (!*value)
        return;
    buf_printf(out, "\"%s\":", key);
    json_add_cstring(out, value);
    buf_puts(out, ",");
}

int letter_ask_write(const struct letter_ask *ask, struct buf *out)
{
    const struct letter_filter *f = &ask->filter;
    buf_puts(out, "{");
    write_text(out, "sink", f->sink);
    write_text(out, "reason", f->code);
    write_text(out, "source", f->source);
    if (f->older_than)
        buf_printf(out, "\"older_than\":\"%" PRId64 "ns\",", f->older_than);
    for (unsigned i = 0; i < f->n_ids; i++)
        buf_printf(out, "%s%" PRId64, i ? "," : "\"ids\":[", f->ids[i]);
    buf_printf(out, "%s\"all\":%s,\"dry_run\":%s}", f->n_ids ? "]," : "", ask->all ? "true" : "false",
               ask->dry_run ? "true" : "false");
    return out->failed ? -1 : 0;
}
