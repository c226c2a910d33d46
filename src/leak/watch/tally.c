#include "leak/watch/tally.h"

#include <stdlib.h>
#include <string.h>

enum { OWNERS_MAX = 64 << 20 };

struct owner {
    uint32_t id, group;
};

/* What a walk carries along. */
struct walk {
    struct tally *tally;
    int error;
};

static int count_number(struct tally *t, const struct birth_info *b)
{
    if (b->fd < 0)
        return 0;
    if (b->kind == BIRTH_FD)
        return numbers_add(&t->fds, (unsigned)b->fd);
    if (b->kind == BIRTH_THREAD && t->n_threads < TALLY_THREADS)
        t->threads[t->n_threads++] = b->fd;
    return 0;
}

static bool add_owned(const struct birth_info *b, void *arg)
{
    struct walk *w = arg;
    w->error = count_number(w->tally, b);
    return w->error == 0;
}

/* ---- scopes ---- */

static uint32_t group_of(struct tally *t, const char *name)
{
    for (unsigned i = 0; i < t->n_groups; i++)
        if (strcmp(t->groups[i].name, name) == 0)
            return i;
    if (t->n_groups < TALLY_GROUPS - 1) {
        memcpy(t->groups[t->n_groups].name, name, BIRTH_NAME);
        return t->n_groups++;
    }
    return TALLY_GROUPS - 1;
}

static bool add_scope(const struct birth_info *b, void *arg)
{
    struct walk *w = arg;
    if (b->kind != BIRTH_SCOPE)
        return true;
    struct owner o = {b->id, group_of(w->tally, b->name)};
    w->error = buf_add(&w->tally->owners, &o, sizeof o);
    return w->error == 0;
}

static int by_id(const void *a, const void *b)
{
    const struct owner *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static const struct owner *owner_at(const struct tally *t, uint32_t scope_id)
{
    struct owner key = {.id = scope_id};
    return t->owners.len ? bsearch(&key, t->owners.data, t->owners.len / sizeof key, sizeof key, by_id) : NULL;
}

static struct tally_group *group_at(struct tally *t, uint32_t scope_id)
{
    const struct owner *o = owner_at(t, scope_id);
    return o ? &t->groups[o->group] : NULL;
}

const char *tally_scope_name(const struct tally *t, uint32_t scope_id)
{
    const struct owner *o = owner_at(t, scope_id);
    return o ? t->groups[o->group].name : "";
}

/* ---- tasks ---- */

/* 0: it does neither hang nor is it too old. */
static int64_t task_overdue(const struct birth_info *b, int64_t now, bool *hangs)
{
    const struct task_kind *k = b->task_kind;
    *hangs = false;
    if (!k)
        return 0;
    int64_t silent = task_hangs(b, now);
    if (silent) {
        *hangs = true;
        return silent;
    }
    return k->max_age && now - b->born > k->max_age ? now - b->born : 0;
}

/* Of its kind, by name: the same name is hardly ever another string. NULL: there is no room. */
static struct tally_kind *kind_of(struct tally *t, const struct birth_info *b)
{
    const char *name = task_kind_name(b);
    for (unsigned i = 0; i < t->n_kinds; i++)
        if (t->kinds[i].name == name)
            return &t->kinds[i];
    for (unsigned i = 0; i < t->n_kinds; i++)
        if (strcmp(t->kinds[i].name, name) == 0)
            return &t->kinds[i];
    if (t->n_kinds == TALLY_KINDS)
        return NULL;
    struct tally_kind *k = &t->kinds[t->n_kinds++];
    k->name = name;
    k->count = k->old = 0;
    k->most = b->task_kind ? b->task_kind->most : 0;
    return k;
}

static void add_old(struct tally_kind *k, const struct birth_info *b)
{
    if (!k->old++ || b->born < k->oldest.born)
        k->oldest = *b;
}

/* One that hangs is a finding, and takes the place of one that is only old. NULL: there is no room. */
static struct suspect *room_for_suspect(struct tally *t, bool hangs)
{
    if (t->n_suspects < TALLY_SUSPECTS)
        return &t->suspects[t->n_suspects++];
    for (unsigned i = 0; hangs && i < TALLY_SUSPECTS; i++)
        if (!t->suspects[i].hangs)
            return &t->suspects[i];
    return NULL;
}

static void add_task(struct tally *t, const struct birth_info *b)
{
    struct tally_kind *k = kind_of(t, b);
    if (k)
        k->count++;
    bool hangs;
    int64_t overdue = task_overdue(b, t->now, &hangs);
    if (!overdue)
        return;
    t->hanging += hangs;
    t->old += !hangs;
    if (k && !hangs)
        add_old(k, b);
    struct suspect *s = room_for_suspect(t, hangs);
    if (s)
        *s = (struct suspect){.birth = *b, .hangs = hangs, .for_ns = overdue};
}

static bool add_thing(const struct birth_info *b, void *arg)
{
    struct walk *w = arg;
    struct tally *t = w->tally;
    t->alive[b->kind]++;
    if (task_is(b) && (!t->foreign || (!b->owner && b->task_kind /* it has it in a moment */)))
        add_task(t, b);
    /* A scope's own bytes, its object and its arena, are its own, not its parent's. */
    struct tally_group *g = group_at(t, b->kind == BIRTH_SCOPE ? b->id : b->owner);
    if (g) {
        g->things++;
        g->bytes += b->bytes;
    }
    w->error = count_number(t, b);
    return w->error == 0;
}

/* ---- walks ---- */

int tally_take_owned(struct tally *t)
{
    struct walk w = {.tally = t};
    numbers_clear(&t->fds);
    t->n_threads = 0;
    birth_walk(add_owned, &w);
    return w.error;
}

int tally_take(struct tally *t, int64_t now)
{
    struct walk w = {.tally = t};
    memset(t->alive, 0, sizeof t->alive);
    memset(t->groups, 0, sizeof t->groups);
    strcpy(t->groups[TALLY_GROUPS - 1].name, "others");
    t->n_kinds = t->n_suspects = t->n_groups = t->n_threads = 0;
    t->hanging = t->old = 0;
    t->now = now;
    numbers_clear(&t->fds);
    buf_clear(&t->owners);
    birth_walk(add_scope, &w);
    if (w.error)
        return w.error;
    qsort(t->owners.data, t->owners.len / sizeof(struct owner), sizeof(struct owner), by_id);
    birth_walk(add_thing, &w);
    return w.error;
}

bool tally_owns_thread(const struct tally *t, int tid)
{
    for (unsigned i = 0; i < t->n_threads; i++)
        if (t->threads[i] == tid)
            return true;
    return false;
}

uint64_t tally_tasks(const struct tally *t, const char *kind)
{
    for (unsigned i = 0; i < t->n_kinds; i++)
        if (strcmp(t->kinds[i].name, kind) == 0)
            return t->kinds[i].count;
    return 0;
}

int tally_begin(struct tally *t, struct scope *owner, bool foreign)
{
    *t = (struct tally){.foreign = foreign};
    int r = scope_begin(&t->scope, owner, "tally");
    if (r == 0)
        r = numbers_begin(&t->fds, &t->scope, "owned descriptors");
    if (r == 0)
        r = buf_begin(&t->owners, &t->scope, "scopes", OWNERS_MAX);
    if (r < 0)
        scope_end(&t->scope);
    return r;
}
