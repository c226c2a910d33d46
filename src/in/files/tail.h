/*
 * tail: reads one batch of a file and hands it over.
 *
 * What is dispatched ends at a line's end, but for a line that is too long and one that nobody finishes for
 * partial_flush. Where the next turn begins is batch->to; how much behind it holds no line end is remembered, so that
 * a line that grows byte by byte is not read again each time.
 */
#pragma once

#include "in/files/file.h"

enum turn {
    TURN_IDLE,    /* nothing more to read now */
    TURN_AGAIN,   /* there is more */
    TURN_BLOCKED, /* no memory or a sink is full: the same file again after the nudge */
};

enum turn tail_turn(struct files *f, struct file *file);
/*
 * For a position that was taken over: whether it lies in the rest of a line that `long_lines: cut` cut, which is so when
 * more bytes without a line end lie before it than a line may have. The file is open.
 */
bool tail_in_cut_line(struct files *f, const struct file *file);
