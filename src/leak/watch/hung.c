#include "leak/watch/hung.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/probe.h"

#define START_LEAST (5 * MINUTE)
#define PATIENCE_LEAST HOUR
enum { LOOKED_AT = 32, SPAN_TEXT = 24 };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t due_of(const struct birth_info *task, const struct hung_rule *rule)
{
    bool from_the_start = task->beat - rule->started < larger(rule->after, START_LEAST);
    return from_the_start ? larger(rule->after * HUNG_PATIENCE, PATIENCE_LEAST) : rule->after;
}

struct hung hung_judge(const struct birth_info *task, char state, const struct hung_rule *rule, int64_t now)
{
    struct hung h = {.silent = task_hangs(task, now)};
    if (!h.silent || !rule->after || task->task_kind->remedy != TASK_NEW_PROCESS)
        return h;
    h.thread = *task;
    h.due = due_of(task, rule);
    h.remedy = state == 'D' ? HUNG_HELD : h.silent < h.due || state == '?' ? HUNG_LATER : HUNG_NOW;
    return h;
}

struct looked {
    int64_t now;
    unsigned n;
    struct birth_info list[LOOKED_AT];
};

static bool add_hanging(const struct birth_info *b, void *arg)
{
    struct looked *l = arg;
    if (b->kind == BIRTH_THREAD && task_hangs(b, l->now))
        l->list[l->n++] = *b;
    return l->n < LOOKED_AT;
}

static bool is_worse(const struct hung *a, const struct hung *b)
{
    if (a->remedy == HUNG_HELD || b->remedy == HUNG_HELD)
        return a->remedy == HUNG_HELD && b->remedy != HUNG_HELD;
    return a->remedy > b->remedy || (a->remedy == b->remedy && a->due - a->silent < b->due - b->silent);
}

/* The record that main would have. Its kernel's id is the process's. */
static struct birth_info main_thread(const struct hung_rule *rule)
{
    static const struct task_kind kind = {.name = "thread", .heartbeat = 2 * HUNG_MAIN_BEATS, .remedy = TASK_NEW_PROCESS};
    return (struct birth_info){.kind = BIRTH_THREAD, .state = BIRTH_RUNNING, .task_kind = &kind, .name = "main", .fd = getpid(),
                               .beat = rule->main_beat ? atomic_load(rule->main_beat) : 0};
}

struct hung hung_look(const struct hung_rule *rule, struct scope *scratch, int64_t now)
{
    struct hung worst = {0};
    struct looked l = {.now = now};
    const struct birth_info first = main_thread(rule);
    if (rule->after && first.beat)
        add_hanging(&first, &l);
    if (rule->after)
        birth_walk(add_hanging, &l);
    for (unsigned i = 0; i < l.n; i++) {
        struct hung h = hung_judge(&l.list[i], probe_state(l.list[i].fd, scratch), rule, now);
        if (is_worse(&h, &worst))
            worst = h;
    }
    return worst;
}

static const char *span(int64_t ns, char text[SPAN_TEXT])
{
    if (ns < 2 * MINUTE)
        snprintf(text, SPAN_TEXT, "%lld s", (long long)((ns + SECOND - 1) / SECOND));
    else
        snprintf(text, SPAN_TEXT, "%lld min", (long long)((ns + MINUTE - 1) / MINUTE));
    return text;
}

const char *hung_say(const struct hung *h, const char *restarter, char text[HUNG_TEXT])
{
    char left[SPAN_TEXT];
    text[0] = 0;
    if (h->remedy == HUNG_HELD)
        snprintf(text, HUNG_TEXT, "; the kernel holds it, as when a disk or a mount does not answer: a restart would not help");
    else if (h->remedy != HUNG_NOTHING && !restarter)
        snprintf(text, HUNG_TEXT, "; nobody restarts the agent by itself: it runs under no service manager with a watchdog");
    else if (h->remedy == HUNG_LATER && h->silent >= h->due)
        snprintf(text, HUNG_TEXT, "; whether the kernel holds it cannot be read in /proc: it is waited for");
    else if (h->remedy == HUNG_LATER)
        snprintf(text, HUNG_TEXT, "; in %s, unless it goes on, %s restarts the agent", span(h->due - h->silent, left), restarter);
    else if (h->remedy == HUNG_NOW)
        snprintf(text, HUNG_TEXT, "; %s restarts the agent now", restarter);
    return text;
}
