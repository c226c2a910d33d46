/* A sink's part of the spool: its row in state.db, and what becomes of records that the sink was given. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/spool/spooler_internal.h"

enum { TEXT_MAX = 16 << 20, FREE_FOR_READING = 8 };

static int put_row(struct book_rows *rows, struct store *store)
{
    struct spooled *p = container_of(rows, struct spooled, rows);
    p->put = p->changed;
    if (p->generation == store_generation(store) && atomic_load(&p->stored) == p->changed)
        return 0;
    buf_clear(&p->text);
    int r = lane_print(&p->lane, &p->text);
    if (r == 0)
        r = store_put_spool(store, &(struct store_spool){p->sink->name, p->text.data});
    if (r == 0)
        p->generation = store_generation(store);
    return r;
}

static void row_stored(struct book_rows *rows)
{
    struct spooled *p = container_of(rows, struct spooled, rows);
    if (atomic_exchange(&p->stored, p->put) != p->put)
        nudge_set(&p->spooler->work);
}

/* ---- an origin ---- */

static void on_secured(struct origin *o, const struct secured *s, const struct outcome *outcome)
{
    struct spooled *p = container_of(o, struct spooled, origin);
    (void)outcome;
    if (lane_land(&p->lane, s->ticket, s->account, s->number))
        spooled_changed(p);
    nudge_set(&p->spooler->work);
}

static void on_returned(struct origin *o, const struct secured *s)
{
    struct spooled *p = container_of(o, struct spooled, origin);
    lane_put_back(&p->lane, s->ticket, s->account, s->number);
}

/* ---- at the start ---- */

struct finding {
    struct spooler *sp;
    const char *sink; /* whose row is sought; NULL: all that are not ours */
    struct lane *lane;
    uint64_t last;
    int result; /* 1: found */
};

static bool find_row(const struct store_spool *row, void *arg)
{
    struct finding *f = arg;
    if (strcmp(row->sink, f->sink) != 0)
        return true;
    f->result = lane_parse(f->lane, row->ranges);
    if (f->result == 0)
        f->result = 1;
    return false;
}

/* What counts for the sink: what its row says; where the rows were lost, all there is. */
static int resume(struct spooled *p, struct store *store)
{
    struct spool *spool = &p->spooler->spool;
    struct finding f = {.sink = p->sink->name, .lane = &p->lane};
    int r = store_each_spool(store, find_row, &f);
    if (f.result == -ENOMEM)
        return -ENOMEM;
    bool lost = r < 0 || f.result == -EUCLEAN || (f.result == 0 && store_generation(store) > 0);
    if (!lost || !spool_count(spool))
        return 0;
    log_warn("spool", "%s: what it was sent of the spool is not known any more; all of it is sent again", p->sink->name);
    r = lane_reserve(&p->lane);
    if (r == 0)
        lane_append(&p->lane, spool_place(spool_at(spool, 0)->number, 0), spool->barrier, 0);
    return r;
}

/* Sinks that are down must leave memory for the others, so that these go on. */
static void share_memory(struct spooler *sp)
{
    unsigned n = 1;
    for (struct spooled *p = sp->sinks; p; p = p->next)
        n++;
    uint64_t share = (sp->pool->limit - sp->pool->limit / FREE_FOR_READING - sp->memory) / n;
    for (struct spooled *p = sp->sinks; p; p = p->next)
        p->sink->share = share;
}

void orphans_end(struct spooler *sp)
{
    for (struct spool_orphan *o; (o = sp->orphans);) {
        sp->orphans = o->next;
        scope_end(&o->scope);
    }
}

/* Nothing, when it has none. */
static void take_back_orphan(struct spooler *sp, const char *sink)
{
    for (struct spool_orphan **at = &sp->orphans, *o; (o = *at); at = &o->next)
        if (strcmp(o->sink, sink) == 0) {
            *at = o->next;
            scope_end(&o->scope);
            return;
        }
}

static uint64_t behind_all(const struct spool *s)
{
    const struct spool_segment *last = spool_count(s) ? spool_at(s, spool_count(s) - 1) : NULL;
    return last ? spool_place(last->number, 0) + last->size : 0;
}

int spooler_add(struct spooler *sp, struct sink *s, struct store *store)
{
    struct spooled *p = scope_new(&sp->scope, sizeof *p, s->name);
    if (!p)
        return -ENOMEM;
    p->spooler = sp;
    p->sink = s;
    p->reader.file.n = -1;
    p->origin = (struct origin){ORIGIN_SPOOL, on_secured, on_returned};
    p->rows = (struct book_rows){.put = put_row, .stored = row_stored};
    p->generation = store_generation(store);
    int r = lane_begin(&p->lane, &p->scope);
    if (r == 0)
        r = buf_begin(&p->text, &p->scope, "row of the spool", TEXT_MAX);
    if (r == 0)
        r = spool_reader_begin(&p->reader, &sp->spool, &p->scope);
    if (r == 0)
        r = resume(p, store);
    if (r < 0) {
        scope_end(&p->scope);
        return r;
    }
    take_back_orphan(sp, s->name);
    lane_void(&p->lane, behind_all(&sp->spool)); /* what is not in its row now is not for it */
    atomic_store(&p->since, clock_mono());
    atomic_store(&p->lagging, lane_unread(&p->lane) != LANE_NOTHING);
    p->next = sp->sinks;
    sp->sinks = p;
    s->spooled = p;
    s->book.spool = &p->origin;
    book_add_rows(&s->book, &p->rows);
    share_memory(sp);
    return 0;
}

void spooled_end(struct spooled *p)
{
    struct spooled **at = &p->spooler->sinks;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->sink->spooled = NULL;
    p->sink->book.spool = NULL;
    spool_reader_end(&p->reader);
    scope_end(&p->scope);
}

/* 0 or -ENOMEM. */
static int add_orphan(struct spooler *sp, const char *sink, const char *ranges)
{
    struct spool_orphan *o = scope_new(&sp->scope, sizeof *o, sink);
    if (!o)
        return -ENOMEM;
    int r = (o->sink = scope_strdup(&o->scope, sink)) ? lane_begin(&o->lane, &o->scope) : -ENOMEM;
    if (r == 0)
        r = lane_parse(&o->lane, ranges);
    if (r == -ENOMEM) {
        scope_end(&o->scope);
        return r;
    }
    o->next = sp->orphans;
    sp->orphans = o;
    return 0;
}

/* Without memory for it its segments go: what the row names is then found to be lost, and counted. */
void spooler_remove(struct spooler *sp, struct sink *s)
{
    struct spooled *p = s->spooled;
    buf_clear(&p->text);
    bool kept = lane_print(&p->lane, &p->text) == 0 && add_orphan(sp, s->name, p->text.data) == 0;
    if (!kept)
        log_error("spool", "%s: no memory to remember what waits for it", s->name);
    book_remove_rows(&s->book, &p->rows);
    spooled_end(p);
    share_memory(sp);
}

void spooler_forget_other(struct spooler *sp, const char *sink)
{
    take_back_orphan(sp, sink);
    nudge_set(&sp->work);
}

static bool keep_row(const struct store_spool *row, void *arg)
{
    struct finding *f = arg;
    for (struct spooled *p = f->sp->sinks; p; p = p->next)
        if (strcmp(p->sink->name, row->sink) == 0)
            return true;
    f->result = add_orphan(f->sp, row->sink, row->ranges);
    return f->result == 0;
}

int spooler_keep_others(struct spooler *sp, struct store *store)
{
    struct finding f = {.sp = sp};
    (void)store_each_spool(store, keep_row, &f);
    return f.result;
}

static bool last_in_row(const struct store_spool *row, void *arg)
{
    struct finding *f = arg;
    struct lane lane = {0};
    if (lane_begin(&lane, &scope_root) == 0 && lane_parse(&lane, row->ranges) == 0 && lane.barrier > f->last)
        f->last = lane.barrier;
    lane_end(&lane);
    return true;
}

uint64_t spooler_last_place(struct store *store)
{
    struct finding f = {0};
    (void)store_each_spool(store, last_in_row, &f);
    return f.last;
}
