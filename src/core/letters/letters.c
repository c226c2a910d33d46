#include "core/letters/letters_internal.h"

#include <string.h>

#include "base/clock.h"

static const char *const code_names[LETTER_CODES] = {
    "invalid", "too_long", "too_old", "too_new", "blocked", "max_retries", "other",
};

static const int64_t TICK = 10 * SECOND;

const char *letter_code_name(enum letter_code code)
{
    return (unsigned)code < LETTER_CODES ? code_names[code] : code_names[LETTER_OTHER];
}

enum letter_code letter_code_of(const char *name)
{
    int code = 0;
    while (code < LETTER_OTHER && strcmp(code_names[code], name) != 0)
        code++;
    return (enum letter_code)code;
}

const char *letter_verb_name(enum letter_verb verb)
{
    return verb == LETTER_PURGE ? "purge" : "replay";
}

/* ---- counting ---- */

unsigned letters_sink(const struct letters *l, const char *name)
{
    for (unsigned i = 0; i < l->n_sinks; i++)
        if (strcmp(l->sinks[i]->name, name) == 0)
            return l->sinks[i]->index;
    return OTHERS;
}

static void add(struct letter_tally *t, int64_t letters, uint64_t bytes, uint64_t size)
{
    t->letters += (uint64_t)letters;
    t->bytes += letters < 0 ? 0 - bytes : bytes;
    t->size += letters < 0 ? 0 - size : size;
}

void letters_count(struct letters *l, unsigned sink, enum letter_code code, int64_t letters, uint64_t bytes, uint64_t size)
{
    pthread_mutex_lock(&l->lock);
    add(&l->numbers.there[sink][code], letters, bytes, size);
    add(&l->numbers.all, letters, bytes, size);
    pthread_mutex_unlock(&l->lock);
}

void letters_numbers(struct letters *l, struct letter_numbers *numbers)
{
    pthread_mutex_lock(&l->lock);
    *numbers = l->numbers;
    numbers->in_a_minute = letters_alert_in_a_minute(&l->alert, clock_mono());
    numbers->alert = l->alert.raised;
    pthread_mutex_unlock(&l->lock);
}

int64_t letters_next_try(const struct letters *l, uint64_t attempts, int64_t now)
{
    const struct reprocess_config *c = &l->config->dead_letters.reprocess;
    int64_t wait = c->backoff_min;
    if (!c->enabled || (c->max_attempts && attempts >= c->max_attempts))
        return 0;
    for (uint64_t i = 1; i < attempts && wait < c->backoff_max; i++)
        wait *= 2;
    return now + (wait < c->backoff_max ? wait : c->backoff_max);
}

/* ---- what a commit does ---- */

static struct letters_at *at_of(struct book_rows *rows)
{
    return container_of(rows, struct letters_at, rows);
}

static int put(struct book_rows *rows, struct store *store)
{
    struct letters_at *at = at_of(rows);
    struct refused **end = &at->writing;
    while (*end)
        end = &(*end)->next;
    *end = at->pending;
    at->pending = NULL;
    round_put(at);
    return 0;
}

/* What is for all sinks goes with the first. */
static int write_common(struct letters *l, struct store *store)
{
    int r = purge_write(l, store);
    const struct reprocess_config *c = &l->config->dead_letters.reprocess;
    if (r == 0 && !l->scheduled && c->enabled)
        r = store_schedule_letters(store, c->max_attempts ? c->max_attempts : INT64_MAX, clock_real() + c->backoff_min);
    return r;
}

static int write(struct book_rows *rows, struct store *store)
{
    struct letters_at *at = at_of(rows);
    int r = at->sink == at->letters->sinks[0] ? write_common(at->letters, store) : 0;
    for (struct refused *w = at->writing; w && r == 0; w = w->next)
        r = refused_write(w, store);
    return r == 0 ? round_write(at, store) : r;
}

static void count_written(struct letters_at *at, const struct refused *r)
{
    struct letters *l = at->letters;
    letters_count(l, at->sink->index, r->code, (int64_t)r->written.letters, r->written.bytes, r->written.size);
    pthread_mutex_lock(&l->lock);
    l->numbers.refused[at->sink->index][r->code] += r->n;
    letters_alert_came(&l->alert, clock_mono(), r->n);
    if (!l->numbers.oldest)
        l->numbers.oldest = r->when;
    pthread_mutex_unlock(&l->lock);
}

/*
 * It was read and refused twice, because somebody reset its position: the letter that was there is this one now, and what
 * it stood for in the ledger is given up.
 */
static void discard_again(struct letters_at *at, const struct refused *r)
{
    if (r->again.letters)
        account_discarded(source_account(r->batch->source, at->sink), ORIGIN_DEAD,
                          (struct amount){r->again.letters, r->again.bytes}, DROP_PURGED);
}

static void stored(struct book_rows *rows)
{
    struct letters_at *at = at_of(rows);
    struct letters *l = at->letters;
    for (struct refused *r = at->writing; r; r = r->next) {
        count_written(at, r);
        discard_again(at, r);
    }
    refused_free(at->writing);
    at->writing = NULL;
    round_stored(at);
    if (at->sink != l->sinks[l->n_sinks - 1])
        return;
    purge_stored(l);
    l->scheduled = true;
    if (l->generation != store_generation(l->store)) {
        l->generation = store_generation(l->store);
        letters_lost(l);
    }
    nudge_set(&l->wake);
}

/* ---- the guest of the keeper ---- */

static void judge(struct letters *l)
{
    pthread_mutex_lock(&l->lock);
    bool changed = letters_alert_judge(&l->alert, clock_mono(), l->numbers.all.letters);
    bool raised = l->alert.raised;
    unsigned long long there = l->numbers.all.letters;
    unsigned long long rate = letters_alert_in_a_minute(&l->alert, clock_mono());
    pthread_mutex_unlock(&l->lock);
    if (changed && raised)
        log_error("letters", "%llu dead letters, %llu of them in the last minute: see `logcap dlq list`", there, rate);
    else if (changed)
        log_info("letters", "%llu dead letters, %llu in the last minute: below the limits of dead_letters.alert again", there,
                 rate);
}

void letters_want_commit(struct letters *l)
{
    struct book *b = &l->sinks[0]->book;
    pthread_mutex_lock(&b->lock);
    if (b->keeper)
        nudge_set(b->keeper);
    pthread_mutex_unlock(&b->lock);
}

static void look(struct letters *l)
{
    bool soon = false;
    if (!l->n_sinks)
        return;
    judge(l);
    purge_step(l);
    if (l->config->dead_letters.reprocess.enabled && !l->scheduled)
        letters_want_commit(l);
    for (unsigned i = 0; i < l->n_sinks; i++)
        soon |= !at_sink(l, i)->round && round_start(at_sink(l, i));
    jobs_settle(l);
    if (soon)
        nudge_set(&l->wake);
    pthread_mutex_lock(&l->lock);
    bool needed = l->numbers.all.letters || l->alert.raised;
    pthread_mutex_unlock(&l->lock);
    if (needed && !timer_is_set(&l->tick))
        timer_set(&l->tick, TICK);
}

static void woken(struct nudge *n)
{
    look(container_of(n, struct letters, wake));
}

static void tick(struct timer *t)
{
    struct letters *l = container_of(t, struct letters, tick);
    for (unsigned i = 0; i < l->n_sinks; i++)
        at_sink(l, i)->idle = false;
    look(l);
}

static int guest_begin(struct keeper_guest *g, struct scope *owner, struct loop *loop, struct store *store)
{
    struct letters *l = container_of(g, struct letters, guest);
    l->loop = loop;
    l->store = store;
    l->memory.wake = &l->wake;
    int r = nudge_begin(&l->wake, owner, loop, "letters", woken);
    if (r == 0)
        r = timer_begin(&l->tick, owner, loop, "letters", tick);
    if (r == 0)
        nudge_set(&l->wake);
    return r;
}

static void guest_end(struct keeper_guest *g)
{
    struct letters *l = container_of(g, struct letters, guest);
    pool_wait_cancel(l->pool, &l->memory);
    for (unsigned i = 0; i < l->n_sinks; i++)
        sink_forget(l->sinks[i], &l->wake);
    pthread_mutex_lock(&l->lock);
    l->loop = NULL; /* nobody asks any more */
    pthread_mutex_unlock(&l->lock);
}

struct keeper_guest *letters_guest(struct letters *l)
{
    return &l->guest;
}

/* ---- life ---- */

static int begin_at(struct letters *l, struct sink *sink)
{
    struct letters_at *at = &l->at[sink->index];
    at->letters = l;
    at->sink = sink;
    at->rows.put = put;
    at->rows.write = write;
    at->rows.stored = stored;
    at->origin = round_origin;
    sink->letters = at;
    int r = scope_begin(&at->scope, &l->scope, sink->name);
    if (r < 0)
        return r;
    book_add_rows(&sink->book, &at->rows);
    return 0;
}

struct letters *letters_begin(struct scope *owner, const struct config *config, struct store *store, const struct past *past,
                              struct pool *pool, struct sink *const *sinks, unsigned n_sinks)
{
    struct letters *l = scope_new(owner, sizeof *l, "dead letters");
    if (!l)
        return NULL;
    pthread_mutex_init(&l->lock, NULL);
    l->guest = (struct keeper_guest){.begin = guest_begin, .end = guest_end};
    l->store = store;
    l->pool = pool;
    l->sinks = sinks;
    l->generation = store_generation(store);
    l->purge_after = clock_mono();
    int r = scope_begin(&l->jobs_scope, &l->scope, "jobs");
    for (; l->n_sinks < n_sinks && r == 0; l->n_sinks++)
        r = begin_at(l, sinks[l->n_sinks]);
    letters_change(l, config);
    if (r == 0)
        r = letters_load(l, past);
    if (r < 0) {
        letters_end(l);
        return NULL;
    }
    return l;
}

void letters_change(struct letters *l, const struct config *config)
{
    const struct dead_letters_config *c = &config->dead_letters;
    bool starts_itself = c->reprocess.enabled && !(l->config && l->config->dead_letters.reprocess.enabled);
    for (unsigned i = 0; i < l->n_sinks; i++)
        atomic_store(&at_sink(l, i)->keeps, c->enabled);
    pthread_mutex_lock(&l->lock);
    l->alert.rate = c->alert.rate;
    l->alert.total = c->alert.total;
    pthread_mutex_unlock(&l->lock);
    l->config = config;
    l->scheduled &= !starts_itself;
    l->purge_after = clock_mono();
    if (l->loop)
        nudge_set(&l->wake);
}

int letters_add(struct letters *l, struct sink *sink, unsigned n_sinks, const struct past *past)
{
    unsigned i = sink->index;
    int r = begin_at(l, sink);
    if (r < 0) {
        sink->letters = NULL;
        return r;
    }
    l->n_sinks = n_sinks;
    atomic_store(&l->at[i].keeps, l->config->dead_letters.enabled);
    pthread_mutex_lock(&l->lock);
    memset(l->numbers.refused[i], 0, sizeof l->numbers.refused[i]);
    l->numbers.delivered[i] = 0;
    for (struct job *j = l->jobs; j; j = j->next)
        j->over[i] = true; /* it was asked of those that there were */
    pthread_mutex_unlock(&l->lock);
    return letters_count_anew(l, past);
}

static void end_at(struct letters_at *at)
{
    refused_free(at->writing);
    refused_free(at->pending);
    round_free(at);
    at->writing = at->pending = NULL;
    at->sink->letters = NULL;
}

void letters_remove(struct letters *l, struct sink *sink, unsigned n_sinks)
{
    struct letters_at *at = &l->at[sink->index];
    sink_forget(sink, &l->wake);
    end_at(at);
    book_remove_rows(&sink->book, &at->rows);
    scope_end(&at->scope);
    pthread_mutex_lock(&l->lock);
    for (int c = 0; c < LETTER_CODES; c++) {
        struct letter_tally *t = &l->numbers.there[sink->index][c], *others = &l->numbers.there[OTHERS][c];
        add(others, (int64_t)t->letters, t->bytes, t->size);
        *t = (struct letter_tally){0};
    }
    pthread_mutex_unlock(&l->lock);
    at->sink = NULL;
    l->n_sinks = n_sinks;
    nudge_set(&l->wake); /* a job may wait for nothing more */
}

void letters_end(struct letters *l)
{
    if (!l)
        return;
    for (unsigned i = 0; i < l->n_sinks; i++)
        end_at(at_sink(l, i));
    purge_stored(l);
    scope_end(&l->jobs_scope);
    pthread_mutex_destroy(&l->lock);
    scope_end(&l->scope);
}
