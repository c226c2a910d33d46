/*
 * Any bytes: written as a string and read back, they are what they were, repaired. And read as JSON: each token
 * is written again, and what was written must read as the same tokens.
 */
#include <stdlib.h>
#include <string.h>

#include "base/census.h"
#include "codec/json.h"
#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(struct buf *b, const char *text, size_t n)
{
    struct json j;
    char *expected = malloc(3 * n + 1), *got;
    size_t n_expected = utf8_repair(text, n, expected);
    buf_clear(b);
    if (json_add_string(b, text, n) < 0)
        abort();
    json_begin(&j, b->data, b->len);
    if (json_next(&j) != JSON_STRING || !(got = malloc(j.len + 1)) || json_unescape(&j, got) != n_expected ||
        memcmp(got, expected, n_expected) || json_next(&j) != JSON_END)
        abort();
    free(expected);
    free(got);
}

static void add_token(struct buf *b, const struct json *j)
{
    static const char *const fixed[] = {[JSON_OBJECT_BEGIN] = "{", [JSON_OBJECT_END] = "}",
                                        [JSON_ARRAY_BEGIN] = "[",  [JSON_ARRAY_END] = "]",
                                        [JSON_TRUE] = "true",      [JSON_FALSE] = "false",
                                        [JSON_NULL] = "null"};
    if (j->type == JSON_KEY || j->type == JSON_STRING) {
        char *text = malloc(j->len + 1);
        size_t n = json_unescape(j, text);
        if (!utf8_valid(text, n) || (!j->escaped && n != j->len))
            abort();
        json_add_string(b, text, n);
        free(text);
        buf_puts(b, j->type == JSON_KEY ? ":" : "");
    } else if (j->type == JSON_NUMBER) {
        int64_t value;
        if (json_int(j, &value) && (j->text[0] != '-' || value != 0))
            buf_printf(b, "%lld", (long long)value);
        else
            buf_add(b, j->text, j->len);
    } else {
        buf_puts(b, fixed[j->type]);
    }
}

/* Writes the tokens of the text without its spaces and needless escapes; false if it is not JSON. */
static bool rewrite(struct buf *b, const char *text, size_t n)
{
    struct json j;
    bool comma = false;
    buf_clear(b);
    json_begin(&j, text, n);
    while (json_next(&j) > JSON_END) {
        bool end = j.type == JSON_OBJECT_END || j.type == JSON_ARRAY_END;
        if (comma && !end)
            buf_puts(b, ",");
        add_token(b, &j);
        comma = j.depth && j.type != JSON_KEY && j.type != JSON_OBJECT_BEGIN && j.type != JSON_ARRAY_BEGIN;
    }
    if (j.at > n || (j.type == JSON_ERROR) != (j.error != NULL) || json_next(&j) != j.type)
        abort();
    return j.type == JSON_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once, twice;
    const char *text = (const char *)data;
    if (size > 1 << 16)
        return 0;
    if (buf_begin(&once, &scope_root, "once", 1 << 20) < 0 || buf_begin(&twice, &scope_root, "twice", 1 << 20) < 0)
        abort();
    check_string(&once, text, size);
    if (rewrite(&once, text, size) &&
        (!rewrite(&twice, once.data, once.len) || once.len != twice.len || memcmp(once.data, twice.data, once.len)))
        abort();
    buf_end(&once);
    buf_end(&twice);
    if (!census_empty(stderr))
        abort();
    return 0;
}
