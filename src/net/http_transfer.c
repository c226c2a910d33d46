#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "net/http_internal.h"

enum { UPLOAD_LEAST = 64 * 1024, BODY_FIRST = 4 * 1024 };

/* ---- what arrives ---- */

static bool keep_body(struct http_request *r, size_t more)
{
    if (r->body_len + more < r->body_cap)
        return true;
    size_t cap = r->body_cap ? r->body_cap * 2 : BODY_FIRST;
    while (cap <= r->body_len + more)
        cap *= 2;
    char *body = r->body ? mem_resize(r->body, cap)
                         : mem_new(&r->http->scope, cap, "HTTP answer");
    if (!body)
        return false;
    r->body = body;
    r->body_cap = cap;
    return true;
}

/* Its headers have come, and it is an answer to be handed over as it comes. */
static bool is_followed(const struct http_request *r)
{
    long status = 0;
    if (r->piece)
        libcurl.easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

static size_t hand_over(struct http_request *r, const char *data, size_t n)
{
    if (r->too_much)
        return 0; /* there is a hole before it, see http_resume() */
    enum http_piece what = r->piece(r, data, n);
    task_wait(&r->task);
    r->waits = what == HTTP_LATER;
    if (what == HTTP_STOP)
        r->too_much = "what came makes no sense";
    return what == HTTP_TAKEN ? n : what == HTTP_LATER ? CURL_WRITEFUNC_PAUSE : 0;
}

static size_t body_came(char *data, size_t one, size_t n, void *arg)
{
    struct http_request *r = arg;
    task_beat(&r->task);
    if (is_followed(r))
        return hand_over(r, data, n);
    r->body_seen += n;
    if (r->body_seen > r->body_most) {
        r->too_much = "the answer's body is too large";
        return 0;
    }
    size_t keep = n < r->body_kept - r->body_len ? n : r->body_kept - r->body_len;
    if (keep && keep_body(r, keep)) {
        memcpy(r->body + r->body_len, data, keep);
        r->body_len += keep;
        r->body[r->body_len] = 0;
    } else if (keep && r->get) {
        r->too_much = "no memory for the answer";
        return 0;
    }
    return n;
}

static size_t header_came(char *data, size_t one, size_t n, void *arg)
{
    static const char name[] = "retry-after:";
    struct http_request *r = arg;
    r->headers_seen += n;
    task_beat(&r->task);
    if (r->headers_seen > HTTP_HEADERS_MAX) {
        r->too_much = "the answer's headers are too large";
        return 0;
    }
    if (n <= 2 && is_followed(r)) { /* the empty line behind them */
        timer_clear(&r->deadline);
        r->piece(r, "", 0);
        task_wait(&r->task);
    }
    char value[64];
    size_t len = n - (sizeof name - 1);
    if (n >= sizeof name && len < sizeof value && strncasecmp(data, name, sizeof name - 1) == 0) {
        memcpy(value, data + sizeof name - 1, len);
        value[len] = 0;
        r->retry_after = http_retry_after(value, clock_real());
    }
    return n;
}

int64_t http_retry_after(const char *value, int64_t now)
{
    char *end;
    value += strspn(value, " \t");
    errno = 0;
    long long seconds = strtoll(value, &end, 10);
    if (end != value && end[strspn(end, " \t\r\n")] == 0 && errno == 0 && seconds >= 0)
        return seconds > 365 * 86400 ? 365 * 24 * HOUR : seconds * SECOND;
    time_t date = libcurl.getdate(value, NULL);
    if (date < 0)
        return -1;
    return date <= now / SECOND ? 0 : (date - now / SECOND) * SECOND;
}

/* ---- what libcurl is told ---- */

static void easy_end(struct thing *t)
{
    struct http_request *r = container_of(t, struct http_request, handle);
    if (r->http->multi)
        libcurl.multi_remove_handle(r->http->multi, r->easy);
    libcurl.easy_cleanup(r->easy);
    libcurl.slist_free_all(r->headers);
    libcurl.slist_free_all(r->resolve);
    r->easy = NULL;
    r->headers = r->resolve = NULL;
}

static bool add_header(struct http_request *r, const char *name, const char *value)
{
    struct buf line;
    if (buf_begin(&line, &r->scope, "header", 64 * 1024) < 0)
        return false;
    /* "name;" is how libcurl is told to send a header without a value. */
    struct curl_slist *all = NULL;
    if (buf_printf(&line, value[0] ? "%s: %s" : "%s;", name, value) == 0)
        all = libcurl.slist_append(r->headers, line.data);
    buf_end(&line);
    if (all)
        r->headers = all;
    return all != NULL;
}

static bool set_headers(struct http_request *r)
{
    struct http *h = r->http;
    /* A server that does not know "Expect: 100-continue" costs a second for each large body. */
    r->headers = libcurl.slist_append(NULL, "Expect:");
    if (!r->headers)
        return false;
    for (unsigned i = 0; i < h->options.n_headers; i++)
        if (!add_header(r, h->options.headers[i].name, h->options.headers[i].value))
            return false;
    const char *token = secret_get(&h->token);
    if (!token) {
        r->too_much = "the bearer token's file cannot be read";
        return false;
    }
    if (token[0]) {
        struct buf bearer;
        if (buf_begin(&bearer, &r->scope, "token", 64 * 1024) < 0)
            return false;
        bool ok = buf_printf(&bearer, "Bearer %s", token) == 0 &&
                  add_header(r, "Authorization", bearer.data);
        buf_end(&bearer);
        return ok;
    }
    return true;
}

#define SET(option, value) (ok = ok && libcurl.easy_setopt(e, option, value) == CURLE_OK)
#define SET_TEXT(option, value) ((value)[0] ? SET(option, value) : ok)

static bool set_auth_and_tls(struct http_request *r)
{
    const struct http_options *o = &r->http->options;
    CURL *e = r->easy;
    bool ok = true;
    if (o->username[0]) {
        const char *password = secret_get(&r->http->password);
        if (!password) {
            r->too_much = "the password's file cannot be read";
            return false;
        }
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, o->username);
        SET(CURLOPT_PASSWORD, password);
    }
    SET_TEXT(CURLOPT_CAINFO, o->ca_file);
    if (o->ca_file[0]) /* it alone is trusted; and the system's would be read for each connection */
        SET(CURLOPT_CAPATH, NULL);
    SET_TEXT(CURLOPT_SSLCERT, o->cert_file);
    SET_TEXT(CURLOPT_SSLKEY, o->key_file);
    if (o->insecure_skip_verify) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return ok;
}

static bool set_transfer(struct http_request *r)
{
    struct http *h = r->http;
    CURL *e = r->easy;
    bool ok = true;
    const char *url = r->path ? scope_printf(&r->scope, "%s%s", h->options.url, r->path) : h->options.url;
    if (!url)
        return false;
    SET(CURLOPT_URL, url);
    if (h->options.unix_socket)
        SET(CURLOPT_UNIX_SOCKET_PATH, h->options.unix_socket);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, h->options.user_agent);
    SET(CURLOPT_PROXY, h->target.proxy); /* "" also keeps libcurl from looking at the environment */
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_PRIVATE, r);
    SET(CURLOPT_ERRORBUFFER, r->error);
    SET(CURLOPT_OPENSOCKETFUNCTION, http_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, h);
    SET(CURLOPT_CLOSESOCKETFUNCTION, http_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, h);
    SET(CURLOPT_WRITEFUNCTION, body_came);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_HEADERFUNCTION, header_came);
    SET(CURLOPT_HEADERDATA, r);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(h->options.connect_timeout / MILLISECOND));
    if (r->get) {
        SET(CURLOPT_HTTPGET, 1L);
    } else {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, r->data);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->size);
    }
    if (r->piece)
        SET(CURLOPT_TCP_KEEPALIVE, 1L); /* it may say nothing for days */
    SET(CURLOPT_HTTPHEADER, r->headers);
    if (r->resolve)
        SET(CURLOPT_RESOLVE, r->resolve);
    /* The default of 64 KiB costs 30 to 50 % on large bodies. */
    if (r->size > UPLOAD_LEAST)
        SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)(r->size < HTTP_UPLOAD_MAX ? r->size : HTTP_UPLOAD_MAX));
    return ok;
}

static bool set_resolve(struct http_request *r)
{
    struct http *h = r->http;
    if (h->target.literal)
        return true;
    char entry[sizeof h->addresses + 300];
    snprintf(entry, sizeof entry, "%.256s:%u:%s", h->target.connect_host, h->target.connect_port,
             h->addresses);
    r->resolve = libcurl.slist_append(NULL, entry);
    return r->resolve != NULL;
}

bool http_transfer_begin(struct http_request *r)
{
    struct http *h = r->http;
    if (http_multi_open(h) < 0)
        return false;
    if (thing_begin(&r->handle, &r->scope, BIRTH_HANDLE, "curl easy", 0, easy_end) < 0)
        return false;
    r->easy = libcurl.easy_init();
    return r->easy && set_headers(r) && set_resolve(r) && set_auth_and_tls(r) && set_transfer(r) &&
           libcurl.multi_add_handle(h->multi, r->easy) == CURLM_OK;
}
