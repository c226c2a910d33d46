/* What leakwatch.h makes of what it measured: judges, findings, alerts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "leak/watch/details.h"
#include "leak/watch/hung.h"
#include "leak/watch/leakwatch.h"
#include "leak/watch/sites.h"

#define WARM_UP_MOST (5 * MINUTE)
#define CLEAR_AFTER (5 * MINUTE)
enum { WARM_UP_INTERVALS = 10, ROUNDS_SURE = 2, TEXT_FRAMES = 4, EXPLAINED_AT_ONCE = 5 };

static int64_t warm_up_of(const struct leakwatch *w, enum series_section section)
{
    int64_t some = w->settings.interval[section] * WARM_UP_INTERVALS;
    return some < WARM_UP_MOST ? some : WARM_UP_MOST;
}

/* ---- judges ---- */

/* Growth without an end in these is a leak; totals and what shares its cause with another series are shown, not judged. */
static bool has_trend(const struct leakwatch *w, const char *name)
{
    static const char *const groups[] = {"tasks:", "fds:", "arena:", "memory:rss", "memory:heap", "things:lease", "things:batch",
                                         "things:timer", "things:handle", "children"};
    if (w->settings.foreign && strcmp(name, "threads") == 0) /* which are no tasks then */
        return true;
    if (strcmp(name, "tasks:unexpected") == 0 || strcmp(name, "memory:heap_mapped") == 0)
        return false;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strncmp(name, groups[i], strlen(groups[i])) == 0)
            return true;
    return false;
}

static struct judge_settings settings_of(const struct leakwatch *w, const struct series *s)
{
    const struct leakwatch_settings *x = &w->settings;
    const struct kernel_limits *limits = &w->totals.limits;
    struct judge_settings j = judge_defaults;
    j.trend = has_trend(w, s->name);
    j.interval = w->settings.interval[s->section];
    j.warm_up = warm_up_of(w, s->section);
    if (strcmp(s->name, "tasks") == 0) {
        j.limit = (double)x->max_tasks;
    } else if (strcmp(s->name, "tasks:unexpected") == 0) {
        j.increase = (double)x->task_increase;
        j.warn = (double)x->task_warn;
    } else if (strcmp(s->name, "threads") == 0) {
        j.increase = (double)x->thread_increase;
        j.limit = (double)limits->tasks;
    } else if (strcmp(s->name, "fds") == 0) {
        j.increase = (double)x->fd_increase;
        j.rate = (double)x->growth_rate;
        j.limit = (double)limits->fds;
    } else if (strcmp(s->name, "memory:rss") == 0) {
        j.warn = (double)x->memory_warn;
        j.rate = (double)x->growth_rate;
        j.limit = (double)limits->memory;
    }
    if (!x->thresholds)
        j.increase = j.warn = j.rate = 0;
    return j;
}

static const char *born_at(struct leakwatch *w, const struct birth_info *b, char *text, size_t size)
{
    if (!w->has_symbols)
        w->has_symbols = symbols_begin(&w->symbols, &w->scope) == 0;
    const struct names names = {.symbols = &w->symbols, .foreign = w->settings.foreign};
    return site_text(b, &names, TEXT_FRAMES, text, size);
}

static void raise_by_judge(struct leakwatch *w, const struct series *s)
{
    const struct verdict *v = judge_verdict(&s->judge);
    char site[200];
    struct finding *f = v->severity != LEAK_NONE ? findings_raise(&w->findings, s->name, s->section) : NULL;
    if (!f)
        return;
    snprintf(f->series, sizeof f->series, "%s", s->name);
    snprintf(f->text, sizeof f->text, "%s: %s%s%s", s->name, v->reason, s->has_birth ? "; most of what came was started at " : "",
             s->has_birth ? born_at(w, &s->birth, site, sizeof site) : "");
    f->has_birth = s->has_birth;
    f->birth = s->birth;
    f->severity = v->severity;
    f->state = v->state;
    f->current = s->value;
    f->has_baseline = v->has_baseline;
    f->baseline = v->baseline + s->expected;
    f->threshold = v->threshold;
    f->slope = v->slope;
    f->limit_in = v->limit_in;
    f->confidence = v->confidence;
    f->since = v->since;
}

static void judge_series(struct leakwatch *w, struct series *s, int64_t now)
{
    struct judge_settings settings = settings_of(w, s);
    if (!s->judged)
        judge_begin(&s->judge, &settings);
    else
        judge_set(&s->judge, &settings);
    s->judged = true;
    if (s->measured)
        judge_add(&s->judge, now, s->value, s->expected);
    s->measured = false;
    s->has_birth = strncmp(s->name, "tasks:", strlen("tasks:")) == 0 && judge_verdict(&s->judge)->state >= LEAK_GROWING &&
                   details_site(w, s->name, &s->birth) == SITE_GROWN;
    raise_by_judge(w, s);
}

/* ---- exact findings ---- */

static struct finding *raise_exact(struct leakwatch *w, enum series_section section, const char *series, const char *key,
                                   enum leak_severity severity)
{
    struct finding *f = findings_raise(&w->findings, key, section);
    if (!f)
        return NULL;
    snprintf(f->series, sizeof f->series, "%s", series);
    f->exact = true;
    f->state = LEAK_LEAKING;
    f->confidence = 1;
    if (f->severity < severity)
        f->severity = severity;
    return f;
}

static enum leak_severity severity_over(uint64_t count, uint64_t threshold)
{
    if (!threshold || count * 2 <= threshold * 3)
        return LEAK_WARNING;
    return count > 2 * threshold ? LEAK_CRITICAL : LEAK_HIGH;
}

static void raise_excess(struct leakwatch *w)
{
    for (unsigned i = 0; i < w->n_expectations; i++) {
        const struct expectation *e = &w->expectations[i];
        uint64_t count = tally_tasks(&w->tally, e->task_kind);
        char series[SERIES_NAME], key[FINDING_KEY];
        if (e->rounds_over < ROUNDS_SURE)
            continue;
        snprintf(series, sizeof series, "tasks:%s", e->task_kind);
        snprintf(key, sizeof key, "%s/unexpected", series);
        struct finding *f = raise_exact(w, SERIES_OF_TASKS, series, key,
                                        severity_over(count - e->last, w->settings.task_increase));
        if (!f)
            continue;
        f->current = (double)count;
        f->baseline = (double)e->last;
        f->has_baseline = true;
        snprintf(f->text, sizeof f->text, "%" PRIu64 " tasks of the kind %s run where at most %" PRIu64 " are expected", count,
                 e->task_kind, e->last);
    }
}

static void raise_hanging(struct leakwatch *w)
{
    const struct hung_rule rule = {w->settings.restart_hung_after, w->started};
    for (unsigned i = 0; i < w->n_suspects; i++) {
        const struct suspect *s = &w->suspects[i];
        char series[SERIES_NAME], key[FINDING_KEY], site[200], fate[HUNG_TEXT];
        if (!s->hangs)
            continue;
        struct hung h = hung_judge(&s->birth, s->state, &rule, s->birth.beat + s->for_ns);
        snprintf(series, sizeof series, "tasks:%s", s->birth.task_kind->name);
        snprintf(key, sizeof key, "%s/hangs/%u", series, s->birth.id);
        struct finding *f = raise_exact(w, SERIES_OF_TASKS, series, key, h.remedy == HUNG_NOW ? LEAK_CRITICAL : LEAK_HIGH);
        if (!f)
            continue;
        f->birth = s->birth;
        f->has_birth = true;
        f->current = (double)s->for_ns / SECOND;
        f->since = clock_mono() - s->for_ns;
        snprintf(f->text, sizeof f->text, "the %s \"%s\" has given no sign of life for %.0f s while it runs; started at %s%s",
                 s->birth.kind == BIRTH_THREAD ? "thread" : "task", s->birth.name, (double)s->for_ns / SECOND,
                 born_at(w, &s->birth, site, sizeof site), hung_say(&h, w->restarter, fate));
    }
}

/* What the kind itself says of how many there may be. */
static void raise_excess_of_kind(struct leakwatch *w, const struct tally_kind *k)
{
    static const char *const says[] = {"", "; most of them were started at ", "; most of what came was started at "};
    char series[SERIES_NAME], key[FINDING_KEY], site[200];
    struct birth_info birth;
    snprintf(series, sizeof series, "tasks:%s", k->name);
    snprintf(key, sizeof key, "%s/most", series);
    struct finding *f = raise_exact(w, SERIES_OF_TASKS, series, key, severity_over(k->count, k->most));
    if (!f)
        return;
    f->current = (double)k->count;
    f->threshold = (double)k->most;
    enum details_site where = details_site(w, series, &birth);
    f->has_birth = where != SITE_NONE;
    if (f->has_birth)
        f->birth = birth;
    snprintf(f->text, sizeof f->text, "%" PRIu64 " tasks of the kind %s exist where at most %" PRIu64 " may%s%s", k->count, k->name,
             k->most, says[where], f->has_birth ? born_at(w, &birth, site, sizeof site) : "");
}

static void raise_old(struct leakwatch *w, const struct tally_kind *k)
{
    char series[SERIES_NAME], key[FINDING_KEY], site[200];
    int64_t now = clock_mono(), most = k->oldest.task_kind->max_age;
    snprintf(series, sizeof series, "tasks:%s", k->name);
    snprintf(key, sizeof key, "%s/old", series);
    struct finding *f = raise_exact(w, SERIES_OF_TASKS, series, key, LEAK_WARNING);
    if (!f)
        return;
    f->birth = k->oldest;
    f->has_birth = true;
    f->current = (double)k->old;
    f->since = k->oldest.born + most;
    snprintf(f->text, sizeof f->text, "%" PRIu64 " task%s of the kind %s %s older than %.6g s, the oldest \"%s\" %.0f s; started at %s",
             k->old, k->old == 1 ? "" : "s", k->name, k->old == 1 ? "is" : "are", (double)most / SECOND, k->oldest.name,
             (double)(now - k->oldest.born) / SECOND, born_at(w, &k->oldest, site, sizeof site));
}

static void raise_kinds(struct leakwatch *w)
{
    for (unsigned i = 0; i < w->tally.n_kinds; i++) {
        const struct tally_kind *k = &w->tally.kinds[i];
        if (k->most && k->count > k->most)
            raise_excess_of_kind(w, k);
        if (k->old && w->settings.foreign) /* in logcap such tasks are suspects only: its sinks may well be down for days */
            raise_old(w, k);
    }
}

static void raise_refused(struct leakwatch *w)
{
    uint64_t refused = task_refused(), more = refused - w->refused_before;
    w->refused_before = refused;
    if (!more)
        return;
    struct finding *f = raise_exact(w, SERIES_OF_TASKS, "tasks", "tasks/refused", LEAK_CRITICAL);
    if (!f)
        return;
    f->state = LEAK_AT_LIMIT;
    f->current = (double)task_count();
    f->threshold = (double)w->settings.max_tasks;
    snprintf(f->text, sizeof f->text, "max_tasks is reached (%" PRIu64 "): %" PRIu64 " births of tasks were refused since the last check",
             w->settings.max_tasks, more);
}

/* Those of one birth site are one finding, however many there are. */
static void key_of_stray(const struct stray *s, const char *series, char key[FINDING_KEY])
{
    if (s->has_birth)
        snprintf(key, FINDING_KEY, "%s/%08x", series,
                 (unsigned)XXH3_64bits(s->birth.stack, s->birth.frames * sizeof *s->birth.stack));
    else
        snprintf(key, FINDING_KEY, "%s/%.30s", series, s->kind == STRAY_THREAD ? s->what : fd_type_name(s->type));
}

static void say_stray(struct leakwatch *w, struct finding *f, const struct stray *s)
{
    char site[200];
    const char *many = f->current > 1 ? "s" : "";
    if (s->kind == STRAY_THREAD)
        snprintf(f->text, sizeof f->text, "%.0f thread%s that nobody owns, the last: %d (%s)", f->current, many, s->number, s->what);
    else if (s->kind == STRAY_CLOSED)
        snprintf(f->text, sizeof f->text, "%.0f descriptor%s closed behind the owner's back, the last: %d", f->current, many, s->number);
    else
        snprintf(f->text, sizeof f->text, "%.0f descriptor%s that nobody owns and nobody closed, the last: %d (%s, %s)%s%s", f->current,
                 many, s->number, fd_type_name(s->type), s->what, s->has_birth ? "; its number was last owned by one born at " : "",
                 s->has_birth ? born_at(w, &s->birth, site, sizeof site) : "");
}

static void raise_strays(struct leakwatch *w)
{
    static const char *const series[] = {[STRAY_FD] = "fds:unowned", [STRAY_CLOSED] = "fds:closed", [STRAY_THREAD] = "threads:unowned"};
    for (unsigned i = 0; i < w->strays.n; i++) {
        const struct stray *s = &w->strays.list[i];
        char key[FINDING_KEY];
        if (!stray_is_sure(s))
            continue;
        key_of_stray(s, series[s->kind], key);
        struct finding *f = raise_exact(w, SERIES_OF_RESOURCES, series[s->kind], key, LEAK_WARNING);
        if (!f)
            continue;
        f->current++;
        f->severity = severity_over((uint64_t)f->current, w->settings.fd_increase);
        if (!f->since || s->first < f->since)
            f->since = s->first;
        f->has_birth = s->has_birth;
        f->birth = s->birth;
        say_stray(w, f, s);
    }
}

/* ---- alerts ---- */

/* Locked: what it takes to say it is kept, so that it can be said when nobody waits for the lock any more. */
static void on_event(struct finding *f, enum alarm_event event, void *arg)
{
    struct leakwatch *w = arg;
    struct alert_ring *r = &w->alerts;
    struct alert *a = &r->list[r->next];
    r->next = (r->next + 1) % r->room;
    r->n += r->n < r->room;
    *a = (struct alert){.id = ++r->said, .event = event, .severity = f->alarm.last, .time = clock_real(),
                        .since = leakwatch_real(f->since), .section = f->section, .exact = f->exact,
                        .has_baseline = f->has_baseline, .has_birth = f->has_birth, .birth = f->birth,
                        .current = f->current, .baseline = f->baseline, .threshold = f->threshold, .slope = f->slope,
                        .limit_in = f->limit_in, .confidence = f->confidence};
    memcpy(a->resource, f->key, sizeof a->resource);
    memcpy(a->series, f->series, sizeof a->series);
    memcpy(a->text, f->text, sizeof a->text);
}

static void say(struct leakwatch *w, struct alert *a, bool explain)
{
    buf_clear(&w->details);
    if (explain && w->settings.explain[a->section] && a->event != ALARM_RESOLVED)
        details_gather(w, a);
    if (w->listener)
        w->listener->hear(w->listener, a, w->details.len ? w->details.data : "");
}

/* Only this thread makes alerts, so it may look at them without the lock. */
static void say_new(struct leakwatch *w, uint64_t said_before)
{
    uint64_t new = w->alerts.said - said_before;
    unsigned explained = 0; /* each takes a moment, and measuring waits for it */
    for (unsigned n = new < w->alerts.n ? (unsigned)new : w->alerts.n; n-- > 0;)
        say(w, (struct alert *)leakwatch_alert(w, n), explained++ < EXPLAINED_AT_ONCE);
}

void judge_section(struct leakwatch *w, enum series_section section)
{
    int64_t now = clock_mono(), cooldown = w->settings.cooldown;
    int64_t interval = w->settings.interval[section];
    const struct finding_settings settings = {
        .exact = {.hold = 0, .clear = 2 * interval, .cooldown = cooldown},
        .inferred = {.hold = 2 * interval, .clear = CLEAR_AFTER, .cooldown = cooldown},
    };
    uint64_t said = w->alerts.said;
    leakwatch_lock(w);
    findings_begin(&w->findings, section);
    for (unsigned i = 0; i < w->series.n; i++)
        if (w->series.list[i]->section == section)
            judge_series(w, w->series.list[i], now);
    if (section == SERIES_OF_TASKS) {
        raise_excess(w);
        raise_kinds(w);
        raise_hanging(w);
        raise_refused(w);
    } else {
        raise_strays(w);
    }
    findings_settle(&w->findings, section, &settings, now, on_event, w);
    leakwatch_unlock(w);
    say_new(w, said);
    if (now - w->started >= warm_up_of(w, section))
        details_remember(w, now);
    buf_clear(&w->details);
    buf_shrink(&w->details, 0);
    if (w->has_symbols)
        symbols_end(&w->symbols);
    w->has_symbols = false;
}
