/*
 * ask: what a running agent says over HTTP, at the address where it answers (address.h), with the token or password that its
 * configuration wants.
 */
#pragma once

#include "config/config.h"

/*
 * GET of `path`, with its query. 0, and the HTTP status in *status; or -ENOMEM; or -ENOTCONN when nobody answers, and
 * why in `error`.
 */
int ask_agent(struct scope *scope, const struct config *c, const char *path, struct buf *answer, long *status,
              char *error, size_t size);
/* The same as a POST of `body`; NULL: GET. */
int ask_agent_to(struct scope *scope, const struct config *c, const char *path, const char *body, struct buf *answer,
                 long *status, char *error, size_t size);
/* Says on standard error why there was no answer; nothing when there was one (0). */
void ask_complain(int r, const struct config *c, const char *error);

/* The text as the value of a query's argument; in the arena. NULL: out of memory. */
char *ask_escape(struct scope *scope, const char *text);
