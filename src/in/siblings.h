/*
 * siblings: what a rotator left beside a file, found by what it is, whatever its name and whatever the globs say.
 */
#pragma once

#include <limits.h>

#include "in/file.h"

struct sibling {
    char name[NAME_MAX + 1];
    struct facts facts;
};

char *siblings_path(const struct directory *d, const char *name, char *path, size_t size);

/* The same file under another name in this directory. */
bool siblings_find_inode(struct files *f, const struct directory *d, const struct identity *id,
                         char name[NAME_MAX + 1]);
/*
 * Another file, plain, .gz or .zst, that begins with this head and has these bytes before `offset` (tail_hash 0: not
 * known). The newest one if there are several.
 */
bool siblings_find_copy(struct files *f, const struct directory *d, const struct identity *id, uint64_t offset,
                        uint64_t tail_hash, struct sibling *out);
/* Opens a copy for reading from file->offset on, through file->plain. 0 or -errno. */
int siblings_open_rest(struct files *f, struct file *file, const char *path);
