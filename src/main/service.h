/*
 * service: tells systemd how the agent is (sd_notify(3)), and keeps its watchdog quiet while main's loop turns.
 *
 * Without a service manager (NOTIFY_SOCKET is not set) every call does nothing. The watchdog speaks from a
 * timer of main's loop, at half the interval that WatchdogSec= asks for (WATCHDOG_USEC): a loop that
 * hangs is silent, and systemd restarts the agent. READY=1 is for the moment when sources are
 * being read; it is also what ends RELOADING=1.
 *
 * Thread: main's. Errors of the notify socket are said once and change nothing.
 */
#pragma once

#include "loop/loop.h"

struct service {
    struct timer watchdog;
    int64_t interval; /* ns between two signs of life; 0: nobody asked for them */
};

int service_begin(struct service *s, struct scope *owner, struct loop *l);
void service_end(struct service *s);

/* `status` is a sentence for `systemctl status`. */
void service_ready(const char *status);
void service_reloading(void);
void service_stopping(void);
