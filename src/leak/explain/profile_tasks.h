/*
 * profile_tasks: profiles of what is alive in our own process, from the census and the kernel.
 *
 * Each fills a profile of its sort, begun by it under `owner`. 0 or -errno. They wait for no owner: births are read as they
 * stand, threads are asked by signal (base/probe.h), one that does not answer is of the kind "thread (stuck)", or
 * "thread (in the kernel)" with the kernel's word for the place as name.
 */
#pragma once

#include "leak/explain/profile.h"

/* Threads by their present stack, activities on loops by the stack that began them. */
int profile_tasks(struct profile *p, struct scope *owner);
int profile_threads(struct profile *p, struct scope *owner); /* by the stack that began them */
/* Descriptors by birth site; those that the census does not know of the kind "not in the census". */
int profile_fds(struct profile *p, struct scope *owner);
/* What has none of these profiles and is no memory: leases, batches, timers, watches, handles. By birth site. */
int profile_things(struct profile *p, struct scope *owner);
/* What the scope tree holds by birth site: count and bytes. */
int profile_blocks(struct profile *p, struct scope *owner);
