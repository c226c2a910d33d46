/*
 * follow: a container's log file, given to the file monitor.
 */
#pragma once

#include "in/containers/monitor.h"

/* Which form the log driver's file has; WRAPPED_NOT: it writes none that could be read. */
enum wrapping follow_wrapping(const struct container *c, const char *driver);
/* Whether the file can be read, or could be if it was there. */
bool follow_readable(struct containers *m, const char *path);
/* 0 or -errno. held: until the container is known (follow_label()). */
int follow_begin(struct container *c, const char *path, enum wrapping wrapping, bool held);
void follow_label(struct container *c);
/* It is there after all. */
void follow_again(struct container *c);
void follow_end(struct container *c);
/* What the file monitor says of it, into c's numbers. */
void follow_look(struct container *c);
