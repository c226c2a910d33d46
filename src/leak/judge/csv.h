/*
 * csv: samples out of a text with one a line: "time,value", Unix seconds (fractions are allowed) and a number. The first line
 * names the columns; others than these two may be there and are passed over. Spaces, CRLF, a byte order mark and empty lines are no
 * errors. Everything else is: a field that is no finite number, a time that is not later than the one before or is no Unix
 * seconds, a line that is too long. No quotes: numbers need none.
 *
 * Pure: fed with the text in pieces of any size. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSV_LINE = 1024, CSV_ERROR = 160 };

struct csv {
    uint64_t line;    /* from 1: the one that is read, or was wrong */
    uint64_t samples;
    int64_t last;     /* ns; of the latest sample */
    int time_at, value_at; /* columns; 0-based */
    bool named;       /* the header was read */
    size_t n;
    char text[CSV_LINE];
    char error[CSV_ERROR];
};

typedef void csv_sample(void *arg, int64_t time, double value); /* time: ns since 1970 */

void csv_begin(struct csv *c);
/* 0, or -EINVAL: csv->line, csv->error say where and what. Nothing may be fed after that. */
int csv_feed(struct csv *c, const char *data, size_t n, csv_sample *take, void *arg);
/* The text is over: its last line needs no end. A text without a sample is wrong. */
int csv_end(struct csv *c, csv_sample *take, void *arg);
