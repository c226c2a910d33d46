/*
 * descriptors: the open files, at most max_open_files of them and no more than fd_scarce() allows, the one used
 * longest ago first to go.
 *
 * An open file is a task ("file_reader"); a closed one costs neither task nor descriptor and is found again by its
 * name. A file without a name is not closed before the others, since it could not be found again.
 */
#pragma once

#include "in/file.h"

/* Opens it by its name unless it is open, and says what it is. -ESTALE: the name leads to another file now. */
int descriptor_open(struct files *f, struct file *file, struct facts *facts);
/* The same under a name of the caller's. */
int descriptor_open_as(struct files *f, struct file *file, const char *path, struct facts *facts);
/* Counts file->fd, which the caller opened itself. 0 or -errno, and it is still the caller's. */
int descriptor_adopted(struct files *f, struct file *file);
void descriptor_close(struct files *f, struct file *file);
/* Closes what was idle for idle_close. */
void descriptors_close_idle(struct files *f);
