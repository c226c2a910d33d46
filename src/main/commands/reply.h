/*
 * reply: a JSON answer of the agent, taken apart: each value by its path, "series.0.name"; the elements of an array are counted at
 * "series.#". For commands that show it as tables.
 *
 * Memory: in the arena of the scope given. Strings are unescaped; what a terminal would act on is printed by cell.h, not here.
 */
#pragma once

#include "config/config.h"

struct reply_value {
    const char *path, *text;
};

struct reply {
    struct reply_value *values; /* by path */
    size_t n, room;
};

/* 0; -EBADMSG: it is no JSON; -ENOMEM. */
int reply_read(struct reply *r, struct scope *scope, const char *json, size_t size);
/* GET of `path`. 0, or an exit code (commands.h), and why was said on standard error. `answer`: begun, with what came. */
int reply_ask(struct reply *r, struct scope *scope, const struct config *c, const char *path, struct buf *answer);

/* Says on standard error what came instead of an answer: the "error" of its JSON, or what came as it is. */
void reply_complain(struct scope *scope, const struct buf *answer);

typedef void reply_print(const struct reply *r, bool more);
/* A whole command: GET of `path` with the configuration in `file` (NULL: the usual one), shown by `print`, or as it came. An exit code. */
int reply_show(const char *file, const char *path, bool json, reply_print *print, bool more);

/* "" when it is not there, or null. */
const char *reply_text(const struct reply *r, const char *path, ...) __attribute__((format(printf, 2, 3)));
double reply_number(const struct reply *r, const char *path, ...) __attribute__((format(printf, 2, 3))); /* 0: not there */
