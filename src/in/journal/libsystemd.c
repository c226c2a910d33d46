#include "in/journal/libsystemd.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/fault.h"

struct libsystemd libsystemd;

/* A function's address comes as a void *, which POSIX lets be copied into a pointer to it. */
static bool find(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

int libsystemd_open(void)
{
    static bool open;
    if (open)
        return 0;
    void *library = fault_here("dlopen") ? NULL : dlopen("libsystemd.so.0", RTLD_LAZY | RTLD_LOCAL);
    open = library != NULL;
#define FIND(name) open = open && find(library, "sd_" #name, &libsystemd.name);
    LIBSYSTEMD_FUNCTIONS(FIND)
#undef FIND
    return open ? 0 : -ELIBACC;
}
