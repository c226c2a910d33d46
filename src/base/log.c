#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* Atomic: a reload changes them while others speak. */
static _Atomic enum log_level least_level = LOG_LEVEL_INFO;
static _Atomic bool as_json;
static _Atomic uint64_t counts[LOG_LEVEL_ERROR + 1];

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_words[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

void log_setup(enum log_level least, bool json)
{
    least_level = least;
    as_json = json;
}

uint64_t log_count(enum log_level level)
{
    return atomic_load(&counts[level]);
}

/* Whether the site may speak now; sets how many it swallowed before. */
static bool may_speak(struct log_site *site, uint32_t *swallowed)
{
    int64_t now = clock_mono(), window = atomic_load(&site->window);
    *swallowed = 0;
    if (window == 0 || now - window > LOG_WINDOW_S * SECOND) {
        if (atomic_compare_exchange_strong(&site->window, &window, now)) {
            atomic_store(&site->said, 0);
            *swallowed = atomic_exchange(&site->swallowed, 0);
        }
    }
    if (atomic_fetch_add(&site->said, 1) < LOG_BURST)
        return true;
    atomic_fetch_add(&site->swallowed, 1);
    return false;
}

enum { LINE_MAX_BYTES = 4096 };

static size_t escape(char *out, size_t room, const char *in)
{
    size_t n = 0;
    for (; *in && n + 7 < room; in++) {
        unsigned char c = (unsigned char)*in;
        if (as_json && (c == '"' || c == '\\')) {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            n += (size_t)snprintf(out + n, room - n, as_json ? "\\u%04x" : "\\x%02x", c);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n] = 0;
    return n;
}

static void put(enum log_level level, const char *component, const char *message)
{
    char line[LINE_MAX_BYTES], text[LINE_MAX_BYTES - 256], stamp[40];
    int64_t now = clock_real();
    time_t seconds = now / SECOND;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + n, sizeof stamp - n, ".%03dZ", (int)(now % SECOND / MILLISECOND));
    escape(text, sizeof text, message);
    int len = as_json
                  ? snprintf(line, sizeof line,
                             "{\"time\":\"%s\",\"level\":\"%s\",\"component\":\"%s\",\"message\":\"%s\"}\n",
                             stamp, level_names[level], component, text)
                  : snprintf(line, sizeof line, "%s %s %s: %s\n", stamp, level_words[level],
                             component, text);
    if (len >= (int)sizeof line)
        len = sizeof line - 1;
    /* Standard error that is gone or full must not stop the agent. */
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)len);
    (void)ignored;
}

void log_write(struct log_site *site, enum log_level level, const char *component,
               const char *format, ...)
{
    char message[LINE_MAX_BYTES - 512];
    uint32_t swallowed;

    atomic_fetch_add(&counts[level], 1);
    if (level < least_level || !may_speak(site, &swallowed))
        return;
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof message, format, ap);
    va_end(ap);
    if (swallowed) {
        size_t n = strlen(message);
        snprintf(message + n, sizeof message - n, " (%u like this were not shown)", swallowed);
    }
    put(level, component, message);
}
