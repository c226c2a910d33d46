/* Letters on their way to their sink again, a round at a time. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json.h"
#include "config/limits.h"
#include "core/dispatcher.h"
#include "core/letters/letters_internal.h"

/* ---- what the sink says of a group: under the book's lock, on its thread ---- */

static struct letters_at *at_of(struct origin *o)
{
    return container_of(o, struct letters_at, origin);
}

static void group_secured(struct origin *o, const struct secured *s, const struct outcome *outcome)
{
    at_of(o)->round->groups[s->ticket].state = GROUP_BACK;
}

static void group_returned(struct origin *o, const struct secured *s)
{
    struct letters_at *at = at_of(o);
    at->round->groups[s->ticket].state = GROUP_OVER;
    if (at->letters->loop)
        nudge_set(&at->letters->wake);
}

const struct origin round_origin = {ORIGIN_DEAD, group_secured, group_returned};

/* ---- what a commit does with what is back ---- */

static struct letter_ref *ref_at(struct letter_round *r, unsigned group, uint32_t mark)
{
    for (unsigned i = 0; i < r->n; i++)
        if (r->refs[i].group == group && r->refs[i].mark == mark)
            return &r->refs[i];
    return NULL;
}

void round_put(struct letters_at *at)
{
    struct letter_round *r = at->round;
    for (unsigned g = 0; r && g < r->n_groups; g++)
        if (r->groups[g].state == GROUP_BACK)
            r->groups[g].state = GROUP_COMMITTING;
}

static int write_again(struct letters_at *at, struct letter_round *r, unsigned g, struct store *store)
{
    for (struct refused *again = r->groups[g].refused; again; again = again->next)
        for (uint32_t i = 0; i < again->n; i++) {
            bool found;
            struct letter_ref *ref = ref_at(r, g, again->entries[i].mark);
            assert(ref);
            ref->refused = true;
            ref->new_code = again->code;
            int e = store_retry_letter(store, ref->id, letter_code_name(again->code), again->says, again->when,
                                       letters_next_try(at->letters, ref->attempts + 1, again->when), &found);
            if (e < 0)
                return e;
            ref->gone = !found;
        }
    return 0;
}

int round_write(struct letters_at *at, struct store *store)
{
    struct letter_round *r = at->round;
    int e = 0;
    for (unsigned g = 0; r && g < r->n_groups && e == 0; g++)
        if (r->groups[g].state == GROUP_COMMITTING)
            e = write_again(at, r, g, store);
    for (unsigned i = 0; r && i < r->n && e == 0; i++)
        if (r->groups[r->refs[i].group].state == GROUP_COMMITTING && !r->refs[i].refused)
            e = store_delete_letter(store, r->refs[i].id);
    return e;
}

static void count_ref(struct letters_at *at, const struct letter_ref *ref, struct job *job)
{
    struct letters *l = at->letters;
    unsigned sink = at->sink->index;
    if (!ref->gone)
        letters_count(l, sink, ref->code, -1, ref->bytes, ref->size);
    if (ref->refused && !ref->gone)
        letters_count(l, sink, ref->new_code, 1, ref->bytes, ref->size);
    pthread_mutex_lock(&l->lock);
    if (ref->refused) {
        l->numbers.refused[sink][ref->new_code]++;
        if (job)
            job->is.refused++;
    } else {
        l->numbers.delivered[sink]++;
        if (job)
            job->is.delivered++;
    }
    pthread_mutex_unlock(&l->lock);
}

static void group_stored(struct letters_at *at, struct letter_round *r, unsigned g)
{
    struct letter_group *group = &r->groups[g];
    for (unsigned i = 0; i < r->n; i++)
        if (r->refs[i].group == g)
            count_ref(at, &r->refs[i], r->job);
    refused_free(group->refused);
    group->refused = NULL;
    group->state = GROUP_OVER;
}

static bool all_over(struct letters_at *at)
{
    struct letter_round *r = at->round;
    bool over = true;
    pthread_mutex_lock(&at->sink->book.lock);
    for (unsigned g = 0; g < r->n_groups; g++)
        over &= r->groups[g].state == GROUP_OVER;
    pthread_mutex_unlock(&at->sink->book.lock);
    return over;
}

void round_free(struct letters_at *at)
{
    struct letter_round *r = at->round;
    if (!r)
        return;
    for (unsigned g = 0; g < r->n_groups; g++) {
        refused_free(r->groups[g].refused);
        if (r->groups[g].batch)
            batch_drop(r->groups[g].batch);
        source_unref(r->groups[g].source);
    }
    mem_free(r);
    at->round = NULL;
}

void round_stored(struct letters_at *at)
{
    struct letter_round *r = at->round;
    for (unsigned g = 0; r && g < r->n_groups; g++)
        if (r->groups[g].state == GROUP_COMMITTING)
            group_stored(at, r, g);
    if (r && all_over(at))
        round_free(at);
}

bool round_has(const struct letters_at *at, int64_t id)
{
    for (unsigned i = 0; at->round && i < at->round->n; i++)
        if (at->round->refs[i].id == id)
            return true;
    return false;
}

/* ---- which letters ---- */

struct choosing {
    struct letters_at *at;
    struct letter_round *round;
    uint64_t bytes;
    int64_t looked; /* the last id that was looked at */
    unsigned rows;
    bool full;
};

/* The group of this source; -1: there are enough. */
static int group_of(struct choosing *c, const struct store_letter *row)
{
    struct letter_round *r = c->round;
    for (unsigned g = 0; g < r->n_groups; g++)
        if (strcmp(r->groups[g].source->key, row->source_key) == 0)
            return (int)g;
    int kind = source_kind_of(row->source_key);
    if (r->n_groups == ROUND_GROUPS || kind < 0)
        return -1;
    struct source *s = source_obtain((enum source_kind)kind, row->source_key, row->source_name);
    struct account *a = s ? source_account(s, c->at->sink) : NULL;
    if (!a) {
        source_unref(s);
        return -1;
    }
    r->groups[r->n_groups] = (struct letter_group){.source = s, .account = a};
    return (int)r->n_groups++;
}

static bool choose(const struct store_letter *row, void *arg)
{
    struct choosing *c = arg;
    struct letter_round *r = c->round;
    c->rows++;
    if (r->job && !letter_filter_takes(&r->job->filter, row)) {
        c->looked = row->id;
        return true;
    }
    int g = -1;
    c->full = r->n == ROUND_LETTERS || (r->n && c->bytes + row->line_n > ROUND_BYTES);
    if (!c->full)
        c->full = (g = group_of(c, row)) < 0 && r->n > 0;
    if (c->full)
        return false;
    c->looked = row->id;
    if (g < 0)
        return true; /* of a source that is of no kind we know */
    r->refs[r->n++] = (struct letter_ref){
        .id = row->id,
        .bytes = row->line_n,
        .size = row->size,
        .attempts = row->attempts,
        .code = letter_code_of(row->code),
        .group = (uint16_t)g,
    };
    r->groups[g].bytes += row->line_n;
    r->groups[g].n++;
    c->bytes += row->line_n;
    return true;
}

/* ---- their batches ---- */

/* What the accounts say is dead must be there before it can be something else. */
static bool account_has(const struct letter_group *g)
{
    struct account *a = g->account;
    pthread_mutex_lock(&a->book->lock);
    bool has = a->counts.dead.records >= g->n && a->counts.dead.bytes >= g->bytes;
    pthread_mutex_unlock(&a->book->lock);
    return has;
}

static int make_batches(struct letters_at *at, struct letter_round *r)
{
    for (unsigned i = 0; i < r->n_groups; i++) {
        struct letter_group *g = &r->groups[i];
        if (!g->n)
            continue;
        if (!account_has(g))
            return -ENODATA;
        g->batch = batch_new(at->letters->pool, g->source, (uint32_t)g->bytes + 1, g->n);
        if (!g->batch)
            return -errno;
        g->batch->origin = &at->origin;
        g->batch->ticket = i;
    }
    return 0;
}

struct filling {
    struct letter_round *round;
    struct letter_ref *ref;
    int result;
};

static struct stream *stream_of(struct scope *scope, const char *labels, int *error)
{
    struct label list[STREAM_LABELS];
    struct stream *stream = NULL;
    struct json j;
    size_t n = 0, size = strlen(labels), used = 0;
    char *text = mem_new(scope, size + 2 * STREAM_LABELS + 1, "labels of a letter");
    *error = text ? -EUCLEAN : -ENOMEM;
    json_begin(&j, labels, size);
    bool good = text && json_next(&j) == JSON_OBJECT_BEGIN;
    while (good && json_next(&j) == JSON_KEY && n < STREAM_LABELS) {
        list[n].name = text + used;
        used += json_unescape(&j, text + used);
        text[used++] = 0;
        good = json_next(&j) == JSON_STRING;
        if (!good)
            break;
        list[n].value = text + used;
        used += json_unescape(&j, text + used);
        text[used++] = 0;
        n++;
    }
    if (good && j.type == JSON_OBJECT_END) {
        stream = stream_get(list, n);
        *error = -ENOMEM;
    }
    mem_free(text);
    return stream;
}

static bool fill(const struct store_letter *row, void *arg)
{
    struct filling *f = arg;
    struct letter_ref *ref = f->ref;
    struct batch *b = f->round->groups[ref->group].batch;
    struct stream *stream = stream_of(&b->pool->scope, row->labels, &f->result);
    if (!stream)
        return false;
    f->result = row->line_n == ref->bytes ? batch_stream(b, stream) : -EUCLEAN;
    stream_unref(stream);
    if (f->result < 0)
        return false;
    struct mark m = {.off = b->used, .len = (uint32_t)row->line_n, .end = b->used + (uint32_t)row->line_n,
                     .stream = (uint16_t)f->result, .time = row->time};
    memcpy(b->data + b->used, row->line, row->line_n);
    b->used += (uint32_t)row->line_n;
    ref->mark = b->n;
    batch_mark(b, m);
    f->result = 0;
    return false;
}

/* What does not fit, because a batch has no more streams, is left for the next round. */
static int fill_batches(struct letters *l, struct letter_round *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        struct filling f = {r, &r->refs[i], -EUCLEAN};
        bool found;
        int e = store_find_letter(l->store, r->refs[i].id, fill, &f, &found);
        if (e == 0)
            e = f.result;
        if (e == -ENOSPC && i > 0) {
            r->n = i;
            return 0;
        }
        if (e < 0)
            return e;
    }
    return 0;
}

static void send_round(struct letters_at *at)
{
    struct letter_round *r = at->round;
    unsigned n = r->n_groups;
    for (unsigned g = 0; g < n; g++)
        if (!r->groups[g].batch || !r->groups[g].batch->n)
            r->groups[g].state = GROUP_OVER;
    for (unsigned g = 0; g < n; g++) {
        struct batch *b = r->groups[g].batch;
        struct source *s = r->groups[g].source;
        r->groups[g].batch = NULL;
        r->groups[g].source = NULL;
        if (b && b->n)
            dispatch_again(at->sink, b, 0, UINT64_MAX);
        else if (b)
            batch_drop(b);
        source_unref(s);
    }
}

static int make(struct letters_at *at)
{
    int e = make_batches(at, at->round);
    return e < 0 ? e : fill_batches(at->letters, at->round);
}

/* ---- the next round ---- */

static int choose_for(struct letters_at *at, struct choosing *c)
{
    struct letters *l = at->letters;
    struct job *j = c->round->job;
    if (!j)
        return store_each_due_letter(l->store, at->sink->name, clock_real(), ROUND_LETTERS, choose, c);
    struct store_letter_query q = letter_filter_query(&j->filter, j->is.asked);
    unsigned i = at->sink->index;
    if (q.after < j->cursor[i])
        q.after = j->cursor[i];
    if (!q.until || q.until > j->until)
        q.until = j->until;
    q.sink = at->sink->name;
    q.limit = PAGE_ROWS;
    return store_each_letter(l->store, &q, choose, c);
}

/* Where the job goes on: behind what was looked at, but for what did not fit. */
static void move_on(struct letters_at *at, struct job *j, const struct choosing *c, unsigned chosen)
{
    unsigned i = at->sink->index;
    const struct letter_round *r = c->round;
    bool cut = r->n < chosen;
    if (cut)
        j->cursor[i] = r->n ? r->refs[r->n - 1].id : j->cursor[i];
    else if (c->looked > j->cursor[i])
        j->cursor[i] = c->looked;
    j->over[i] = !cut && !c->full && c->rows < PAGE_ROWS;
    pthread_mutex_lock(&at->letters->lock);
    j->is.sent += r->n;
    pthread_mutex_unlock(&at->letters->lock);
}

static void say_failed(struct letters_at *at, int e)
{
    if (e == -ENODATA || e == -EUCLEAN)
        log_error("letters", "%s: dead letters cannot be read back: %s", at->sink->name,
                  e == -ENODATA ? "the ledger does not know of them" : "state.db is damaged");
}

/* 0; or why not: then nothing is sent, and it is to be tried again, or not at all. */
static int begin_round(struct letters_at *at, struct choosing *c)
{
    int e = choose_for(at, c);
    unsigned chosen = c->round->n;
    at->round = c->round;
    if (e == 0 && chosen)
        e = make(at);
    if (e < 0) {
        round_free(at);
        return e;
    }
    struct job *j = c->round->job;
    bool anything = chosen > 0;
    if (j)
        move_on(at, j, c, chosen);
    if (anything)
        send_round(at);
    else
        round_free(at);
    return 0;
}

bool round_start(struct letters_at *at)
{
    struct letters *l = at->letters;
    struct job *j = job_for(l, LETTER_REPLAY, at->sink->index);
    bool by_itself = l->config->dead_letters.reprocess.enabled && l->scheduled && !at->idle &&
                     !atomic_load(&at->sink->stats.failing);
    if (!j && !by_itself)
        return false;
    if (!sink_has_room(at->sink, &l->wake))
        return false;
    struct letter_round *r = mem_new(&l->scope, sizeof *r, "round of letters");
    if (!r)
        return false;
    r->job = j;
    struct choosing c = {.at = at, .round = r};
    int e = begin_round(at, &c);
    /* Where the pool is half empty and yet too small nobody would be woken by what others give back. */
    if (e == -EDQUOT && atomic_load(&l->pool->used) > l->pool->limit / 2)
        pool_wait(l->pool, &l->memory);
    say_failed(at, e);
    if (j && (e == -ENODATA || e == -EUCLEAN))
        j->over[at->sink->index] = true;
    if (e == 0 && !j && !at->round)
        at->idle = true;
    return e == 0 && j && !at->round && !j->over[at->sink->index];
}
