#include "main/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/http_library.h"
#include "net/libcurl.h"

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
static char *url_of(struct scope *scope, const struct config *c, const char *path)
{
    const char *host = c->server.host;
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        host = "::1";
    bool v6 = strchr(host, ':') && *host != '[';
    return scope_printf(scope, "http://%s%s%s:%u%s", v6 ? "[" : "", host, v6 ? "]" : "", c->server.port, path);
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
    char *url = url_of(scope, c, path);
    if (!url || buf_puts(answer, "") < 0 || thing_begin(&e.thing, scope, BIRTH_HANDLE, "curl", 0, easy_end) < 0)
        return -ENOMEM;
    e.handle = libcurl.easy_init();
    if (!e.handle) {
        thing_unborn(&e.thing);
        return -ENOMEM;
    }
    libcurl.easy_setopt(e.handle, CURLOPT_URL, url);
    libcurl.easy_setopt(e.handle, CURLOPT_PROXY, "");
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
