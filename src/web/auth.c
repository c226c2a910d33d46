#include "web/auth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CREDENTIALS = 1024 };

int auth_begin(struct auth *a, struct scope *owner, const struct http_config *config)
{
    *a = (struct auth){0};
    int r = scope_begin(&a->scope, owner, "auth");
    if (r == 0)
        auth_follow(a, config);
    return r;
}

void auth_follow(struct auth *a, const struct http_config *config)
{
    secret_end(&a->token);
    secret_end(&a->password);
    a->config = config;
    secret_begin(&a->token, &a->scope, config->token, config->token_file);
    secret_begin(&a->password, &a->scope, config->password, config->password_file);
}

void auth_end(struct auth *a)
{
    if (!thing_alive(&a->scope.thing))
        return;
    secret_end(&a->token);
    secret_end(&a->password);
    scope_end(&a->scope);
}

bool auth_is_configured(const struct http_config *c)
{
    return *c->token || *c->token_file || *c->password || *c->password_file;
}

/* Looks at all of `given`, however early it differs. What is not there equals nothing. */
static bool same(const char *given, const char *secret)
{
    if (!secret || !*secret)
        return false;
    size_t n = strlen(secret), m = strlen(given);
    unsigned differs = n != m;
    for (size_t i = 0; i < m; i++)
        differs |= (unsigned char)given[i] ^ (unsigned char)secret[i % n];
    return differs == 0;
}

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Base64 (RFC 4648) into a string. false: it is none, it does not fit, or it has a NUL in it. */
static bool decode(const char *text, char out[CREDENTIALS])
{
    size_t n = 0;
    unsigned bits = 0, held = 0;
    for (; digit(*text) >= 0; text++) {
        bits = bits << 6 | (unsigned)digit(*text);
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        out[n] = (char)(bits >> held & 0xff);
        if (!out[n++] || n == CREDENTIALS)
            return false;
    }
    out[n] = 0;
    return !text[strspn(text, "=")];
}

static bool basic(struct auth *a, const char *encoded)
{
    char pair[CREDENTIALS];
    char *colon = decode(encoded, pair) ? strchr(pair, ':') : NULL;
    if (!colon)
        return false;
    *colon = 0;
    bool token = same(colon + 1, secret_get(&a->token));
    bool name = same(pair, a->config->username), password = same(colon + 1, secret_get(&a->password));
    explicit_bzero(pair, sizeof pair);
    return token || (name && password);
}

/* What stands behind the scheme's name, or NULL. */
static const char *behind(const char *header, const char *scheme)
{
    size_t n = strlen(scheme);
    if (strncasecmp(header, scheme, n) != 0 || header[n] != ' ')
        return NULL;
    return header + n + strspn(header + n, " ");
}

bool auth_allows(struct auth *a, const char *header)
{
    const char *value = header ? behind(header, "Bearer") : NULL;
    if (value)
        return same(value, secret_get(&a->token));
    value = header ? behind(header, "Basic") : NULL;
    return value && basic(a, value);
}
