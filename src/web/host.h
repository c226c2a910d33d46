/*
 * host: whether a request's Host and Origin headers may come from where they say.
 *
 * A page on the web can make a browser on this host ask us (DNS rebinding: its own name, suddenly pointing to
 * 127.0.0.1). Such a request carries the page's name as Host. An address literal or a loopback name cannot be
 * rebound, and the configured names are the operator's.
 */
#pragma once

#include <stdbool.h>

/* "name", "name:port", "1.2.3.4:port", "[::1]:port". `own` are names that are ours, NULL-terminated. */
bool host_allowed(const char *header, const char *const *own);
/* Whether an Origin header ("http://name:port") speaks of an allowed host. "null" does not. */
bool origin_allowed(const char *header, const char *const *own);
/* Whether nobody but this machine reaches an address we listen on: "localhost", 127.0.0.0/8, "::1". */
bool host_is_loopback(const char *host);
