#include "leak/watch/findings.h"

#include <stdio.h>
#include <string.h>

void findings_begin(struct findings *f, enum series_section section)
{
    f->not_listed = 0;
    for (unsigned i = 0; i < f->n; i++)
        if (f->list[i].section == section)
            f->list[i].raised = false;
}

static struct finding *find(struct findings *f, const char *key)
{
    for (unsigned i = 0; i < f->n; i++)
        if (strcmp(f->list[i].key, key) == 0)
            return &f->list[i];
    return NULL;
}

struct finding *findings_raise(struct findings *f, const char *key, enum series_section section)
{
    struct finding *x = find(f, key);
    if (!x && f->n == FINDINGS_MAX) {
        f->not_listed++;
        return NULL;
    }
    if (!x)
        x = &f->list[f->n++];
    else if (x->raised)
        return x;
    struct alarm alarm = x->key[0] ? x->alarm : (struct alarm){0};
    *x = (struct finding){.section = section, .raised = true, .alarm = alarm, .limit_in = -1};
    snprintf(x->key, sizeof x->key, "%s", key);
    return x;
}

/* Nothing more is to be said about it, and nothing need be remembered. */
static bool is_over(const struct finding *x, const struct alarm_settings *s, int64_t now)
{
    return !x->raised && x->alarm.raised == LEAK_NONE && (!x->alarm.raised_at || now - x->alarm.raised_at >= s->cooldown);
}

void findings_settle(struct findings *f, enum series_section section, const struct finding_settings *settings, int64_t now,
                     void (*event)(struct finding *finding, enum alarm_event what, void *arg), void *arg)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->n; i++) {
        struct finding *x = &f->list[i];
        const struct alarm_settings *s = x->exact ? &settings->exact : &settings->inferred;
        if (x->section == section) {
            enum alarm_event what = alarm_step(&x->alarm, s, now, x->raised ? x->severity : LEAK_NONE);
            if (what != ALARM_NOTHING)
                event(x, what, arg);
            if (is_over(x, s, now)) {
                x->key[0] = 0;
                continue;
            }
        }
        if (n != i)
            f->list[n] = *x;
        n++;
    }
    for (unsigned i = n; i < f->n; i++)
        f->list[i].key[0] = 0;
    f->n = n;
}

unsigned findings_count(const struct findings *f, enum leak_severity least)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->n; i++)
        n += f->list[i].alarm.raised >= least;
    return n;
}
