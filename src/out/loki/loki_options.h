/*
 * loki_options: what a Loki sink's configuration means to its HTTP client: the push URL, the headers, credentials.
 */
#pragma once

#include "out/loki/loki.h"

/* Fills in k->options, under k's scope. dns_servers: see lookup.h. 0 or -ENOMEM. */
int loki_options_set(struct loki *k, const char *dns_servers);
