/*
 * web: what the agent shows of itself over HTTP, on a thread of its own.
 *
 *   server.host:port    all routes (see routes.c; GET / lists them)
 *   metrics.host:port   metrics.path, /health and /debug/pprof/ only
 *   observability.profiling.host:port   /debug/pprof/ only
 *
 * A port that cannot be had is an error at start: an agent that nobody can look at is not wanted.
 * Who may ask: on a loopback address whoever is on this machine; with a token or password configured who knows it; on an
 * address that other machines reach without either nobody. /metrics, /health, /livez and /ready are for all (ROUTE_OPEN). Requests are
 * answered for a loopback name, an address literal or our names only (403 otherwise, see host.h; on the network the four open
 * ones under any name), and nothing but GET if another site's page sent them.
 *
 * A page that is opened from a browser gets what it shows by the same routes, and live events (live.h, tail.h).
 */
#pragma once

#include <stdatomic.h>

#include "core/keeper.h"
#include "core/spool/spooler.h"
#include "in/api.h"
#include "web/auth.h"
#include "web/live.h"
#include "web/pprof.h"
#include "web/server.h"
#include "web/tail.h"

struct containers;

/* What came of the reloads of the configuration. */
struct web_reload {
    uint64_t reloads, failures;
    int64_t at, took; /* of the last one: clock_real(), ns; 0: there was none */
    bool good;
    char text[1000];  /* what changed, or the first errors, "file:line:column: sentence" a line */
};

struct leakwatch;
struct teller;

/* What the agent hands in. All of it outlives the web. */
struct web_context {
    const struct config *config; /* changes only while the web's loop is paused, see web_reload() */
    struct dispatcher *dispatcher; /* for what POST /api/v1/logs takes */
    struct tap *tap;
    struct past *past;
    struct pool *pool;
    struct keeper *keeper;   /* NULL: a dry run */
    struct letters *letters; /* NULL: there are none */
    struct spooler *spooler; /* NULL: no sink uses the disk buffer */
    struct leakwatch *leaks; /* NULL: nothing is watched */
    const struct teller *teller; /* of what it finds; NULL too */
    struct sink *const *sinks;
    unsigned n_sinks;
    int64_t deadline;   /* of an HTTP request, ns; 0: 30 s */
    int64_t started;    /* clock_mono() */
    _Atomic bool ready; /* everything has started; /ready */
    _Atomic int64_t main_beat; /* see leak/watch/hung.h */
    uint64_t databases_set_aside;
    int (*print_config)(const struct config *c, struct buf *out);    /* config_print_json(), masked */
    const struct files_stats *(*files)(void); /* NULL, or it returns NULL: no files are read */
    struct containers *(*containers)(void);   /* the same for containers */
    int (*why)(const char *path, struct buf *out); /* text: why a file is or is not read; */
    void (*reload)(struct web_reload *result);      /* puts the configuration in force anew; waits; NULL: cannot */
    void (*last_reload)(struct web_reload *result);
    /* What waits for a sink that is not configured: 0, -EBUSY: it is; -ENOENT: nothing does; -errno. NULL: cannot. */
    int (*purge_spool)(const char *sink, struct amount *purged);
};

enum web_listener { WEB_ALL, WEB_METRICS, WEB_PROFILING };

struct web {
    struct scope scope;
    struct loop loop;
    struct api api; /* alive if api.enabled */
    struct auth auth;
    struct live live;
    struct tail tail;
    _Atomic uint32_t feeds; /* who follows, over all kinds */
    struct server server;
    struct secret cert, key; /* of TLS, PEM */
    uint64_t certificate, refused; /* hashes of both: what is used, and what could not be since (0: nothing) */
    int64_t try_again;             /* what was refused, loop.now */
    struct thread thread;
    struct web_context *context;
    char host_name[256];
    const char *own_names[5]; /* for host.h */
    struct explainers explainers;
};

/* 0 or -errno, and a sentence for the operator in `error`. */
int web_begin(struct web *w, struct scope *owner, struct web_context *context, char *error, size_t size);
/* context->config is another one now. While its loop is paused. */
void web_reload(struct web *w);
void web_end(struct web *w);
