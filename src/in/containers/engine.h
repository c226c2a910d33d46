/*
 * engine: one Docker Engine, or Podman's service that speaks the same, at one address.
 *
 * GET /version says what both understand: the API's version is the lower of what the engine offers at most and ENGINE_API_MOST, and
 * an engine that offers less than ENGINE_API_LEAST, or only more, is not used. Then /info, the events, the list. One that does not
 * answer is tried again with a growing pause, 30 s at most; it is said once that it went, and once that it is back.
 *
 * Of several addresses of one engine (by the ID in /info) the first that is up is used; the others rest, and are looked at again every
 * BACKOFF_MOST. When it fails its streams stay open, until another is up: that one takes its containers over, each where it was.
 *
 * Connections: as many wires as max_connections, and CONTROLS_MOST beside. Who gets none waits in a queue; a wire that rotates while
 * others wait goes to its end.
 */
#pragma once

#include "in/containers/monitor.h"

enum { ENGINE_API_LEAST = 24, ENGINE_API_MOST = 43, ENGINE_WHY = FACTS_VALUE + 32 };

/* 0, -EEXIST: the same socket is there already; -errno. found: by itself. */
int engine_begin(struct containers *m, const char *address, bool found);
/* Lets go of all it reads; its containers and where they are stay. */
void engine_rest(struct engine *e);
/* Begins, or goes on after resting or with other options. */
void engine_wake(struct engine *e);
void engine_end(struct engine *e);

/* The list is asked for now, or again once the one under way is done. */
void engine_list(struct engine *e);
/* Within a second. */
void engine_list_soon(struct engine *e);
struct container *engine_find(struct engine *e, const char *id);
/* "/v1.41" and what follows, in `out`. */
const char *engine_path(const struct engine *e, char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Why it is not what was asked for: what the engine says, or what kept the answer from coming. */
const char *engine_why_not(const struct http_answer *a, char out[ENGINE_WHY]);
/* Puts it among those that wait to be inspected. */
void engine_inspect(struct engine *e, struct container *c);
void engine_uninspect(struct engine *e, struct container *c); /* it goes away */
/* Something could not be connected to: is the engine still there? */
void engine_doubt(struct engine *e);
/* The pause before the next try; it grows, and is never the same for all. */
int64_t engine_backoff(int64_t *backoff);
