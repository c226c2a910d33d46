#include "base/fault.h"

#ifdef LOGCAP_FAULTS
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic uint64_t armed, seen;
static _Atomic int error;
static atomic_bool spare;

bool fault_here(const char *what)
{
    uint64_t k = atomic_load(&armed);
    if (k == 0 || atomic_load(&spare))
        return false;
    if (atomic_load(&error) != ENOMEM && strcmp(what, FAULT_MEMORY) == 0)
        return false;
    if (atomic_fetch_add(&seen, 1) + 1 != k)
        return false;
    errno = atomic_load(&error);
    return true;
}

void fault_arm(uint64_t kth, int err)
{
    atomic_store(&armed, 0);
    atomic_store(&seen, 0);
    atomic_store(&error, err);
    atomic_store(&armed, kth);
}

void fault_spare(bool spared)
{
    atomic_store(&spare, spared);
}

bool fault_fired(void)
{
    return atomic_load(&armed) != 0 && atomic_load(&seen) >= atomic_load(&armed);
}
#endif
