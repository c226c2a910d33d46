/*
 * What the parts of the HTTP client (http.h) say to each other:
 *   http.c           requests: their begin, their end, the wait for a name
 *   http_transfer.c  one request as libcurl is told it, and what arrives
 *   http_multi.c     libcurl's multi handle and its sockets on our loop
 */
#pragma once

#include "net/http.h"

/* Makes the multi handle unless it is there. 0 or -errno. */
int http_multi_open(struct http *h);
/* What h->timer calls, and libcurl for each connection. */
void http_time_came(struct timer *t);
curl_socket_t http_open_socket(void *http, curlsocktype purpose, struct curl_sockaddr *to);
int http_close_socket(void *http, curl_socket_t n);
/* Gives the request to libcurl. false: `too_much` may say why; what was made so far ends with the request. */
bool http_transfer_begin(struct http_request *r);
/* Ends the request and calls done(). status 0: there was no answer, and why. */
void http_finish(struct http_request *r, int status, const char *error);
