/*
 * http: an HTTP client for one URL, or one server's paths, on one loop.
 *
 * libcurl's multi interface is driven by our watches and one timer (curl_multi_socket_action); its sockets are
 * opened and closed by us, under the client's scope; its memory is counted (http_library.h); names are resolved by
 * c-ares on the same loop (lookup.h) and handed over with CURLOPT_RESOLVE. So nothing here blocks and nothing runs
 * beside the loop: http_cancel() and http_end() end whatever waits, at once.
 *
 * A request is a task with a deadline over everything: the name, the connection, the body, the answer.
 * The body is sent from the caller's memory, which must stay until done(). Of an answer HTTP_BODY_KEPT bytes are
 * kept (http_get(): what it says); one with more than HTTP_BODY_MAX bytes, or HTTP_HEADERS_MAX bytes of headers, is an
 * error. HTTP/1.1 only, no redirects: a redirect is an answer like any other.
 *
 * http_follow() is for answers that go on for ever: they are handed over as they come, and nothing of them is kept.
 *
 * Connections are kept for the next request and bounded in number. An easy handle lives as long as its request:
 * an idle client holds its connections and nothing else. libcurl opens a pair of sockets of its own for each multi
 * handle, which stand in the census as "curl wake". When libcurl itself runs out of memory midway its handle is thrown
 * away with all transfers, and the next request makes another.
 *
 * Thread: the loop's. done() may start, repeat and cancel requests, but not end the client.
 */
#pragma once

#include "base/mem.h"
#include "net/http_library.h"
#include "net/http_target.h"
#include "net/libcurl.h"
#include "net/lookup.h"
#include "net/secret.h"

enum {
    HTTP_BODY_KEPT = 64 * 1024,
    HTTP_BODY_MAX = 1024 * 1024,
    HTTP_HEADERS_MAX = 64 * 1024,
    HTTP_UPLOAD_MAX = 2 * 1024 * 1024, /* curl's upload buffer; smaller for smaller bodies */
};

struct http_header {
    const char *name, *value;
};

/* Strings are never NULL ("": not set) and must live as long as the client. */
struct http_options {
    const char *url;
    const char *user_agent;
    const struct http_header *headers; /* sent with each request */
    unsigned n_headers;
    const char *username, *password, *password_file;
    const char *bearer_token, *bearer_token_file;
    const char *ca_file, *cert_file, *key_file, *proxy;
    bool insecure_skip_verify;
    const char *dns_servers; /* see lookup.h */
    int64_t timeout, connect_timeout; /* ns */
    unsigned max_connections;
    const char *unix_socket; /* a path, to connect to instead of the URL's host, whose name then says nothing; or NULL */
};

struct http_request;

/* What becomes of a piece of an answer that is followed. */
enum http_piece { HTTP_TAKEN, HTTP_LATER /* the same piece again, after http_resume() */, HTTP_STOP /* done() says so */ };

struct http {
    struct scope scope;
    struct loop *loop;
    struct http_options options;
    struct http_library library;
    struct http_target target;
    struct secret password, token;
    struct scope sockets; /* older than the multi handle, which closes them when it ends */
    struct scope multi_scope;
    struct fd_expected wake; /* libcurl's own */
    struct thing handle;
    CURLM *multi; /* NULL: to be made */
    struct timer timer;
    struct nudge started; /* a request began, or failed at once */
    struct scope requests;
    struct lookup lookup;
    struct http_request *waiting; /* for the lookup */
    char addresses[LOOKUP_ADDRESSES * INET6_ADDRSTRLEN + 8]; /* "a,b,c"; "": none known */
    int64_t addresses_until;
    int no_socket; /* -errno of the last one that was to be opened */
    bool resolve_anew;
};

/* What became of a request; valid during done(). */
struct http_answer {
    int status;          /* 0: no answer; `error` says why */
    int64_t retry_after; /* ns from now; -1: not given */
    const char *body;    /* NUL-terminated */
    size_t body_len;
    const char *error;
    int64_t took; /* ns */
};

struct http_request {
    struct scope scope;
    struct task task;
    struct timer deadline;
    struct http *http;
    struct thing handle;
    CURL *easy;
    struct curl_slist *headers, *resolve;
    struct http_request *next, **at; /* while waiting for the lookup */
    const char *path; /* behind options.url; NULL: nothing */
    bool get;
    enum http_piece (*piece)(struct http_request *r, const char *data, size_t n); /* of one that is followed */
    bool waits; /* for http_resume() */
    const void *data;
    size_t size;
    int64_t began, retry_after;
    char *body;
    size_t body_len, body_cap, body_seen, headers_seen;
    size_t body_kept, body_most; /* limits */
    const char *too_much; /* why it fails, whatever libcurl says */
    char error[CURL_ERROR_SIZE];
    void (*done)(struct http_request *r, const struct http_answer *answer);
};

/* 0, -EINVAL (URL or proxy), -ENOMEM, ... */
int http_begin(struct http *h, struct scope *owner, struct loop *loop, const struct http_options *options);
/* Ends requests, without done(), and connections. */
void http_end(struct http *h);

/*
 * POSTs the body. 0: done() will be called, once, from the loop. -errno: nothing was started.
 * The request must be zeroed before its first use and may be used again from done() on.
 */
int http_post(struct http_request *r, struct http *h, const struct task_kind *kind, const void *body, size_t size,
              void (*done)(struct http_request *, const struct http_answer *));
/* GETs `path`, which stands behind options.url. An answer of up to `most` bytes is kept whole, more is an error. `name`: the task's. */
int http_get(struct http_request *r, struct http *h, const struct task_kind *kind, const char *name, const char *path, size_t most,
             void (*done)(struct http_request *, const struct http_answer *));
/*
 * GETs `path`; the body of an answer of 2xx goes to piece() as it comes, at most 16 KiB at a time, and its end to done().
 * options.timeout is for its headers, at whose end piece() is called with no bytes; then it may take for ever. Any other answer is kept as that of a POST. piece()
 * may begin requests, but end none of this client's: while libcurl is at work it cannot let go of any.
 */
int http_follow(struct http_request *r, struct http *h, const struct task_kind *kind, const char *name, const char *path,
                enum http_piece (*piece)(struct http_request *, const char *, size_t),
                void (*done)(struct http_request *, const struct http_answer *));
/* For a server that sends no headers before it has something to say: there is no deadline any more. */
void http_be_patient(struct http_request *r);
/* After HTTP_LATER, else nothing. piece() may be called from within, done() not; not from within piece(). */
void http_resume(struct http_request *r);
void http_cancel(struct http_request *r); /* without done(); nothing when it is not under way */
/* From the next connection on: none that is open is closed. */
void http_set_max_connections(struct http *h, unsigned n);
/* Closes the connections, which are kept for the next request. No request may be under way. */
void http_disconnect(struct http *h);
static inline bool http_busy(const struct http_request *r)
{
    return thing_alive(&r->scope.thing);
}

/* Retry-After: seconds or a date, as ns from `now` (UTC ns), at least 0; -1: neither. While somebody holds an http_library. */
int64_t http_retry_after(const char *value, int64_t now);
