#include "main/restart.h"

#include "base/clock.h"
#include "base/log.h"

static void say(struct restart *r, const struct hung *h)
{
    if (h->thread.id == r->said)
        return;
    log_error("agent", "the thread \"%s\" hangs for %lld s: the service manager is not told any more that the agent lives, so that it "
              "restarts it; nothing is lost by that", h->thread.name, (long long)(h->silent / SECOND));
    r->said = h->thread.id;
}

bool restart_is_due(struct restart *r)
{
    const struct hung_rule rule = {(*r->config)->task_tracking.restart_hung_after, r->started};
    struct hung h = hung_look(&rule, &scope_root, clock_mono());
    r->looks = h.remedy == HUNG_NOW ? r->looks + 1 : 0;
    if (r->looks >= RESTART_LOOKS) {
        say(r, &h);
        return true;
    }
    if (r->said && !r->looks) {
        log_info("agent", "the service manager is told again that the agent lives");
        r->said = 0;
    }
    return false;
}
