/*
 * reload: puts another configuration in force in the running agent, as a difference.
 *
 * Asked for by SIGHUP, by POST /config/reload, or by a change of the files themselves (hot_reload). The new configuration is
 * read and checked whole; one that is wrong changes nothing, and the errors say where. Else the threads that use the
 * configuration are held between two turns of their loops, all that differs is exchanged, and they go on: nobody ever
 * sees half of it. What did not change is not touched: files that both configurations name are read on where they are,
 * a sink that stays keeps its connections, and one that is configured otherwise lets go of its requests (drain_grace, 5 s at
 * most) and sends on with what it held, in order. What only a restart can change goes on as it was, and the log and the answer say so.
 *
 * A configuration lives as long as something follows it: a sink that did not change still follows an earlier one.
 *
 * Thread: main's, but for reload_ask().
 */
#pragma once

#include <pthread.h>

#include "config/config.h"
#include "loop/loop.h"
#include "web/web.h"

struct agent;

enum { CONFIGS_MAX = 24 }; /* each sink, the files, the journal, the web, the first and the newest may follow another one */

struct reload {
    struct scope scope;
    struct agent *agent;
    const char *path; /* as given to `logcap run`; NULL: the usual places */
    struct nudge asked_for;
    struct fd inotify;
    struct watch changes;
    struct timer settled, start_again;
    const struct config *first, *alive[CONFIGS_MAX];
    unsigned n_alive;
    uint64_t seen; /* what the files were like at the last reload, or at the start */
    struct buf report; /* main's, while a reload is under way */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    uint64_t asked, done; /* under the lock, as what follows */
    bool over;
    struct web_reload last;
};

int reload_begin(struct reload *r, struct agent *agent, const char *path);
void reload_end(struct reload *r); /* lets go of who waits; before the web ends */
/* Main's thread. */
void reload_now(struct reload *r);

/* From a callback of `loop`, which is held meanwhile: asks and waits for the answer. */
void reload_ask(struct reload *r, struct loop *loop, struct web_reload *result);
void reload_last(struct reload *r, struct web_reload *result); /* any thread */
