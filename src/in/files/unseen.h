/*
 * unseen: a file that was made under a name that the configuration matches, written, and renamed to one that it does not
 * match, all before we came to look. Only the two events of the rename tell of it: that the name it had is wanted, and where it
 * is now. Without inotify, or when the directory it went to is not watched, it is not found.
 */
#pragma once

#include "in/files/file.h"

/* The events, in their order: a name left a directory, a name came to one. The cookie says which belong together. */
void unseen_left(struct files *f, const struct directory *d, const char *name, uint32_t cookie);
void unseen_arrived(struct files *f, const struct directory *d, const char *name, uint32_t cookie);
