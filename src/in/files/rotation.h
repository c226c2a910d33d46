/*
 * rotation: where the bytes of a file went when its name leads elsewhere, or it is shorter than it was.
 *
 *   renamed, link switched   the open file goes on as an orphan; a closed one is found among its siblings by inode.
 *                            When it was quiet for idle_close it is closed and looked at now and then (away.h)
 *   deleted                  an open one is read to its end; of a closed one the unread bytes are lost and counted
 *   truncated                (also: other bytes before the position) a new generation begins at 0; what was unread is
 *                            looked for in a copy: a sibling with the same head and the same tail at the position
 *   while logcap was down    the same, from what the past knows; a copy may be .gz or .zst by now
 *
 * A copy that is itself matched by the configuration is held: the original's source delivers what it has.
 */
#pragma once

#include "in/files/file.h"

/* The name leads nowhere, or to another file. The file may be freed. */
void rotation_lost_name(struct files *f, struct file *file);
/* The open file does not go on where it was read to. false: it cannot be read now. */
bool rotation_truncated(struct files *f, struct file *file);
/* Whether this file, with nothing read yet, is a copy of a file that is read, or compressed: then it is not read. */
bool rotation_hold(struct files *f, struct file *file, const struct facts *facts);
/* No name that is wanted leads to the open file any more: it is read to its end. */
void rotation_orphaned(struct files *f, struct file *file);
/* An orphan was read to its end: finishes it when it has been quiet long enough, else waits. */
void rotation_orphan_quiet(struct files *f, struct file *file);
/* Once, after the first scan: looks for what earlier processes left unfinished. */
void rotation_seek_past(struct files *f);
/* The same for one path that is followed only now. */
void rotation_seek_past_of(struct files *f, const char *path);
/* Lets go of the oldest deleted files while they hold more unread bytes than allowed. */
void rotation_bound_deleted(struct files *f);
