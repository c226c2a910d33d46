/*
 * pprof: /debug/pprof/ with the manners of Go's net/http/pprof, so that `go tool pprof URL` and who knows Go find their way.
 *
 *     /debug/pprof/                 which there are
 *     /debug/pprof/NAME             see leak/explain/explain.h; ?debug=1, 2: text, else gzipped protobuf;
 *                                   ?seconds=N: what grew in that time; format=json|text&most=N: groups, the oldest first, as `logcap stacks` shows them
 *
 * An answer is made on a thread of its own, which lives as long as its request, since symbols and seconds take time;
 * at most EXPLAINERS_MAX at once. The server's loop goes on meanwhile.
 */
#pragma once

#include "leak/explain/explain.h"
#include "web/server.h"

enum { EXPLAINERS_MAX = 4, PPROF_SECONDS_MAX = 600 };

/* Those at work for one server, on its loop. */
struct explainers {
    struct loop *loop;
    unsigned n;
};

/*
 * Answers with what `make` writes on a thread of its own, below `scope`; its wait ends when `cancel` can be read. 0 or -errno.
 * The request has its status and content type; `name` is what cannot be told if it fails.
 */
void explainers_start(struct explainers *x, struct request *q, const char *name,
                      int (*make)(const struct explain_ask *ask, struct scope *scope, struct buf *out, int cancel),
                      const struct explain_ask *ask);
/* Answers what is at "/debug/pprof/" and below; the path must be there. */
void explainers_answer(struct explainers *x, struct request *q);
