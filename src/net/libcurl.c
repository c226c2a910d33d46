#include "net/libcurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"

struct libcurl libcurl;

/* As Debian calls its builds; the one with GnuTLS is what libmicrohttpd has loaded already. */
static const char *const names[] = {"libcurl-gnutls.so.4", "libcurl.so.4"};

/* A function's address comes as a void *, which POSIX lets be copied into a pointer to it. */
static bool find(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

static bool find_all(void *library)
{
#define FIND(name) found = found && find(library, "curl_" #name, &libcurl.name);
    bool found = true;
    LIBCURL_FUNCTIONS(FIND)
#undef FIND
    return found;
}

int libcurl_open(void)
{
    static bool open;
    if (open)
        return 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names && !open; i++) {
        void *library = fault_here("dlopen") ? NULL : dlopen(names[i], RTLD_LAZY | RTLD_LOCAL);
        open = library && find_all(library);
    }
    const char *why = open ? NULL : dlerror();
    if (!open)
        log_error("http", "cannot open libcurl: %s", why ? why : strerror(errno));
    return open ? 0 : -ELIBACC;
}
