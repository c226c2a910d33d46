/* What became of the detector's alerts and series, for /metrics. */
#include "leak/tell/teller.h"
#include "web/families.h"
#include "web/leaks_metrics.h"

void teller_metrics(struct buf *out, const struct teller *t)
{
    const struct webhook *const hooks[] = {&t->of_tasks, &t->of_resources};
    uint64_t delivered = 0, failed = 0, dropped = 0;
    for (unsigned i = 0; i < 2; i++) {
        delivered += atomic_load(&hooks[i]->delivered);
        failed += atomic_load(&hooks[i]->failed);
        dropped += atomic_load(&hooks[i]->dropped);
    }
    plain(out, "logcap_webhook_delivered_total", "counter", "Alerts that webhooks took.", (double)delivered);
    plain(out, "logcap_webhook_failures_total", "counter", "Tries that failed.", (double)failed);
    plain(out, "logcap_webhook_dropped_total", "counter", "Alerts that were given up.", (double)dropped);
    plain(out, "logcap_alert_records_total", "counter", "Alerts delivered to the sinks as records.", (double)t->records.written);
    plain(out, "logcap_alert_records_refused_total", "counter", "Alerts for whose record there was no room.",
          (double)t->records.refused);
    plain(out, "logcap_history_rows_total", "counter", "Steps of series stored in state.db.", (double)t->history.stored);
    plain(out, "logcap_history_rows_dropped_total", "counter", "Steps that could not be stored.", (double)t->history.dropped);
}
