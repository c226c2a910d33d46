/*
 * log: logcap's own messages, to standard error, as text or JSON. Never fed back: no source reads them.
 *
 *     2026-11-21T03:54:00.123Z WARN  files: cannot open: Permission denied path=/var/log/x
 *
 * A message is a sentence that a person can act on; the component is the noun that speaks, a sink by its name. Each call
 * site may speak LOG_BURST times in LOG_WINDOW, then says once how many it swallowed.
 * Any thread; one write(2) a message, cut at 4 KiB. Line breaks and control bytes are escaped.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum { LOG_BURST = 10, LOG_WINDOW_S = 60 };

struct log_site {
    _Atomic int64_t window; /* start, clock_mono() */
    _Atomic uint32_t said, swallowed;
};

void log_setup(enum log_level least, bool json);
void log_write(struct log_site *site, enum log_level level, const char *component,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
uint64_t log_count(enum log_level level); /* messages since start, swallowed ones too */

#define LOG_AT(level, component, ...)                      \
    do {                                                   \
        static struct log_site site_;                      \
        log_write(&site_, level, component, __VA_ARGS__);  \
    } while (0)
#define log_debug(component, ...) LOG_AT(LOG_LEVEL_DEBUG, component, __VA_ARGS__)
#define log_info(component, ...) LOG_AT(LOG_LEVEL_INFO, component, __VA_ARGS__)
#define log_warn(component, ...) LOG_AT(LOG_LEVEL_WARN, component, __VA_ARGS__)
#define log_error(component, ...) LOG_AT(LOG_LEVEL_ERROR, component, __VA_ARGS__)
