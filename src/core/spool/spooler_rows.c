/* A sink's part of the spool: its row in state.db, and what becomes of records that the sink was given. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "core/spool/spooler_internal.h"

enum { TEXT_MAX = 16 << 20 };

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

int spooler_add(struct spooler *sp, struct sink *s, struct store *store)
{
    struct spooled *p = scope_alloc(&sp->scope, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->spooler = sp;
    p->sink = s;
    p->reader.file.n = -1;
    p->origin = (struct origin){ORIGIN_SPOOL, on_secured, on_returned};
    p->rows = (struct book_rows){.put = put_row, .stored = row_stored};
    p->generation = store_generation(store);
    int r = lane_begin(&p->lane, &sp->scope);
    if (r == 0)
        r = buf_begin(&p->text, &sp->scope, "row of the spool", TEXT_MAX);
    if (r == 0)
        r = spool_reader_begin(&p->reader, &sp->spool, &sp->scope);
    if (r == 0)
        r = resume(p, store);
    if (r < 0)
        return r;
    atomic_store(&p->lagging, lane_unread(&p->lane) != LANE_NOTHING);
    p->next = sp->sinks;
    sp->sinks = p;
    s->spooled = p;
    s->book.spool = &p->origin;
    book_add_rows(&s->book, &p->rows);
    return 0;
}

static bool keep_row(const struct store_spool *row, void *arg)
{
    struct finding *f = arg;
    for (struct spooled *p = f->sp->sinks; p; p = p->next)
        if (strcmp(p->sink->name, row->sink) == 0)
            return true;
    struct spool_orphan *o = scope_alloc(&f->sp->scope, sizeof *o);
    f->result = o && (o->sink = scope_strdup(&f->sp->scope, row->sink)) ? lane_begin(&o->lane, &f->sp->scope) : -ENOMEM;
    if (f->result == 0)
        f->result = lane_parse(&o->lane, row->ranges) == -ENOMEM ? -ENOMEM : 0;
    if (f->result < 0)
        return false;
    o->next = f->sp->orphans;
    f->sp->orphans = o;
    return true;
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
