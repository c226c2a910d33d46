/*
 * libcurl: its functions, opened when they are first needed.
 *
 * libcurl brings some thirty libraries with it (Kerberos, LDAP, SSH, OpenSSL), which take 2.6 MiB of an agent that writes
 * local files only. So it is not linked: http_library_begin() opens it, and what is called is called through this
 * table, without the `curl_` that begins the name in libcurl's manual. It stays open until the process ends, for
 * some of what it brings cannot be unloaded.
 *
 * Arguments behind an option are not checked by the compiler: a number is a long, an offset a curl_off_t.
 *
 * Threads: whoever holds an http_library may call; which of libcurl's functions may be called where is its own rule.
 */
#pragma once

#include <curl/curl.h>

#define LIBCURL_FUNCTIONS(X) \
    X(easy_cleanup) X(easy_getinfo) X(easy_init) X(easy_pause) X(easy_perform) X(easy_setopt) X(easy_strerror) \
    X(free) X(getdate) X(global_cleanup) X(global_init_mem) \
    X(multi_add_handle) X(multi_cleanup) X(multi_info_read) X(multi_init) X(multi_remove_handle) \
    X(multi_setopt) X(multi_socket_action) X(multi_strerror) \
    X(slist_append) X(slist_free_all) X(url) X(url_cleanup) X(url_get) X(url_set) X(version)

#define LIBCURL_FUNCTION(name) __typeof__(curl_##name) *name;
struct libcurl {
    LIBCURL_FUNCTIONS(LIBCURL_FUNCTION)
};
#undef LIBCURL_FUNCTION

extern struct libcurl libcurl;

/* 0, or -ELIBACC: it is not there, or lacks a function; the log says which. One thread at a time; again is nothing. */
int libcurl_open(void);
