#include "out/loki/loki_options.h"

#include <errno.h>
#include <string.h>

enum { HEADERS_MAX = 64 };

static const char *push_url(struct scope *owner, const char *url)
{
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    if (n >= 5 && strncmp(url + n - 5, "/push", 5) == 0)
        return scope_strdup(owner, url);
    return scope_printf(owner, "%.*s/loki/api/v1/push", (int)n, url);
}

int loki_options_set(struct loki *k, const char *dns_servers)
{
    const struct loki_config *c = k->config;
    struct http_header headers[HEADERS_MAX], *kept;
    unsigned n = 0;
    headers[n++] = (struct http_header){"Content-Type", "application/x-protobuf"};
    if (c->tenant[0])
        headers[n++] = (struct http_header){"X-Scope-OrgID", c->tenant};
    for (unsigned i = 0; i < c->headers.n && n < HEADERS_MAX; i++)
        headers[n++] = (struct http_header){c->headers.items[i].name, c->headers.items[i].value};
    kept = scope_alloc(&k->scope, n * sizeof *kept);
    k->options = (struct http_options){
        .url = push_url(&k->scope, c->url),
        .user_agent = "logcap/" LOGCAP_VERSION,
        .headers = kept,
        .n_headers = n,
        .username = c->username,
        .password = c->password,
        .password_file = c->password_file,
        .bearer_token = c->bearer_token,
        .bearer_token_file = c->bearer_token_file,
        .ca_file = c->ca_file,
        .cert_file = c->cert_file,
        .key_file = c->key_file,
        .proxy = c->proxy,
        .insecure_skip_verify = c->insecure_skip_verify,
        .dns_servers = dns_servers,
        .timeout = c->timeout,
        .connect_timeout = c->connect_timeout,
        .max_connections = k->n_slots,
    };
    if (!kept || !k->options.url)
        return -ENOMEM;
    memcpy(kept, headers, n * sizeof *kept);
    return 0;
}
