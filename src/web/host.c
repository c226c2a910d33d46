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

static bool is_own(const char *name, const struct own_names *own)
{
    for (const char *const *o = own->names; *o; o++)
        if (**o && strcasecmp(name, *o) == 0)
            return true;
    for (unsigned i = 0; own->more && i < own->more->n; i++)
        if (strcasecmp(name, own->more->items[i]) == 0)
            return true;
    return false;
}

bool host_allowed(const char *header, const struct own_names *own)
{
    char name[HOST_MAX];
    struct in6_addr address;

    if (!split(header, name))
        return false;
    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
        return true;
    return strcasecmp(name, "localhost") == 0 || is_own(name, own);
}

bool origin_allowed(const char *header, const char *host, const struct own_names *own)
{
    char name[HOST_MAX];
    const char *page = strstr(header, "://");
    if (!page)
        return false;
    page += 3;
    return (host && strcasecmp(page, host) == 0) || (split(page, name) && is_own(name, own));
}

bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}
