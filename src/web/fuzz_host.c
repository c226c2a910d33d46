/* A Host or Origin header: whatever is allowed is an address, a loopback name, or one of ours. */
#include <stdlib.h>
#include <string.h>

#include "web/host.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char *const names[] = {"agent.example", "", NULL}, *const none[] = {NULL};
    static const char *listed[] = {"proxy.example"};
    static const struct string_list more = {listed, 1};
    static const struct own_names own = {names, &more}, nobody = {none, NULL};
    char *header = malloc(size + 1);
    if (!header)
        return 0;
    memcpy(header, data, size);
    header[size] = 0;
    bool allowed = host_allowed(header, &own);
    if (origin_allowed(header, NULL, &nobody))
        abort();
    if (origin_allowed(header, NULL, &own) && !strstr(header, "://"))
        abort();
    host_is_loopback(header);
    /* Without names of ours only letters of "localhost" and addresses are left. */
    if (host_allowed(header, &nobody) && (!allowed || strspn(header, "localhstLOCALHSTabcdefABCDEF0123456789.:[]") != strlen(header)))
        abort();
    free(header);
    return 0;
}
