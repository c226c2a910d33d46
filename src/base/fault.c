#include "base/fault.h"

#ifdef LOGCAP_FAULTS
#include <errno.h>
#include <stdatomic.h>

static _Atomic uint64_t armed, seen;
static _Atomic int error;

bool fault_here(const char *what)
{
    (void)what;
    uint64_t k = atomic_load(&armed);
    if (k == 0 || atomic_fetch_add(&seen, 1) + 1 != k)
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

bool fault_fired(void)
{
    return atomic_load(&armed) != 0 && atomic_load(&seen) >= atomic_load(&armed);
}
#endif
