/*
 * explain: what is alive and who works, written for who asks: profiles by name, in the forms that Go's net/http/pprof has.
 *
 * Any thread that may wait: some 50 ms for names of functions (lines.h), and as long as is asked for. Memory: under the
 * scope given, while it is written.
 */
#pragma once

#include "leak/explain/profile_write.h"

enum explain_what {
    EXPLAIN_GOROUTINE, /* tasks and threads */
    EXPLAIN_HEAP,
    EXPLAIN_ALLOCS,
    EXPLAIN_CPU, /* "profile" */
    EXPLAIN_THREADCREATE,
    EXPLAIN_FDS,
    EXPLAIN_THINGS, /* of the scope tree: leases, batches, timers, watches, handles */
    EXPLAIN_BLOCKS, /* what the scope tree holds */
    EXPLAINED
};

enum explain_form {
    EXPLAIN_PPROF, /* gzipped, for go tool pprof */
    EXPLAIN_TEXT,  /* debug=1: grouped */
    EXPLAIN_EACH,  /* debug=2 of goroutine: each by itself; of others as EXPLAIN_TEXT */
    EXPLAIN_PLAIN, /* for people: grouped, oldest first */
    EXPLAIN_JSON,  /* grouped, oldest first: {"profile", "total", "groups": [...]} */
};

struct explain_ask {
    enum explain_what what;
    enum explain_form form;
    int64_t span; /* ns: of others than CPU: what grew meanwhile; 0: what there is */
    size_t most;  /* stacks in text and JSON; 0: all */
};

const char *explain_name(enum explain_what what);
const char *explain_says(enum explain_what what);           /* a sentence for an index */
bool explain_find(const char *name, enum explain_what *what); /* false: there is none of that name */

bool explain_has_heap(void); /* whether EXPLAIN_HEAP and EXPLAIN_ALLOCS are there */

/*
 * Adds to `out`. Of tasks and threads the calling thread is none: it is there for the answer only. 0; -ENOTSUP: this build has
 * no such profile; -EBUSY: another measurement is going on; -ECANCELED:
 * `cancel` can be read (-1: there is none); or another -errno.
 */
int explain_write(const struct explain_ask *ask, struct scope *scope, struct buf *out, int cancel);

/* Saves a heap profile for go tool pprof; the file is replaced whole. -ENOTSUP as above. */
int explain_save_heap(struct scope *scope, const char *path);
