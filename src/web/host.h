/*
 * host: whether a request's Host and Origin headers may come from where they say.
 *
 * A page on the web can make a browser on this host ask us (DNS rebinding: its own name, suddenly pointing to
 * 127.0.0.1). Such a request carries the page's name as Host. An address literal or a loopback name cannot be
 * rebound, and the configured names are the operator's.
 */
#pragma once

#include "config/config.h"

/* Names that are ours: NULL-terminated, and the operator's list (server.allowed_hosts; may be NULL). */
struct own_names {
    const char *const *names;
    const struct string_list *more;
};

/* "name", "name:port", "1.2.3.4:port", "[::1]:port". */
bool host_allowed(const char *header, const struct own_names *own);
/*
 * Whether an Origin header ("http://name:port") is the page's at `host` (the Host header; may be NULL), or of one of our
 * names, as behind a proxy. Addresses and localhost have other servers too: they must be the very host. "null" is not.
 */
bool origin_allowed(const char *header, const char *host, const struct own_names *own);
/* Whether nobody but this machine reaches an address we listen on: "localhost", 127.0.0.0/8, "::1". */
bool host_is_loopback(const char *host);
