#include "web/httpd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/client.h"
#include "web/library.h"

static void pump_one(struct httpd *e)
{
    MHD_UNSIGNED_LONG_LONG ms;
    MHD_run(e->daemon);
    if (MHD_get_timeout(e->daemon, &ms) == MHD_YES)
        timer_set(&e->timer, (int64_t)ms * MILLISECOND);
    else
        timer_clear(&e->timer);
}

void httpds_pump(struct server *s)
{
    for (int i = 0; i < HTTPDS; i++)
        if (s->httpds[i].daemon)
            pump_one(&s->httpds[i]);
}

static void epoll_ready(struct watch *w, uint32_t events)
{
    pump_one(container_of(w, struct httpd, watch));
}

static void time_came(struct timer *t)
{
    pump_one(container_of(t, struct httpd, timer));
}

__attribute__((format(printf, 2, 0))) static void library_says(void *arg, const char *format, va_list ap)
{
    char text[300];
    vsnprintf(text, sizeof text, format, ap);
    text[strcspn(text, "\n")] = 0;
    log_debug("web", "libmicrohttpd: %s", text);
}

/* It must not be stopped while a connection sleeps. */
static void daemon_end(struct thing *t)
{
    struct httpd *e = container_of(t, struct httpd, thing);
    e->ending = true;
    clients_wake(e->server, e);
    MHD_stop_daemon(e->daemon); /* ends its clients through client_changed() */
    e->daemon = NULL;
}

/* cert: NULL: no TLS. */
static struct MHD_Daemon *daemon_start(struct server *s, const char *cert, const char *key)
{
    const struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (char[]){"NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"}},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME | (cert ? MHD_USE_TLS : 0), 0,
        NULL, NULL, request_taken, s,
        MHD_OPTION_EXTERNAL_LOGGER, library_says, s,
        MHD_OPTION_CONNECTION_LIMIT, 2 * s->config.max_connections + LISTENER_ACCEPTS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_HEADER_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((s->config.idle + SECOND - 1) / SECOND),
        MHD_OPTION_NOTIFY_COMPLETED, request_over, s,
        MHD_OPTION_NOTIFY_CONNECTION, client_changed, s,
        MHD_OPTION_ARRAY, cert ? secure : secure + 3, MHD_OPTION_END);
}

static int start(struct httpd *e, struct server *s, const char *cert, const char *key)
{
    int r = fd_expect_begin(&e->wake, &e->scope, "libmicrohttpd wake");
    if (r == 0)
        r = thing_begin(&e->thing, &e->scope, BIRTH_HANDLE, cert ? "libmicrohttpd, TLS" : "libmicrohttpd", 0, daemon_end);
    if (r < 0) {
        fd_expect_end(&e->wake);
        return r;
    }
    e->daemon = daemon_start(s, cert, key);
    fd_expect_end(&e->wake);
    const union MHD_DaemonInfo *info = e->daemon ? MHD_get_daemon_info(e->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        if (!e->daemon)
            thing_unborn(&e->thing);
        return cert ? -EKEYREJECTED : -ENOMEM;
    }
    /* The library closes it: only its record is ours. */
    r = thing_begin(&e->epoll_thing, &e->scope, BIRTH_FD, "libmicrohttpd epoll", 0, NULL);
    if (r < 0)
        return r;
    birth_set_fd(e->epoll_thing.birth, info->epoll_fd);
    r = watch_begin(&e->watch, &e->scope, s->loop, info->epoll_fd, EPOLLIN, epoll_ready);
    return r < 0 ? r : timer_begin(&e->timer, &e->scope, s->loop, "libmicrohttpd", time_came);
}

int httpd_begin(struct httpd *e, struct server *s, const char *cert, const char *key)
{
    *e = (struct httpd){.server = s};
    int r = scope_begin(&e->scope, &s->scope, "libmicrohttpd");
    if (r < 0)
        return r;
    r = start(e, s, cert, key);
    if (r < 0)
        scope_end(&e->scope);
    return r;
}

void httpd_end(struct httpd *e)
{
    scope_end(&e->scope);
}
