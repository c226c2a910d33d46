/*
 * symbols: which function of this program an address lies in, static ones too, for stacks that people read.
 *
 * The table is the program's own, read from /proc/self/exe when somebody asks (some 60 KiB, 0.3 ms) and dropped
 * afterwards: births only keep addresses. Of a library its name and the place in it; of a program that was
 * stripped only addresses. `addr2line -fe logcap` and gdb take what is printed.
 *
 * Memory and descriptor: under the scope given, until symbols_end(). One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"

struct function {
    uintptr_t start, size;
    const char *name;
};

struct symbols {
    struct function *functions; /* by start; NULL: there is no table */
    size_t n;
    char *names;
};

/* 0, or -errno: symbols_text() gives addresses then. */
int symbols_begin(struct symbols *s, struct scope *owner);
void symbols_end(struct symbols *s); /* nothing when there is no table */

enum { SYMBOL_TEXT = 160 };
/* "file_read+0x1c", "libc.so.6+0x2724a", or "0x7f1485c668f8"; returns `text`. */
const char *symbols_text(const struct symbols *s, uintptr_t address, char text[SYMBOL_TEXT]);
