/*
 * screen: what a terminal shows, built as lines that fit its width and height, written in one go.
 *
 * Between screen_open() and screen_close() the terminal gives keys one by one, without echo, and shows the alternate screen, so
 * that what stood there before is back afterwards; SIGINT and SIGTERM end screen_key()'s wait as the key q. One a process.
 * Control characters of what is shown become '?'. ECMA-48 sequences that every terminal has; no colours but bold.
 */
#pragma once

#include "base/mem.h"

struct screen {
    struct buf out;
    unsigned width, height, lines; /* lines: written of this picture */
    bool open;
};

int screen_begin(struct screen *s, struct scope *owner);
/* false: standard input or output is no terminal. */
bool screen_open(struct screen *s);
void screen_close(struct screen *s);

void screen_clear(struct screen *s); /* begins a picture */
/* A line; what is wider than the terminal is cut, what is below its end is left out. */
void screen_line(struct screen *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void screen_bold_line(struct screen *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
unsigned screen_room(const struct screen *s); /* lines that still fit */
void screen_show(struct screen *s);

/* Waits for a key: it, or 0 when the time (ms) is over, or 'q' at a signal to end, or when nobody is there any more. */
int screen_key(int wait_ms);
