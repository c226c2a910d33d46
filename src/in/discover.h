/*
 * discover: which files there are. Directories are walked from the globs' constant prefixes, each is watched by
 * inotify and listed when it changed. Events are hints that make it fast; a scan every scan_interval is the truth:
 * it looks at each directory's modification time, lists what changed, and looks at the files of directories that
 * could not be watched (all the others in turn, within 30 scans).
 *
 * `**` does not follow links to directories that are known under another name, so loops end. A link to a file is
 * followed; the directory of its target is watched too.
 */
#pragma once

#include "config/config.h"
#include "in/file.h"

int discover_begin(struct files *f);
void discover_end(struct files *f);
/* The whole truth, now. */
void discover_scan(struct files *f);
/* For a host without inotify, and for tests: from now on only scans. */
void discover_without_inotify(struct files *f);

/* The group whose paths match and whose excludes do not, or NULL. */
struct group *discover_group_of(struct files *f, const char *path);
/* The directory, made if it is not known. NULL: no memory. */
struct directory *discover_directory(struct files *f, const char *path, bool wanted);

/* Pure: whether the group takes the path, with the pattern that decided in *by. */
bool group_takes(const struct files_group *group, const char *path, const char **by);
bool group_excludes(const struct files_group *group, const char *path, const char **by);
/* Whether the path lies in a directory that logcap writes to: that directory, or NULL. */
const char *own_directory_of(const struct config *config, const char *path);
