/*
 * unseen: a file that was made under a name that the configuration matches, written, and renamed to one that it does not
 * match, once or several times, all before we came to look. Only the events of the renames tell of it: that the name it had is
 * wanted, and where it is now. Without inotify, or when a directory it went to is not watched, it is not found.
 *
 * A path that such a file came to is remembered, the last ARRIVALS of them, until something else is known to be there.
 */
#pragma once

#include "in/files/file.h"

/* The events, in their order: a name left a directory, a name came to one. The cookie says which belong together. */
void unseen_left(struct files *f, const struct directory *d, const char *name, uint32_t cookie);
void unseen_arrived(struct files *f, const struct directory *d, const char *name, uint32_t cookie);
/* What was said to be of this name is not there any more. */
void unseen_forget(struct files *f, const struct directory *d, const char *name);
void unseen_forget_all(struct files *f); /* events were lost */
