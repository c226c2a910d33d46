/*
 * siblings: what a rotator left of a file, found by what it is, whatever its name and whatever the globs say.
 *
 * Sought in the file's own directory and those in it, in rotated_directories, and, if `wide`, in all directories that the
 * globs reach, of which so many are listed that a search through them cannot hold up the reading.
 */
#pragma once

#include <limits.h>

#include "in/files/file.h"

struct sibling {
    char path[PATH_MAX];
    struct facts facts;
};

char *siblings_path(const struct directory *d, const char *name, char *path, size_t size);

/* The same file under another name. Cheap: directories are read, not the files. */
bool siblings_find_inode(struct files *f, const struct directory *d, const struct identity *id, bool wide,
                         struct sibling *out);
/*
 * Another file, plain, .gz or .zst, that begins with the file's head and has the bytes before its position (tail_hash 0:
 * not known). The newest one if there are several. In other directories than its own only those are opened whose names
 * begin as the file's does, up to the first dot.
 */
bool siblings_find_copy(struct files *f, const struct file *file, bool wide, struct sibling *out);
/* Opens a copy for reading from file->offset on, through file->reader->plain. 0 or -errno. */
int siblings_open_rest(struct files *f, struct file *file, const char *path);
/* Lets so many directories be listed again by wide searches. At each scan. */
void siblings_renew(struct files *f);
