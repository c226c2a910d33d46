#include "core/settings.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* A process has few: one for each open file, and for each sink. */
enum { BUCKETS = 256 };

struct entry {
    struct entry *next; /* in the bucket */
    uint32_t refs;      /* under the lock */
    struct settings settings;
};

static struct {
    pthread_mutex_t lock;
    struct scope scope; /* its own: they come and go on any thread, under the lock */
    struct entry **buckets;
    size_t n;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

int settings_begin(struct scope *owner)
{
    assert(!thing_alive(&table.scope.thing));
    int r = scope_begin(&table.scope, owner, "settings");
    if (r < 0)
        return r;
    table.buckets = mem_new(&table.scope, BUCKETS * sizeof *table.buckets, "settings table");
    if (table.buckets)
        return 0;
    scope_end(&table.scope);
    return -ENOMEM;
}

void settings_end(void)
{
    assert(table.n == 0);
    table.buckets = NULL;
    scope_end(&table.scope);
}

static struct entry **bucket_of(int64_t id)
{
    return &table.buckets[(uint64_t)id % BUCKETS];
}

static struct entry *make(const char *text, size_t len, int64_t id)
{
    struct entry *e = mem_new(&table.scope, sizeof *e + len + 1, "settings");
    if (!e)
        return NULL;
    e->settings.id = id;
    e->settings.len = len;
    memcpy(e->settings.text, text, len);
    e->next = *bucket_of(id);
    *bucket_of(id) = e;
    table.n++;
    return e;
}

struct settings *settings_get(const char *text, size_t len)
{
    int64_t id = (int64_t)XXH3_64bits(text, len);
    pthread_mutex_lock(&table.lock);
    struct entry *e = *bucket_of(id);
    while (e && !(e->settings.len == len && memcmp(e->settings.text, text, len) == 0))
        e = e->next;
    if (!e)
        e = make(text, len, id);
    if (e)
        e->refs++;
    pthread_mutex_unlock(&table.lock);
    return e ? &e->settings : NULL;
}

struct settings *settings_ref(struct settings *s)
{
    if (!s)
        return NULL;
    pthread_mutex_lock(&table.lock);
    container_of(s, struct entry, settings)->refs++;
    pthread_mutex_unlock(&table.lock);
    return s;
}

void settings_unref(struct settings *s)
{
    if (!s)
        return;
    struct entry *e = container_of(s, struct entry, settings);
    pthread_mutex_lock(&table.lock);
    if (--e->refs == 0) {
        struct entry **at = bucket_of(s->id);
        while (*at != e)
            at = &(*at)->next;
        *at = e->next;
        table.n--;
        mem_free(e);
    }
    pthread_mutex_unlock(&table.lock);
}

/* ---- the text ---- */

void settings_put(struct buf *out, const char *key, const char *value)
{
    buf_puts(out, out->len ? "," : "{");
    json_add_cstring(out, key);
    buf_puts(out, ":");
    json_add_cstring(out, value);
}

void settings_put_number(struct buf *out, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    settings_put(out, key, text);
}

void settings_close(struct buf *out)
{
    buf_puts(out, out->len ? "}" : "{}");
}

void settings_read(struct settings_reader *r, char *text, size_t len)
{
    json_begin(&r->json, text, len);
    r->open = json_next(&r->json) == JSON_OBJECT_BEGIN;
}

/* The closing quote, which was read already, makes room for the NUL. */
static const char *as_string(struct json *j)
{
    char *text = (char *)(uintptr_t)j->text;
    text[json_unescape(j, text)] = 0;
    return text;
}

bool settings_next(struct settings_reader *r, const char **key, const char **value, bool *whole)
{
    struct json *j = &r->json;
    *whole = false;
    if (!r->open)
        return false;
    if (json_next(j) == JSON_KEY) {
        *key = as_string(j);
        if (json_next(j) != JSON_STRING)
            return r->open = false;
        *value = as_string(j);
        return true;
    }
    *whole = j->type == JSON_OBJECT_END && json_next(j) == JSON_END;
    return r->open = false;
}
