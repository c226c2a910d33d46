/*
 * address: where an engine is: a socket of this machine, or a host.
 *
 *     unix:///var/run/docker.sock    tcp://build:2375    https://build:2376
 *
 * tcp:// is http://, or https:// if a client's certificate is configured, as Docker's own client has it.
 */
#pragma once

#include "config/config.h"

struct address {
    const char *text; /* as configured */
    const char *path; /* of the socket; NULL: it is a host */
    const char *url;
};

/* Strings live as long as the scope. 0; -EINVAL: it is none of the three; -ENOMEM. */
int address_parse(struct address *a, struct scope *owner, const char *text, const struct containers_config *c);

/*
 * Calls fn for each place that an engine usually is at, whether one is there or not: DOCKER_HOST, then Docker's and Podman's sockets of
 * this machine, then of this user.
 */
void address_usual(void (*fn)(const char *text, void *arg), void *arg);
/* Whether there is a socket at the path, and which: two names of one have the same numbers. */
bool address_is_socket(const char *path, uint64_t *dev, uint64_t *ino);
/* 0: a socket at the path can be connected to, which is all that is done; else -errno. Waits for nobody. */
int address_try(struct scope *owner, const char *path);
/* Why a socket cannot be connected to, and what helps; "" when it is not known. */
const char *address_advice(const char *path, char *out, size_t size);
