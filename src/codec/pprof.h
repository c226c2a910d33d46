/*
 * pprof: a profile.proto as `go tool pprof` reads it (github.com/google/pprof proto/profile.proto), gzipped.
 *
 *     pprof_begin(&p, scope, limit);
 *     pprof_sample_type(&p, "inuse_space", "bytes");                 one for each value of a sample
 *     pprof_mapping(&p, &mapping);                                   any number, each before its locations
 *     uint64_t at = pprof_location(&p, address, mapping, frames, n); innermost (inlined) frame first
 *     pprof_sample(&p, &at, 1, values, labels, n_labels);            locations innermost first
 *     pprof_finish(&p, out);
 *
 * Strings and functions are stored once. What does not fit into memory or `limit` fails once, in pprof_finish(). One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

struct pprof_table {
    struct {
        uint64_t key;
        uint32_t id; /* 0: free */
    } *slots;
    uint32_t n, cap;
};

struct pprof {
    struct scope scope;
    struct buf out, message, inner, strings; /* strings: each with its NUL */
    struct pprof_table texts, functions;
    uint64_t locations, mappings;
    unsigned values;
    bool failed;
};

struct pprof_mapping {
    uint64_t start, end, offset;
    const char *file, *build_id;
    bool symbols; /* functions, files, lines and inlined frames are here: a reader need not look them up */
};

struct pprof_frame {
    const char *function, *file;
    int64_t line;
};

struct pprof_label {
    const char *key, *text; /* text NULL: a number */
    int64_t number;
    const char *unit;
};

int pprof_begin(struct pprof *p, struct scope *owner, size_t limit);
void pprof_end(struct pprof *p);
void pprof_sample_type(struct pprof *p, const char *type, const char *unit);
void pprof_default_type(struct pprof *p, const char *type);
void pprof_period(struct pprof *p, const char *type, const char *unit, int64_t period);
void pprof_time(struct pprof *p, int64_t at, int64_t duration); /* ns; at: since 1970 */
uint64_t pprof_mapping(struct pprof *p, const struct pprof_mapping *m); /* its id */
/* mapping: 0: none. Its id; each call makes one. */
uint64_t pprof_location(struct pprof *p, uint64_t address, uint64_t mapping, const struct pprof_frame *frames, unsigned n);
void pprof_sample(struct pprof *p, const uint64_t *locations, unsigned n, const int64_t *values,
                  const struct pprof_label *labels, unsigned n_labels);
/* Adds the gzipped profile to `out`. 0, or -ENOMEM. Only pprof_end() may follow. */
int pprof_finish(struct pprof *p, struct buf *out);
