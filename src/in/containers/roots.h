/*
 * roots: the directory in which an engine of this machine makes one for each container, watched.
 *
 * A container that lives for moments while nobody hears the events is found by it, and its log is open before it is known whose it is:
 * held, unread, until the engine has said so or knows it no more. Only if the directory can be read and mode is not api.
 */
#pragma once

#include "in/containers/monitor.h"

/* Nothing where there is no such directory; again: nothing. */
void roots_begin(struct engine *e);
void roots_end(struct engine *e);
/* The log's path of a container in it, as this engine names it; false: not known. */
bool roots_log_path(const struct engine *e, const char *id, char *out, size_t size);
