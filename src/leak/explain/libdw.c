#include "leak/explain/libdw.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/fault.h"

struct libdw libdw;

/* A function's address comes as a void *, which POSIX lets be copied into a pointer to it. */
static bool find(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

int libdw_open(void)
{
    void *library = fault_here("dlopen") ? NULL : dlopen("libdw.so.1", RTLD_LAZY | RTLD_LOCAL);
    bool found = library != NULL;
#define FIND(name) found = found && find(library, #name, &libdw.name);
    LIBDW_FUNCTIONS(FIND)
#undef FIND
    return found ? 0 : -ELIBACC;
}
