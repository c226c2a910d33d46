/*
 * profile_cpu: where the processor's time goes: stacks of threads each 10 ms of time that they use (base/ticks.h).
 */
#pragma once

#include "leak/explain/profile.h"

/*
 * Takes `span` ns; ends at once when `cancel` can be read: -ECANCELED. -EBUSY: another one is being taken. A system call
 * that waits is not interrupted by it, for who waits uses no time.
 */
int profile_cpu(struct profile *p, struct scope *owner, int64_t span, int cancel);

/* Waits; false: `cancel` can be read. */
bool profile_wait(int64_t span, int cancel);
