/*
 * resolver: what the hidden command `logcap resolve` does: it looks up functions, files and lines for lines.c, in a
 * process of its own, whose memory goes back to the kernel when it ends.
 *
 * It is asked on standard input, to its end, a line each:
 *     m BIAS PATH    a module: how far it was moved from where it was linked to (hex), and its file; no path: the program
 *     a ADDRESS      (hex)
 * and answers on standard output, for each address in its order, a line for each function that it lies in, what was inlined
 * first, then "."; fields between tabs, what is not known is empty:
 *     FUNCTION <tab> OFFSET <tab> LINE <tab> FILE
 * OFFSET (decimal) is that of the address in the function that has code of its own, the last one.
 */
#pragma once

#include <stdio.h>

/* Ends the process: with 0, or 1 if there is no libdw. Nothing is freed, for that is what the end does. */
_Noreturn void resolver_run(FILE *in, FILE *out);
