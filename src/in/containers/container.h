/*
 * container: one container of an engine: what is known of it, whether and how it is read, and when that ends.
 *
 * Known once it was inspected. It is read unless the configuration leaves it out, or nothing can be read: mode CONTAINER_NONE, and why.
 * One that is gone stays for two more lists (an engine may forget one for a moment), and until all is read.
 */
#pragma once

#include "in/containers/monitor.h"

/* Known by its id from now on. NULL: no memory, or the engine has CONTAINERS_MOST. */
struct container *container_new(struct engine *e, const char *id);
void container_free(struct container *c);
/* Belongs to another address of its engine. A file is read on; its stream is opened there, where it was, once a list has it. */
void container_move(struct container *c, struct engine *to);

/* What a list or an event said of it; empty fields change nothing. */
void container_learn(struct container *c, const struct facts *f);
/* What an inspection said; NULL: the engine does not know it, or not yet. */
void container_inspected(struct container *c, struct facts *f);
/* ended: it does not run any more, or never will. */
void container_set_running(struct container *c, bool running, bool ended);
void container_gone(struct container *c);
/* Decides again, after another configuration: true when it is read another way, or with other labels. */
void container_reconsider(struct container *c);
/* Once a list is through: whether nothing more will come of it. */
bool container_is_over(const struct container *c);
/* Counts it, once, if it is over and its log was never seen. */
void container_count_missed(struct container *c);
/* Lets go of what is read of it, for now. */
void container_rest(struct container *c);
/* Why it is not read now. */
void container_say(struct container *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The labels of its records, for stream_get(); they point into c and the configuration. Returns how many. */
unsigned container_labels(const struct container *c, struct label labels[STREAM_LABELS]);
