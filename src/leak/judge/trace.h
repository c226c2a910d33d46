/*
 * trace: the past of a series in bounded memory: at most TRACE_CELLS cells of equal length, which begin at TRACE_FIRST and are
 * merged two by two whenever they are used up, up to TRACE_LONGEST; from then on the oldest are forgotten. So a day is
 * kept in cells of 8 minutes, and nine days at most in cells of an hour.
 *
 * A cell holds the mean of its samples and their floor and top: the least and the highest of the means of its smallest parts
 * (TRACE_FIRST), so that a single odd sample makes none. However long cells are, they are made in the same way, by merging, so that old and
 * new ones can be compared. A time without samples is a cell with none.
 *
 * Pure; a struct that can be copied.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { TRACE_CELLS = 192, TRACE_LEVELS = 7 };
#define TRACE_FIRST INT64_C(60000000000)           /* ns: a minute */
#define TRACE_LONGEST (TRACE_FIRST << (TRACE_LEVELS - 1)) /* 64 minutes */

struct cell {
    float low, mean, high; /* above the trace's zero */
    uint32_t n;      /* samples; 0: none */
};

struct trace {
    struct cell cells[TRACE_CELLS]; /* oldest first, all complete */
    unsigned n;
    int64_t begin;  /* of the first cell */
    int64_t length; /* of each */
    double zero;    /* the first value: cells hold differences, so that floats are exact enough for bytes */
    struct cell open[TRACE_LEVELS]; /* halves that wait for their other half, by level */
    bool waiting[TRACE_LEVELS];
    struct cell part;   /* the smallest part, which grows now */
    int64_t part_begin;
    double part_sum;
};

void trace_begin(struct trace *t);
/* A sample, later than any before. How many cells became complete: what a verdict rests on changes with them only. */
unsigned trace_add(struct trace *t, int64_t time, double value);
/* The highest top of the cells that ended by then. */
double trace_top(const struct trace *t, int64_t time);
