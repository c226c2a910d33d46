/*
 * profile: numbers by stack: tasks, threads, descriptors, memory, processor time. What `go tool pprof` calls a profile.
 *
 * Equal stacks of one kind are one sample, whose values are summed. Two profiles of one sort can be subtracted, which
 * shows what grew in between. It holds addresses; names come with lines.h when it is written (profile_write.h).
 *
 * Addresses lie within the instruction that calls. Memory: under the scope given; at most PROFILE_SAMPLES samples, what is
 * beyond is counted. One thread.
 */
#pragma once

#include "base/birth.h"
#include "base/mem.h"
#include "leak/explain/lines.h"

enum { PROFILE_VALUES = 4, PROFILE_SAMPLES = 64 * 1024, PROFILE_DEPTH = 64 };

struct profile_value {
    const char *type, *unit; /* "inuse_space", "bytes" */
};

/* What a profile is of. Static. */
struct profile_sort {
    const char *name; /* "goroutine" */
    struct profile_value values[PROFILE_VALUES];
    unsigned n_values;
    unsigned first_value; /* what is shown unless another is asked for */
    struct profile_value period;
};

struct profile_sample {
    int64_t values[PROFILE_VALUES];
    int64_t oldest;        /* when the oldest of them was born, clock_mono(); 0: not known */
    const char *kind;      /* static; NULL: none */
    char name[BIRTH_NAME]; /* of the oldest; "" */
    uint32_t frames, depth;
};

struct profile {
    struct scope scope;
    const struct profile_sort *sort;
    int64_t period, at, duration; /* ns; at: clock_real() */
    uintptr_t *frames;
    size_t n_frames, frames_cap;
    struct profile_sample *samples;
    size_t n, cap;
    uint32_t *index; /* places in samples, plus one, by hash */
    size_t index_cap;
    uint64_t left_out;
};

int profile_begin(struct profile *p, struct scope *owner, const struct profile_sort *sort);
void profile_end(struct profile *p);

/* kind, name, born: may be NULL, NULL, 0. What there is no memory for is counted in left_out. */
void profile_add(struct profile *p, const uintptr_t *frames, unsigned n, const char *kind, const int64_t *values,
                 const char *name, int64_t born);
/* The stack of a birth: return addresses, as births keep them. */
void profile_add_birth(struct profile *p, const struct birth_info *b, const char *kind, const int64_t *values);
/* Takes away what was in `earlier`; what became 0 goes. */
void profile_subtract(struct profile *p, const struct profile *earlier);

int64_t profile_total(const struct profile *p, unsigned value);
void profile_sort_by_value(struct profile *p); /* the largest first, by sort->first_value */
void profile_sort_by_age(struct profile *p);   /* the oldest first */

/* Looks up all its addresses. As lines_begin(). */
int profile_lines(const struct profile *p, struct lines *l, struct scope *owner, int cancel);
