/*
 * heap: reads the heap profile that jemalloc writes (prof.dump, its text format "heap_v2"), one stack after the other.
 *
 *     heap_v2/524288                     bytes between two samples, on average
 *       t*: 12: 3456 [20: 5678]          all threads: live objects: bytes [ever allocated: bytes]
 *     @ 0x5601 0x5602                    a stack, innermost first, return addresses
 *       t*: 1: 1024 [0: 0]
 *       t0: 1: 1024 [0: 0]               one thread: passed over
 *     MAPPED_LIBRARIES: ...              not read
 *
 * (jemalloc, doc/jemalloc.xml "Heap profile format".) Pure; no allocation.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HEAP_FRAMES = 64 };

struct heap_stack {
    uintptr_t frames[HEAP_FRAMES]; /* what is deeper is left out */
    unsigned n;
    uint64_t objects, bytes, ever_objects, ever_bytes; /* as sampled: see heap_scale() */
};

struct heap_reader {
    const char *at, *end;
    uint64_t rate; /* bytes between samples, on average */
};

/* 0, or -EINVAL: it is no such profile. */
int heap_begin(struct heap_reader *r, const char *text, size_t n);
/* 1: the next stack; 0: there is no more; -EINVAL: it is damaged. */
int heap_next(struct heap_reader *r, struct heap_stack *s);

/*
 * By what to multiply sampled counts and bytes to estimate what there was: an object is sampled the more likely the larger
 * it is (probability 1 - e^(-size/rate)).
 */
double heap_scale(uint64_t objects, uint64_t bytes, uint64_t rate);
