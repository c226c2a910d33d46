/*
 * files_world: the real monitor, pool and dispatcher for unit tests, on a loop that the test turns itself, over a directory of
 * its own. The sink notes each record as a line and secures it at once. A pair of end_process() and begin_process()
 * is a restart: what the store would know is kept between them.
 *
 * Nobody waits: while the loop is turned and there is nothing to do, the monotonic clock goes on to the next timer. The wall clock and
 * the times of files do not. Time is real when somebody `beside` the test works too.
 */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "in/files/files.h"
#include "in/files/monitor.h"
#include "unit.h"

enum { NOTES = 4 * 1024 * 1024 };

struct world {
    struct scope scope, process;
    struct pool pool;
    struct sink sink;
    struct sink *list[1];
    struct dispatcher dispatcher;
    struct loop loop;
    struct timer over;
    struct files *files;
    struct past past;
    struct files_group group;
    const char *paths[2], *excludes[1];
    struct config config;
    struct sink_config sink_config;
    char dir[64], pattern[96];
    char *notes; /* the records, each with '\n' */
    size_t noted;
    bool hold; /* the sink takes nothing */
    bool beside; /* another process writes */
    void (*seen)(const struct lease *l); /* each that it noted; may be NULL */
};

/* A world, and the monitor's first process in it; prepare() alone leaves room for other options. */
void prepare(struct world *w);
void begin(struct world *w);
void end(struct world *w);
bool begin_process(struct world *w);
void end_process(struct world *w);
void clean(struct world *w);

/* Lets the monitor work for so long, by its clock. */
void turn(struct world *w, int ms);
/* Until `want` is all that was noted, and nothing more comes; fails after 10 s. */
void expect(struct world *w, const char *want);
uint64_t lost(struct world *w); /* bytes, by the rotator */

/* Files in the world's directory. at(): one of the last four paths made stays valid. */
const char *at(struct world *w, const char *name);
void put(struct world *w, const char *name, int flags, const char *text);
void append(struct world *w, const char *name, const char *text);
void move(struct world *w, const char *from, const char *to);
void copy(struct world *w, const char *from, const char *to);
