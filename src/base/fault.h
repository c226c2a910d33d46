/*
 * fault: makes the k-th fallible call of a test fail.
 *
 * Every call that can fail stands in base (fd.c, mem.c, thread.c, slots.c, file.c) and asks
 * fault_here() first. In a build without LOGCAP_FAULTS the question costs nothing. A torture test
 * runs its body with k = 1, 2, 3 ... until a run meets no fault; each run must end with an empty tree.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FAULT_MEMORY "memory" /* what mem.c asks for */

#ifdef LOGCAP_FAULTS
/*
 * Counts one fallible call; true when this is the one that must fail. errno is then set to `err`. Memory, for which most calls are, is
 * refused with ENOMEM and with nothing else: armed with another error, a test counts and fails the rest.
 */
bool fault_here(const char *what);
void fault_arm(uint64_t kth, int err); /* 0 disarms; starts counting anew */
bool fault_fired(void);                /* whether the armed call was reached */
void fault_spare(bool spared); /* so long no call of any thread counts or fails: of what has its own test */
#else
static inline bool fault_here(const char *what)
{
    (void)what;
    return false;
}
#endif
