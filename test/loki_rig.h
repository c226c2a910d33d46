/*
 * loki_rig: a Loki sink and a scripted server in one process, for tests: what was pushed is decoded with a decoder of
 * its own, and what the server acknowledged is kept entry by entry.
 *
 *     static struct rig r;
 *     rig_prepare(&r, rig_accept);        a server and a configuration, to be changed
 *     if (rig_start(&r)) {                false: a call failed, which only torture makes happen
 *         rig_dispatch(&r, rig_batch(...));
 *         rig_wait(&r, 10 * SECOND);
 *     }
 *     rig_stop(&r);                       always; checks the ledger and the pool
 *     ... r.counts, r.position, r.entries
 *     rig_end(&r);
 */
#pragma once

#include "core/dispatcher.h"
#include "http_server.h"

enum { RIG_ENTRIES = 2048, RIG_TEXT = 400, RIG_BATCH = 64 * 1024, RIG_MARKS = 256 };

struct rig_entry {
    unsigned request;
    int64_t time;
    char labels[RIG_TEXT], metadata[RIG_TEXT], line[RIG_TEXT]; /* cut; metadata: "a=b," for each pair */
    size_t line_n;
};

struct rig {
    struct http_server server;
    char url[80];
    struct label own;
    struct sink_config config;
    struct config root;
    struct scope scope;
    struct pool pool;
    struct sink sink, *sinks[1];
    struct dispatcher dispatcher;
    struct source *source;
    struct stream *stream; /* {job="j\"x"} */
    uint64_t end;          /* of what was dispatched */
    unsigned began;        /* how far rig_start() got */
    struct counts counts;  /* by rig_wait() and rig_stop() */
    uint64_t position;
    int64_t stop_took;
    /* The server's thread writes, the test reads after rig_stop(). */
    struct rig_entry entries[RIG_ENTRIES];
    unsigned n, n_bad; /* entries that were acknowledged; those with "bad" in them that were not */
    unsigned requests;
};

void rig_prepare(struct rig *r, enum server_act (*script)(struct http_server *, struct server_request *));
bool rig_start(struct rig *r);
void rig_stop(struct rig *r);
void rig_end(struct rig *r);

/* An empty batch that begins where the last one ended, or NULL (torture). */
struct batch *rig_batch(struct rig *r);
/* Appends a record (more: the next one continues it) of a stream. false: torture. */
bool rig_line(struct batch *b, struct stream *stream, const char *line, size_t n, bool more);
void rig_dispatch(struct rig *r, struct batch *b);
/* Until all that was dispatched is secured, or `most` ns are over. */
void rig_wait(struct rig *r, int64_t most);

/* For scripts. How many entries a push has; keep: as acknowledged, but for those with "bad" in them. */
unsigned rig_read(struct rig *r, struct server_request *request, bool keep, unsigned *bad);
enum server_act rig_accept(struct http_server *s, struct server_request *request);

/* A name that /etc/hosts gives 127.0.0.1, other than localhost, which needs no lookup. false: none. */
bool rig_local_name(char name[64]);
