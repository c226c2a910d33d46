/*
 * service: tells systemd how the agent is (sd_notify(3)), and keeps its watchdog quiet while main's loop turns.
 *
 * Without a service manager (NOTIFY_SOCKET is not set) every call does nothing. The watchdog speaks from a
 * timer of main's loop, at half the interval that WatchdogSec= asks for (WATCHDOG_USEC): a loop that
 * hangs is silent, and systemd restarts the agent. It is made silent for a thread that hangs (leak/watch/hung.h) by
 * service_withhold(). READY=1 is for the moment when sources are
 * being read; it is also what ends RELOADING=1.
 *
 * Thread: main's. Errors of the notify socket are said once and change nothing.
 */
#pragma once

#include "loop/loop.h"

struct service {
    struct timer watchdog;
    int64_t interval; /* ns between two signs of life; 0: nobody asked for them */
    bool (*is_over)(void *arg); /* NULL, or whether it is better ended; asked before each sign of life */
    void *arg;
};

int service_begin(struct service *s, struct scope *owner, struct loop *l);
void service_end(struct service *s);

/* is_over: true keeps the next sign of life back. Only asked while there is a watchdog. */
void service_withhold(struct service *s, bool (*is_over)(void *arg), void *arg);
/* Who restarts the agent when it gives no sign of life, as a sentence's subject; NULL: nobody is known to. Any thread. */
const char *service_restarter(void);

/* `status` is a sentence for `systemctl status`. */
void service_ready(const char *status);
void service_reloading(void);
void service_stopping(void);
