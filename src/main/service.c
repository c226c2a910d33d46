#include "main/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

/* One datagram to a socket in the file system or an abstract one ("@name"), see sd_notify(3). */
static int send_to_manager(const char *name, const char *state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    struct fd f;
    if ((name[0] != '/' && name[0] != '@') || n >= sizeof to.sun_path)
        return -EAFNOSUPPORT;
    memcpy(to.sun_path, name, n);
    if (name[0] == '@')
        to.sun_path[0] = 0;
    int r = fd_socket(&f, &scope_root, AF_UNIX, SOCK_DGRAM, 0);
    if (r < 0)
        return r;
    if (sendto(f.n, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
        r = -errno;
    fd_close(&f);
    return r;
}

/* A message is a few lines of KEY=value; systemd takes up to 4 KiB. */
static void notify(const char *state)
{
    const char *manager = getenv("NOTIFY_SOCKET");
    int r = manager && *manager ? send_to_manager(manager, state) : 0;
    if (r < 0)
        log_warn("service", "cannot tell the service manager: %s", strerror(-r));
}

static void notify_with_status(const char *state, const char *status)
{
    char text[512];
    snprintf(text, sizeof text, "%sSTATUS=%.400s", state, status);
    notify(text);
}

static void watchdog_due(struct timer *t)
{
    struct service *s = container_of(t, struct service, watchdog);
    if (!s->is_over || !s->is_over(s->arg))
        notify("WATCHDOG=1");
    timer_set(t, s->interval);
}

/* How often it must hear from this process, in microseconds; 0: it need not. See sd_watchdog_enabled(3). */
static uint64_t watchdog_usec(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    uint64_t n = strtoull(usec, NULL, 10);
    return n < UINT64_MAX / MICROSECOND / 2 ? n : 0;
}

int service_begin(struct service *s, struct scope *owner, struct loop *l)
{
    *s = (struct service){.interval = (int64_t)(watchdog_usec() / 2) * MICROSECOND};
    if (!s->interval)
        return 0;
    int r = timer_begin(&s->watchdog, owner, l, "watchdog", watchdog_due);
    if (r < 0)
        return r;
    timer_set(&s->watchdog, 0);
    return 0;
}

void service_end(struct service *s)
{
    timer_end(&s->watchdog);
}

void service_withhold(struct service *s, bool (*is_over)(void *arg), void *arg)
{
    s->is_over = is_over;
    s->arg = arg;
}

/* The kubelet says that it is there to each container of its pods; whether a probe asks for /livez it does not say. */
const char *service_restarter(void)
{
    if (watchdog_usec() && getenv("NOTIFY_SOCKET"))
        return "the service manager";
    return getenv("KUBERNETES_SERVICE_HOST") ? "the kubelet, if its liveness probe asks for /livez," : NULL;
}

void service_ready(const char *status)
{
    notify_with_status("READY=1\n", status);
}

void service_reloading(void)
{
    /* MONOTONIC_USEC is what Type=notify-reload (systemd 253) needs; older ones ignore it. */
    char text[80];
    snprintf(text, sizeof text, "RELOADING=1\nWATCHDOG=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(clock_mono() / MICROSECOND));
    notify(text);
}

void service_stopping(void)
{
    notify("STOPPING=1");
}
