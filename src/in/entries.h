/*
 * entries: the body of POST /api/v1/logs, read without allocation.
 *
 *     {"message": "disk is full", "level": "error", "labels": {"unit": "backup"}}
 *     [{"message": "one"}, {"message": "two"}]
 *     {"entries": [{"message": "one"}, {"message": "two"}]}
 *
 * message      a string; must be there
 * timestamp    RFC 3339 as a string, or since the epoch as an integer or a string of one: seconds, or with 3, 6 or
 *              9 digits more (so nanoseconds have 19 digits)
 * level, source_type, source_id    strings
 * labels       an object of strings
 *
 * null is as if the key were not there. A key that is not known is passed over and counted; one that stands twice
 * in an entry is an error. What is between the quotes is JSON's strict UTF-8, see codec/json.h.
 *
 * The reader points into the caller's bytes, and holds the labels of one entry: they are gone with the next.
 * Same input and same `now`, same entries: it may be read twice. Pure; one thread at a time.
 */
#pragma once

#include "codec/json.h"
#include "core/stream.h"

enum {
    ENTRY_LABELS = 24,             /* an entry's own */
    ENTRY_LABEL_BYTES = 8 * 1024,  /* names and values, level and source_* too, with their NULs */
};

struct entry_text {
    const char *level, *source_type, *source_id; /* NULL: not given */
    struct label labels[ENTRY_LABELS];           /* the names are valid as labels', other characters became '_' */
    unsigned n;
};

struct entries {
    struct json json;
    enum { ENTRIES_UNREAD, ENTRIES_ONE, ENTRIES_LIST, ENTRIES_WRAPPED, ENTRIES_OVER } shape;
    int64_t now;
    /* the entry */
    size_t at;           /* where it begins */
    struct json message; /* the token: json_unescape() gives at most message.len bytes */
    bool has_time;
    int64_t time; /* UTC ns */
    struct entry_text text;
    unsigned seen; /* which keys */
    char memory[ENTRY_LABEL_BYTES];
    size_t used;
    /* the body */
    uint64_t unknown_keys;
    const char *error; /* a sentence's end, at the byte error_at; NULL: none */
    size_t error_at;
};

/* now: UTC ns. */
void entries_begin(struct entries *e, const char *body, size_t size, int64_t now);
/* Reads the next entry. false: there is none, and then `error` says whether the body is good up to its last byte. */
bool entries_next(struct entries *e);
