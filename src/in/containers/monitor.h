/*
 * monitor: what the parts of the container monitor share. Only for src/in/containers/.
 */
#pragma once

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "in/containers/address.h"
#include "in/containers/containers.h"
#include "in/containers/facts.h"
#include "in/containers/wire.h"
#include "in/files/followed.h"
#include "net/http.h"

enum {
    ENGINES_MOST = 16,
    CONTAINERS_MOST = 10000, /* of an engine */
    INSPECTS_MOST = 4,       /* at once */
    CONTROLS_MOST = 4 + INSPECTS_MOST, /* connections beside those of wires: events, list, probe, one to spare */
    BUCKETS = 1024,
    DETAIL = 400,
    LIST_MOST = 16 << 20, INSPECT_MOST = 1 << 20, EVENT_MOST = 64 << 10, /* bytes of answers */
};
#define BACKOFF_LEAST (500 * MILLISECOND)
#define BACKOFF_MOST (30 * SECOND)

extern const struct task_kind container_stream_kind, container_ask_kind, container_events_kind;

enum container_mode { CONTAINER_UNDECIDED, CONTAINER_NONE, CONTAINER_FILE, CONTAINER_API };

struct container {
    struct scope scope;
    struct engine *engine;
    struct container *next, **at;   /* all of the engine */
    struct container *chain;        /* of the same bucket */
    struct container *next_inspect; /* waits to be inspected */
    struct http_request inspect;
    char id[FACTS_ID + 1];
    /* Under the monitor's lock: others read it. */
    const char *name, *image, *project, *service, *log_path, *chosen[FACTS_LABELS]; /* "": none; in `texts` */
    char *texts;
    char state[16], driver[32];
    bool tty, included, excluded;
    int64_t created;
    enum container_mode mode;
    char detail[DETAIL];
    bool known;     /* inspected, or as well known as it will ever be */
    bool running, gone;
    bool removed;  /* an event said so: it never comes back, whatever a list of an earlier moment says */
    bool ran;      /* it was heard to run, or to have run */
    bool missed;   /* and was gone before its log was open: counted */
    bool ended; /* it ran, and writes no more: one that was created only may write before its start is heard of */
    bool wants_inspect;
    unsigned not_found; /* so often in a row */
    uint64_t round; /* of the list that had it last, or of the first that must have it */
    uint64_t gone_round;
    struct wire wire;
    struct followed *followed;
    bool followed_done, log_found;
    /* Of what is read, whatever the way. */
    _Atomic uint64_t records, bytes, opened, rotations, stalls, unread /* bytes of its log file */;
    _Atomic int64_t last_read;
};

enum engine_state { ENGINE_DOWN, ENGINE_GREETING, ENGINE_UP, ENGINE_TWIN /* of another one: rests */ };

struct engine {
    struct scope scope;
    struct containers *monitor;
    struct engine *next;
    struct address address;
    bool found; /* by itself: that it is not there is nothing to warn of */
    uint64_t dev, ino;
    struct http http;
    struct http_request ask, events, probe; /* ask: version, info, list */
    struct timer again, events_again, events_room, heartbeat;
    int64_t backoff, events_backoff;
    /* Under the monitor's lock. */
    enum engine_state state;
    char error[DETAIL];
    struct engine_facts facts;
    unsigned api;
    /* its own */
    uint64_t round;
    bool list_again; /* once the one that is under way is done */
    bool said_down, said_many, said_events;
    struct buf event;     /* lines that came, and what is not a whole one yet */
    struct nudge event_came;
    bool event_too_long;
    int64_t last_event;   /* its clock */
    uint64_t told, told_then; /* events; as of the last list */
    uint64_t heard_round;     /* the first list of which the stream of events must have told all that is new */
    bool untold;              /* in the last list was somebody of whom no event told */
    struct container *containers;
    uint64_t n_containers;
    struct container *bucket[BUCKETS];
    struct container *first_inspect, **last_inspect;
    unsigned n_inspects;
    uint64_t n_wires, n_rotating;
    struct wire *first_waiting;  /* for a connection */
    struct wire *first_rotation; /* for their turn to rotate */
    struct wire *probed;
    struct roots *roots;
};

struct containers {
    struct scope scope;
    struct loop *loop;
    const struct config *config;
    const struct containers_config *options;
    struct dispatcher *dispatcher;
    struct past *past;
    struct files *files;
    bool first_start; /* no earlier process knew a container */
    int64_t began;    /* clock_real() */
    char own[FACTS_ID + 1];
    pthread_mutex_t lock;
    struct containers_stats stats;
    struct engine *engines;
    unsigned n_engines;
    bool said_none, said_unusable;
    int64_t found; /* when engines were looked for, clock_mono() */
    struct timer look; /* for engines, and after those whose log is a file */
    struct nudge work; /* there is room again, at a sink or in memory */
    struct nudge flush;
    struct pool_waiter memory;
    struct wire *blocked, *filled; /* lists of wires */
    uint64_t held;   /* bytes of lines that are not whole yet */
};

static inline struct containers *monitor_of(const struct container *c)
{
    return c->engine->monitor;
}

/* The first list that has whoever is there now: not one that was asked for already. */
static inline uint64_t round_from_now(const struct engine *e)
{
    return e->round + (e->state == ENGINE_UP && http_busy(&e->ask));
}
