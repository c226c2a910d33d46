/*
 * discover: which files there are. Directories are walked from the globs' constant prefixes, each is watched by
 * inotify (events.h) and listed when it changed. A scan every scan_interval is the truth: it looks at each directory's
 * modification time, lists what changed, and looks at the files of directories that could not be watched (all the
 * others in turn, within 30 scans).
 *
 * `**` does not follow links to directories that are known under another name, so loops end. A link to a file is
 * followed; the directory of its target is watched too.
 */
#pragma once

#include "in/files/file.h"

int discover_begin(struct files *f);
void discover_end(struct files *f);
/* Other globs are in force: all directories are judged and listed again, at once. */
void discover_anew(struct files *f);
/* The whole truth, now. */
void discover_scan(struct files *f);

/* Something has this name, or had: follows it if it is wanted and not followed yet. */
void discover_name(struct files *f, struct directory *d, const char *name);
/* A directory has this name: known from now on, if a glob reaches it. */
void discover_subdirectory(struct files *f, struct directory *d, const char *name, bool link);
/* Looks at the directory, and lists it if it changed since the last time. */
void discover_list(struct files *f, struct directory *d);
