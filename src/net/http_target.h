/*
 * http_target: where a URL leads: host and port, and the proxy on the way, decided once.
 *
 * The proxy is the one given, else what the environment says as curl's manual has it: http_proxy (lower case
 * only), https_proxy, all_proxy and their upper-case forms; no_proxy lists hosts and domains, or "*". Decided here and
 * not by libcurl, since the name to be resolved is the proxy's.
 *
 * Strings live as long as the scope given. The caller holds an http_library.
 */
#pragma once

#include <stdbool.h>

#include "base/scope.h"

struct http_target {
    const char *host;
    const char *proxy;  /* "": none */
    const char *connect_host; /* what a connection is made to: the proxy, if there is one */
    unsigned connect_port;
    bool literal; /* connect_host is an address or localhost: nothing to look up */
};

/* 0; -EINVAL: the URL or the proxy makes no sense; -ENOMEM. */
int http_target_find(struct http_target *t, struct scope *owner, const char *url, const char *proxy);
