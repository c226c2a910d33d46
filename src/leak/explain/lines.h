/*
 * lines: function, file and line of addresses of this process.
 *
 * Looked up in a process of its own (resolver.h): debug information takes tens of MiB and some 100 ms for the first
 * address, and all of that is gone afterwards. Where that process cannot be had, or knows nothing, the program's own
 * table of functions is asked (base/symbols.h), and then there is the library's name and the place in it.
 *
 * Memory: under the scope given, until lines_end(). One thread; lines_begin() waits for the other process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/symbols.h"

/* A program or library in our memory. */
struct module {
    uintptr_t start, end, moved; /* where it lies; how far that is from where it was linked to */
    uint64_t file_offset;        /* of start */
    const char *path;            /* of the program too */
    bool program;
    char build_id[2 * 20 + 1]; /* hex; "" */
};

enum { MODULES_MAX = 256 };

struct frame {
    const char *function; /* never NULL; "libx.so.1+0x2a0", the place in the file, or an address if no more is known */
    const char *file;     /* "": not known */
    uint32_t line;        /* 0: not known */
    uint32_t offset;      /* in the function */
};

struct place {
    uintptr_t address;
    uint32_t module; /* its number, or MODULES_MAX */
    uint32_t first, n; /* its frames: inlined functions first, the one with code of its own last */
};

struct lines {
    struct scope scope;
    struct module modules[MODULES_MAX];
    unsigned n_modules;
    struct place *places; /* by address */
    size_t n_places;
    struct frame *frames;
    size_t n_frames, frames_cap;
    struct buf answer; /* what the names point into */
    struct symbols symbols;
    bool resolved;     /* the other process answered */
};

/* Who looks up: argv of the program, ended by NULL. At first NULL, nobody. */
void lines_set_resolver(const char *const argv[]);
/* This program itself, for which `resolve` must be a command: any other would start itself without end. */
extern const char *const lines_itself[];

/*
 * Looks up `n` addresses (changed: sorted, without repetition), each within the instruction that is meant. cancel: a
 * descriptor; when it can be read the wait ends and the names are those at hand. 0 or -errno: there is no memory.
 */
int lines_begin(struct lines *l, struct scope *owner, uintptr_t *addresses, size_t n, int cancel);
void lines_end(struct lines *l);

/* NULL: it was not asked for. */
const struct place *lines_find(const struct lines *l, uintptr_t address);
