#include "net/http_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/libcurl.h"

static const char *environment(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    if ((!value || !value[0]) && upper)
        value = getenv(upper);
    return value && value[0] ? value : NULL;
}

/* no_proxy: a list, as in the environment. */
static bool is_exempt(const char *no_proxy, const char *host)
{
    size_t host_len = strlen(host);
    for (const char *at = no_proxy; *at;) {
        at += strspn(at, " ,\t");
        size_t len = strcspn(at, " ,\t");
        const char *name = at;
        at += len;
        if (len == 1 && name[0] == '*')
            return true;
        if (len && name[0] == '.') {
            name++;
            len--;
        }
        if (len == 0 || len > host_len || strncasecmp(host + host_len - len, name, len) != 0)
            continue;
        if (len == host_len || host[host_len - len - 1] == '.')
            return true;
    }
    return false;
}

static const char *proxy_from_environment(const char *scheme, const char *host)
{
    const char *exempt = environment("no_proxy", "NO_PROXY");
    if (exempt && is_exempt(exempt, host))
        return "";
    /* HTTP_PROXY is not looked at: a CGI server fills it from a request's header. */
    const char *proxy = strcmp(scheme, "https") == 0 ? environment("https_proxy", "HTTPS_PROXY")
                                                     : environment("http_proxy", NULL);
    if (!proxy)
        proxy = environment("all_proxy", "ALL_PROXY");
    return proxy ? proxy : "";
}

static bool is_literal(const char *host)
{
    struct in6_addr address;
    size_t len = strlen(host);
    return host[0] == '[' || inet_pton(AF_INET, host, &address) == 1 ||
           inet_pton(AF_INET6, host, &address) == 1 || strcasecmp(host, "localhost") == 0 ||
           (len > 10 && strcasecmp(host + len - 10, ".localhost") == 0);
}

/* One part of a URL, copied under the scope. */
static const char *part(CURLU *u, CURLUPart what, unsigned flags, struct scope *owner)
{
    char *text = NULL;
    if (libcurl.url_get(u, what, &text, flags) != CURLUE_OK)
        return NULL;
    const char *copy = scope_strdup(owner, text);
    libcurl.free(text);
    return copy;
}

static bool set_connect(struct http_target *t, CURLU *u, unsigned flags, struct scope *owner)
{
    t->connect_host = part(u, CURLUPART_HOST, 0, owner);
    const char *port = part(u, CURLUPART_PORT, flags, owner);
    t->connect_port = port ? (unsigned)atoi(port) : 1080;
    if (t->connect_host)
        t->literal = is_literal(t->connect_host);
    return t->connect_host != NULL;
}

static int set_url(CURLU *u, const char *url, unsigned flags)
{
    CURLUcode code = libcurl.url_set(u, CURLUPART_URL, url, flags);
    return code == CURLUE_OK ? 0 : code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

static int find_with(struct http_target *t, CURLU *u, struct scope *owner, const char *url,
                     const char *proxy)
{
    int r = set_url(u, url, 0);
    if (r < 0)
        return r;
    const char *scheme = part(u, CURLUPART_SCHEME, 0, owner);
    if (!scheme)
        return -ENOMEM;
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        return -EINVAL;
    t->host = part(u, CURLUPART_HOST, 0, owner);
    if (!t->host)
        return -ENOMEM;
    t->proxy = scope_strdup(owner, proxy[0] ? proxy : proxy_from_environment(scheme, t->host));
    if (!t->proxy)
        return -ENOMEM;
    if (!t->proxy[0])
        return set_connect(t, u, CURLU_DEFAULT_PORT, owner) ? 0 : -ENOMEM;
    r = set_url(u, t->proxy, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME);
    if (r < 0)
        return r;
    /* A proxy without a port is one on 1080, as curl has it. */
    return set_connect(t, u, 0, owner) ? 0 : -ENOMEM;
}

int http_target_find(struct http_target *t, struct scope *owner, const char *url, const char *proxy)
{
    *t = (struct http_target){0};
    CURLU *u = libcurl.url();
    if (!u)
        return -ENOMEM;
    int r = find_with(t, u, owner, url, proxy);
    libcurl.url_cleanup(u);
    return r;
}
