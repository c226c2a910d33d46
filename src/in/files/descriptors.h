/*
 * descriptors: the open files, at most max_open_files of them and no more than fd_scarce() allows, the one used
 * longest ago first to go.
 *
 * An open file is a task ("file_reader"); a closed one costs neither task nor descriptor and is found again by its
 * name; one that was renamed, by the name it has when it is closed. What may be deleted while it is closed and has
 * unread bytes goes last, and a deleted file stays open until it is read.
 */
#pragma once

#include "in/files/file.h"

/* Opens it by its name unless it is open, and says what it is. -ESTALE: the name leads to another file now. */
int descriptor_open(struct files *f, struct file *file, struct facts *facts);
/* The same, if there is room without closing a file that has unread bytes; else -EMFILE. */
int descriptor_hold(struct files *f, struct file *file, struct facts *facts);
/* The same as descriptor_open() under a name of the caller's. */
int descriptor_open_as(struct files *f, struct file *file, const char *path, struct facts *facts);
/* Opens whatever has this path, with these flags besides the usual ones. */
int descriptor_begin(struct files *f, struct file *file, const char *path, int flags);
/* What is made of its lines changed. */
void descriptor_forget_outlets(struct file *file);
void descriptor_close(struct files *f, struct file *file);
/* Closes what was idle for idle_close. */
void descriptors_close_idle(struct files *f);
