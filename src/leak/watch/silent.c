#include "leak/watch/silent.h"

static struct silent_task *find(struct silent *s, const struct birth_info *b)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->list[i].id == b->id && s->list[i].beat == b->beat)
            return &s->list[i];
    return NULL;
}

struct silent_task *silent_seen(struct silent *s, const struct birth_info *b, int64_t now)
{
    struct silent_task *t = find(s, b);
    if (!t && s->n < s->room) {
        t = &s->list[s->n++];
        *t = (struct silent_task){.id = b->id, .beat = b->beat, .first = now};
    }
    if (t)
        t->again = true;
    return t && now - t->first >= b->task_kind->heartbeat ? t : NULL;
}

void silent_settle(struct silent *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n; i++)
        if (s->list[i].again) {
            s->list[n] = s->list[i];
            s->list[n++].again = false;
        }
    s->n = n;
}
