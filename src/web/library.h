/*
 * library: what libmicrohttpd calls. httpd.c tells it these; `arg` is the server.
 *
 * A connection's context is its client, a request's is the request. Only the server's own files see the library.
 */
#pragma once

#include <microhttpd.h>

/* client.c: a connection is there, or the library closes it right after this. */
void client_changed(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code);
/* request.c: the headers are here, then each piece of the body, then its end. */
enum MHD_Result request_taken(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **context);
void request_over(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code);
