/*
 * away: files that were rotated: renamed to what no pattern matches, read to their end, delivered, closed.
 *
 * A process that was not told to reopen goes on writing into such a file, perhaps hours later. So the monitor
 * remembers its place under the name it has now and looks at its size at each scan; what was added is read. One that
 * comes back under a name that matches goes on where it was, in the same source. A restart finds them again by inode.
 *
 * It costs an entry, a source and one statx() a scan, no descriptor. Limits: a file is forgotten a day after it last
 * grew, or when a thousand were found after it; what its writer adds then is not read.
 *
 * Lines that are added within a scan_interval before the file is deleted or compressed are lost, as nobody held it open.
 */
#pragma once

#include "in/files/file.h"

enum { AWAY_MAX = 1000 };

/* Nothing waits for delivery and the file still has a name: from now on it is only looked at. */
void away_begin(struct files *f, struct file *file);
/* At each scan: reads on what has grown, lets go of what is gone or too old. The file may be freed. */
void away_look(struct files *f, struct file *file);
/* One that the configuration does not name any more is only remembered while it is there. The file may be freed. */
void away_look_unwanted(struct files *f, struct file *file);
/* Forgets it. The file is freed. */
void away_end(struct files *f, struct file *file);
/* It is read again: it grew, or has a name that matches. */
void away_return(struct files *f, struct file *file);
