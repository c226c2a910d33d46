/*
 * profile_heap: what the heap holds by the stack that allocated it, from the samples that jemalloc takes (one in a
 * MiB on average, main/main.c), scaled to what there is: the program's and all libraries' allocations; what is mapped past
 * the allocator (birth records, threads' stacks) is not in it.
 */
#pragma once

#include "leak/explain/profile.h"

/* The same values, of which the first shows what is in use, the second what was ever allocated. */
extern const struct profile_sort profile_in_use, profile_allocated;

bool profile_heap_is_there(void);
/* 0; -ENOTSUP: the allocator of this build has no profile, or it was switched off (MALLOC_CONF); or another -errno. */
int profile_heap(struct profile *p, struct scope *owner, const struct profile_sort *sort);
