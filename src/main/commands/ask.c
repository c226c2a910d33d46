#include "main/commands/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "main/commands/address.h"
#include "net/http_library.h"
#include "net/libcurl.h"
#include "net/secret.h"

enum { TIMEOUT_S = 10 };

struct easy {
    struct thing thing;
    CURL *handle;
};

static void easy_end(struct thing *t)
{
    libcurl.easy_cleanup(container_of(t, struct easy, thing)->handle);
}

static size_t receive(char *data, size_t size, size_t n, void *arg)
{
    return buf_add(arg, data, size * n) < 0 ? 0 : size * n;
}

/* An address that means "all of mine" is asked at the loopback; one of IPv6 goes into brackets. */
static char *url_of(struct scope *scope, const struct address *a, const char *path)
{
    const char *host = a->host;
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        host = "::1";
    bool v6 = strchr(host, ':') && *host != '[';
    return scope_printf(scope, "%s://%s%s%s:%u%s", a->tls ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "", a->port, path);
}

/* What the configuration says of who may ask. */
struct credentials {
    struct secret token, password;
};

static void show_credentials(CURL *handle, const struct http_config *c, struct credentials *secrets)
{
    const char *token = secret_get(&secrets->token), *password = secret_get(&secrets->password);
    if (token && *token) {
        libcurl.easy_setopt(handle, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        libcurl.easy_setopt(handle, CURLOPT_XOAUTH2_BEARER, token);
    } else if (password && *password) {
        libcurl.easy_setopt(handle, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        libcurl.easy_setopt(handle, CURLOPT_USERNAME, c->username);
        libcurl.easy_setopt(handle, CURLOPT_PASSWORD, password);
    }
}

/* Its name need not be the one we ask for, so it must be the very certificate that is configured. */
static void expect_certificate(CURL *handle, const struct http_config *c)
{
    if (*c->cert_file)
        libcurl.easy_setopt(handle, CURLOPT_CAINFO, c->cert_file);
    libcurl.easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
}

char *ask_escape(struct scope *scope, const char *text)
{
    char *out = scope_alloc(scope, strlen(text) * 3 + 1), *o = out;
    for (; out && *text; text++)
        o += strchr("/._-", *text) || (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
                     (*text >= 'A' && *text <= 'Z')
                 ? sprintf(o, "%c", *text)
                 : sprintf(o, "%%%02X", (unsigned char)*text);
    return out;
}

static int ask(struct scope *scope, const struct config *c, const char *path, const char *body, struct buf *answer,
               long *status, char *error, size_t size)
{
    struct easy e = {0};
    struct address address;
    struct credentials secrets;
    address_find(scope, c, &address);
    char *url = url_of(scope, &address, path);
    if (!url || buf_puts(answer, "") < 0 || thing_begin(&e.thing, scope, BIRTH_HANDLE, "curl", 0, easy_end) < 0)
        return -ENOMEM;
    e.handle = libcurl.easy_init();
    if (!e.handle) {
        thing_unborn(&e.thing);
        return -ENOMEM;
    }
    libcurl.easy_setopt(e.handle, CURLOPT_URL, url);
    libcurl.easy_setopt(e.handle, CURLOPT_PROXY, "");
    secret_begin(&secrets.token, scope, c->server.token, c->server.token_file);
    secret_begin(&secrets.password, scope, c->server.password, c->server.password_file);
    show_credentials(e.handle, &c->server, &secrets);
    if (address.tls)
        expect_certificate(e.handle, &c->server);
    if (body)
        libcurl.easy_setopt(e.handle, CURLOPT_POSTFIELDS, body);
    libcurl.easy_setopt(e.handle, CURLOPT_NOSIGNAL, 1L);
    libcurl.easy_setopt(e.handle, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    libcurl.easy_setopt(e.handle, CURLOPT_WRITEFUNCTION, receive);
    libcurl.easy_setopt(e.handle, CURLOPT_WRITEDATA, answer);
    CURLcode code = libcurl.easy_perform(e.handle);
    if (code == CURLE_OK)
        libcurl.easy_getinfo(e.handle, CURLINFO_RESPONSE_CODE, status);
    snprintf(error, size, "%s", code == CURLE_OK ? "" : libcurl.easy_strerror(code));
    thing_end(&e.thing);
    secret_end(&secrets.token);
    secret_end(&secrets.password);
    return code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY || answer->failed ? -ENOMEM : -ENOTCONN;
}

int ask_agent_to(struct scope *scope, const struct config *c, const char *path, const char *body, struct buf *answer,
                 long *status, char *error, size_t size)
{
    struct http_library library;
    int r = http_library_begin(&library, scope);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        snprintf(error, size, "%s", strerror(-r));
        return -ENOTCONN;
    }
    r = ask(scope, c, path, body, answer, status, error, size);
    http_library_end(&library);
    return r;
}

int ask_agent(struct scope *scope, const struct config *c, const char *path, struct buf *answer, long *status,
              char *error, size_t size)
{
    return ask_agent_to(scope, c, path, NULL, answer, status, error, size);
}

void ask_complain(int r, const struct config *c, const char *error)
{
    if (r == -ENOTCONN)
        fprintf(stderr, "logcap: no agent answers at %s port %u (%s); is it running, and with this configuration (-c)?\n",
                c->server.host, c->server.port, error);
    else if (r < 0)
        fputs("logcap: out of memory\n", stderr);
}
