/*
 * directories: the directories that the monitor knows: those that the globs reach, those that links point into, and
 * those where a rotated file lies. Each is watched by inotify as long as the kernel has watches left.
 *
 * Ownership: under the monitor's scope. One that vanished stays while files point to it (refs, links).
 */
#pragma once

#include "in/files/file.h"

/* NULL: not known. */
struct directory *directory_find(struct files *f, const char *path);
/* The directory, made if it is not known; wanted: globs reach it, so it is listed. NULL: no memory. */
struct directory *directory_get(struct files *f, const char *path, bool wanted);
/* Nothing when it is watched already, or cannot be: the scan looks at it. */
void directory_watch(struct files *f, struct directory *d);
void directory_unwatch(struct files *f, struct directory *d);
/* The names in it are gone. */
void directory_vanished(struct files *f, struct directory *d);
void directory_free(struct files *f, struct directory *d); /* nothing points to it */
