#include "out/loki/loki_say.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

void loki_say_failing(struct loki *k, bool loud, const char *why, int64_t delay)
{
    struct sink *sink = k->sink;
    atomic_fetch_add(&sink->stats.retries, 1);
    sink_set_error(sink, "%s", why);
    k->complained = true;
    if (atomic_exchange(&sink->stats.failing, true))
        return;
    if (loud)
        log_error(sink->name, "%s; nothing is delivered until this is put right, trying every %.0f s", why,
                  (double)delay / SECOND);
    else
        log_warn(sink->name, "%s; trying again until it works", why);
}

void loki_say_working(struct loki *k)
{
    struct sink *sink = k->sink;
    atomic_store(&sink->stats.last_success, clock_real());
    if (k->complained)
        sink_set_error(sink, "%s", "");
    k->complained = false;
    if (atomic_exchange(&sink->stats.failing, false))
        log_info(sink->name, "delivers again");
}

static void calm_came(struct timer *t)
{
    struct loki *k = container_of(t, struct loki, calm);
    log_info(k->sink->name, "no entry was refused for a minute; %llu were before that",
             (unsigned long long)k->refused);
    k->refused_for = 0;
    k->refused = 0;
}

int loki_say_begin(struct loki *k)
{
    return timer_begin(&k->calm, &k->scope, &k->sink->loop, "loki calm", calm_came);
}

void loki_say_refused(struct loki *k, uint32_t entries, enum letter_code code, const char *why)
{
    bool said = k->refused_for >> code & 1;
    atomic_fetch_add(&k->sink->stats.rejected_records, entries);
    sink_set_error(k->sink, "refused: %s", why);
    k->complained = true;
    k->refused += entries;
    k->refused_for |= 1u << code;
    timer_set(&k->calm, LOKI_CALM);
    if (said)
        return;
    size_t length = strnlen(why, 300);
    while (length > 0 && (why[length - 1] == '\n' || why[length - 1] == '\r'))
        length--;
    log_error(k->sink->name, "%u %s refused for good and %s: %.*s", entries, entries == 1 ? "entry is" : "entries are",
              !k->sink->letters ? "dropped" : entries == 1 ? "kept as a dead letter" : "kept as dead letters", (int)length, why);
}
