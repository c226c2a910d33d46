/*
 * series: one resource of this process over time: its name, its last fifteen minutes, its judge, and what is on its way into
 * state.db (store_history.h).
 *
 * A name is "kind" for a total or "kind:group": tasks, tasks:file_reader, tasks:unexpected, threads, fds, fds:tcp_established,
 * fds:unowned, memory:rss, memory:pss, memory:heap, memory:heap_mapped, memory:virtual, arena:SCOPE (bytes by the name of their
 * scope), things:KIND (the census), children. Bytes for memory and arena, else a count.
 *
 * Points are kept in a ring of 15 minutes, at the interval at which the series is measured (1 s for the totals that cost
 * nothing). A minute that is over becomes a row (least, mean, most), and so does an hour.
 *
 * At most SERIES_MAX; a name beyond that is not followed, and counted.
 * Threads: the watch's writes; others read under the lock of leakwatch.h. Times: clock_real(), s; judges see clock_mono(), ns.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/birth.h"
#include "base/mem.h"
#include "leak/judge/alarm.h"
#include "leak/judge/judge.h"

enum { SERIES_MAX = 400, SERIES_NAME = 64, SERIES_KEPT_S = 15 * 60 };

/* Which of the two intervals it is measured at, and so which section of the configuration judges it. */
enum series_section { SERIES_OF_TASKS, SERIES_OF_RESOURCES, SERIES_SECTIONS };

struct point {
    uint32_t time; /* s */
    float value;
};

struct step {
    uint32_t begin; /* s; 0: none yet */
    uint32_t n;
    double least, sum, most;
};

struct series {
    char name[SERIES_NAME];
    enum series_section section;
    bool bytes, judged, measured /* in this round */;
    struct point *ring;
    unsigned room, n, next;
    double value, expected; /* the latest */
    bool has_birth;          /* of tasks that grow in number: */
    struct birth_info birth; /* of the oldest of those that were born where most of what grew was */
    struct step minute, hour;
    struct judge judge;
    struct alarm alarm;
};

/* A step that is over. */
struct series_row {
    char name[SERIES_NAME];
    unsigned length; /* 60 or 3600 */
    int64_t begin;   /* s */
    double least, mean, most;
};

struct series_table {
    struct scope scope;
    struct series *list[SERIES_MAX];
    unsigned n;
    uint64_t refused;
    bool kept; /* somebody stores rows */
    struct buf rows; /* struct series_row, for them */
    uint64_t rows_lost;
};

int series_begin(struct series_table *t, struct scope *owner);
struct series *series_find(const struct series_table *t, const char *name);
/* The series of this name, made if need be for points `interval` seconds apart. NULL: SERIES_MAX, or no memory. */
struct series *series_obtain(struct series_table *t, const char *name, enum series_section section, unsigned interval);
/* A point for the ring and the steps; not for the judge. */
void series_note(struct series_table *t, struct series *s, int64_t now_s, double value);
/* Points of the ring within [from, to], oldest first, into `points`; returns how many. */
unsigned series_points(const struct series *s, uint32_t from, uint32_t to, struct point *points, unsigned room);
/* Steps under way become rows: at the end. */
void series_flush(struct series_table *t);
