#include "out/loki_say.h"

#include "base/clock.h"
#include "base/log.h"

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

void loki_say_refused(struct loki *k, uint32_t entries, const char *why)
{
    atomic_fetch_add(&k->sink->stats.rejected_records, entries);
    sink_set_error(k->sink, "refused: %s", why);
    k->complained = true;
    log_error(k->sink->name, "%u entries are refused for good and %s: %.300s", entries,
              k->sink->letters ? "kept as dead letters" : "dropped", why);
}
