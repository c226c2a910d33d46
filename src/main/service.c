#include "main/service.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"

/* A message is a few lines of KEY=value; systemd takes up to 4 KiB. */
static void notify(const char *state)
{
    int r = sd_notify(0, state);
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
    notify("WATCHDOG=1");
    timer_set(t, s->interval);
}

int service_begin(struct service *s, struct scope *owner, struct loop *l)
{
    uint64_t usec = 0;
    *s = (struct service){0};
    if (sd_watchdog_enabled(0, &usec) > 0)
        s->interval = (int64_t)(usec / 2) * MICROSECOND;
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
