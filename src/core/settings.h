/*
 * settings: what lines were made by, as an immutable text: a flat JSON object of strings. Equal texts are one object, so
 * pointers compare. They go into state.db with the intents (intents.h), which name them by the hash of their text.
 *
 * Ownership: reference counted; streams_begin()/streams_end() bracket their table too. Any thread.
 */
#pragma once

#include "codec/json.h"

struct scope;

struct settings {
    int64_t id; /* hash of the text */
    size_t len;
    char text[];
};

int settings_begin(struct scope *owner);
void settings_end(void); /* there must be none left */

/* One reference more. NULL: no memory. */
struct settings *settings_get(const char *text, size_t len);
struct settings *settings_ref(struct settings *s); /* NULL is allowed, also below */
void settings_unref(struct settings *s);

/* ---- the text ---- */

/* The first one opens the object; settings_close() ends it. Errors stay in out->failed. */
void settings_put(struct buf *out, const char *key, const char *value);
void settings_put_number(struct buf *out, const char *key, uint64_t value);
void settings_close(struct buf *out);

/* Reads a text, which is changed: keys and values are made strings in it. */
struct settings_reader {
    struct json json;
    bool open;
};
void settings_read(struct settings_reader *r, char *text, size_t len);
/* false: at the end, or it is no such text (*whole says which). */
bool settings_next(struct settings_reader *r, const char **key, const char **value, bool *whole);
