/* A Host or Origin header: whatever is allowed is an address, a loopback name, or one of ours. */
#include <stdlib.h>
#include <string.h>

#include "web/host.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char *const own[] = {"agent.example", "", NULL}, *const nobody[] = {NULL};
    char *header = malloc(size + 1);
    if (!header)
        return 0;
    memcpy(header, data, size);
    header[size] = 0;
    bool allowed = host_allowed(header, own);
    origin_allowed(header, own);
    host_is_loopback(header);
    /* Without names of ours only letters of "localhost" and addresses are left. */
    if (host_allowed(header, nobody) && (!allowed || strspn(header, "localhstLOCALHSTabcdefABCDEF0123456789.:[]") != strlen(header)))
        abort();
    free(header);
    return 0;
}
