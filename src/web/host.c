#include "web/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 256 };

/* The name without port and brackets, in `name`. false: malformed. */
static bool split(const char *header, char name[HOST_MAX])
{
    const char *end;
    if (*header == '[') {
        end = strchr(++header, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
    } else {
        end = header + strcspn(header, ":");
    }
    size_t n = (size_t)(end - header);
    const char *port = *end == ']' ? end + 1 : end;
    if (*port && (port[1 + strspn(port + 1, "0123456789")] || strlen(port) > 6))
        return false;
    if (n == 0 || n >= HOST_MAX)
        return false;
    memcpy(name, header, n);
    name[n] = 0;
    return true;
}

bool host_allowed(const char *header, const char *const *own)
{
    char name[HOST_MAX];
    struct in6_addr address;

    if (!split(header, name))
        return false;
    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
        return true;
    if (strcasecmp(name, "localhost") == 0)
        return true;
    for (; *own; own++)
        if (**own && strcasecmp(name, *own) == 0)
            return true;
    return false;
}

bool origin_allowed(const char *header, const char *const *own)
{
    const char *host = strstr(header, "://");
    return host && host_allowed(host + 3, own);
}

bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}
