/*
 * auth: whether a request's Authorization header is one that the configuration lets in.
 *
 * What is configured (server.token, server.username with server.password) is compared in a time that does not tell how much of
 * it was right. A browser has no way to send a token, so the token is also good as the password of any user name.
 *
 * Thread: the web's. The strings of the configuration must stay until auth_end(), or auth_follow() of another one.
 */
#pragma once

#include "config/config.h"
#include "net/secret.h"

struct auth {
    struct scope scope;
    const struct http_config *config;
    struct secret token, password;
};

int auth_begin(struct auth *a, struct scope *owner, const struct http_config *config);
void auth_follow(struct auth *a, const struct http_config *config);
void auth_end(struct auth *a);
/* Whether anything is configured; without it nobody is let in, and on the loopback nobody is asked. */
bool auth_is_configured(const struct http_config *config);
/* `header` may be NULL. A secret whose file cannot be read lets nobody in. */
bool auth_allows(struct auth *a, const char *header);
