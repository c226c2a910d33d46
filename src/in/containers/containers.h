/*
 * containers: the container monitor: finds the containers of Docker and Podman and reads what they write.
 *
 * Each is read in one of two ways. From the log file that the engine writes, where it can be read: then the file monitor's tailer does it
 * (in/files/followed.h), no connection is held and the engine does nothing for it. Else through the engine's API (wire.h).
 *
 * Events are hints, the list is the truth: an engine is asked for all containers at its start, every list_interval, and whenever the
 * stream of events had to be opened anew; a directory in which an engine puts its logs is watched beside.
 *
 * Parts: engine (one socket: versions, lists, connections), events, container (one container: what is known, how it is read), wire (its
 * stream of the API), follow (its log file), roots (the directories), facts (what an engine says), cursor, choose, address, own.
 *
 * Ownership: one struct under the scope given; everything runs on the given loop's thread, but for what is said to be for any.
 * Errors: 0 or -errno.
 */
#pragma once

#include "core/dispatcher.h"
#include "core/past.h"

struct containers;
struct files;

/* files: for those that are read from a file; must outlive it. NULL: there is none, and all are read through the API. */
int containers_begin(struct containers **out, struct scope *owner, struct loop *loop, const struct config *config,
                     struct dispatcher *dispatcher, struct past *past, struct files *files);
/*
 * Follows another configuration with the same sockets, which must stay until the next one or the end. Not enabled: it rests, and goes on
 * where it was. The loop's thread, or while that is paused.
 */
void containers_reload(struct containers *m, const struct config *config);
void containers_end(struct containers *m); /* NULL is allowed */

struct containers_stats { /* atomic; any thread */
    _Atomic uint64_t engines, engines_up, containers, running, files, streams, waiting /* for a connection */, ignored;
    _Atomic uint64_t connects /* of engines */, lists, events, inspects, opened, rotations, stalls, failures /* of wires */;
    _Atomic uint64_t gone_before_read, malformed /* answers and messages */;
};

/* One container, as of some moment of the last seconds. */
struct container_view {
    const char *id, *name, *image, *engine;
    const char *state;  /* as the engine calls it */
    const char *mode;   /* "file", "api", "none" */
    const char *detail; /* the file's path; why it is not read, or not now; "" */
    bool reading, gone;
    uint64_t records, bytes, opened, rotations, stalls;
    uint64_t unread;    /* bytes of its log file; of what an engine has nobody knows how much it is */
    int64_t last_read; /* clock_real(); 0: never */
};
/* What an engine is like. */
struct engine_view {
    const char *address, *state, *error; /* "": none */
    const char *version;
    unsigned api; /* 1.x */
    uint64_t containers;
};

/* Any thread, between begin and end, under a lock that is held only for moments: fn must not call back. */
void containers_walk(struct containers *m, void (*fn)(const struct container_view *v, void *arg), void *arg);
void containers_engines(struct containers *m, void (*fn)(const struct engine_view *v, void *arg), void *arg);
const struct containers_stats *containers_stats(const struct containers *m);
/* Why a container is read or not, as sentences: by name, or by id or its begin. How many there are of that name or id. */
unsigned containers_why(struct containers *m, const char *name, struct buf *out);
/* Why the log of a pod is read or not, as sentences; false: the path is none, or such logs are not looked for. Any thread, pure. */
bool containers_why_pod(const struct config *config, const char *path, struct buf *out);
