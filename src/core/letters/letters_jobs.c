/* What operators ask for, and the limits: letters that go. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "core/letters/letters_internal.h"

/* ---- jobs ---- */

/* The oldest that are done make room. */
static void forget_old(struct letters *l)
{
    for (struct job **at = &l->jobs, **oldest = NULL; l->n_jobs >= LETTER_JOBS; at = &l->jobs, oldest = NULL) {
        for (; *at; at = &(*at)->next)
            if ((*at)->is.done)
                oldest = at;
        if (!oldest)
            return;
        struct job *gone = *oldest;
        *oldest = gone->next;
        l->n_jobs--;
        mem_free(gone);
    }
}

int letters_ask(struct letters *l, enum letter_verb verb, const struct letter_filter *filter, uint64_t *id)
{
    int r = 0;
    pthread_mutex_lock(&l->lock);
    forget_old(l);
    struct job *j = l->loop && l->n_jobs < LETTER_JOBS ? mem_new(&l->jobs_scope, sizeof *j, "job") : NULL;
    if (j) {
        j->is = (struct letter_job){.id = ++l->last_job, .verb = verb, .asked = clock_real()};
        j->filter = *filter;
        j->until = INT64_MAX;
        for (unsigned i = 0; i < l->n_sinks; i++)
            j->over[l->sinks[i]->index] = verb != LETTER_REPLAY || (filter->sink[0] && strcmp(filter->sink, l->sinks[i]->name) != 0);
        *id = j->is.id;
        j->next = l->jobs;
        l->jobs = j;
        l->n_jobs++;
        nudge_set(&l->wake);
    } else {
        r = !l->loop ? -ESHUTDOWN : l->n_jobs >= LETTER_JOBS ? -EBUSY : -ENOMEM;
    }
    pthread_mutex_unlock(&l->lock);
    return r;
}

unsigned letters_jobs(struct letters *l, struct letter_job jobs[LETTER_JOBS])
{
    unsigned n = 0;
    pthread_mutex_lock(&l->lock);
    for (const struct job *j = l->jobs; j && n < LETTER_JOBS; j = j->next)
        jobs[n++] = j->is;
    pthread_mutex_unlock(&l->lock);
    return n;
}

static bool all_sinks(const struct letters *l, const struct job *j)
{
    for (unsigned i = 0; i < l->n_sinks; i++)
        if (!j->over[l->sinks[i]->index] || (at_sink(l, i)->round && at_sink(l, i)->round->job == j))
            return false;
    return true;
}

static void end_job(struct letters *l, struct job *j)
{
    pthread_mutex_lock(&l->lock);
    j->is.done = true;
    j->is.ended = clock_real();
    struct letter_job is = j->is;
    pthread_mutex_unlock(&l->lock);
    if (is.verb == LETTER_REPLAY)
        log_info("letters", "replay %llu is over: %llu sent, %llu delivered, %llu refused again", (unsigned long long)is.id,
                 (unsigned long long)is.sent, (unsigned long long)is.delivered, (unsigned long long)is.refused);
    else
        log_warn("letters", "purge %llu is over: %llu dead letters are gone", (unsigned long long)is.id,
                 (unsigned long long)is.purged);
}

void jobs_settle(struct letters *l)
{
    pthread_mutex_lock(&l->lock);
    struct job *first = l->jobs;
    pthread_mutex_unlock(&l->lock);
    /* Only this thread ends them, and only what has ended goes. */
    for (struct job *j = first, *next; j; j = next) {
        pthread_mutex_lock(&l->lock);
        next = j->next;
        pthread_mutex_unlock(&l->lock);
        if (!j->is.done && j->is.verb == LETTER_REPLAY && all_sinks(l, j))
            end_job(l, j);
    }
}

/* What comes later is not meant. */
static void fix_end(struct letters *l, struct job *j)
{
    int64_t last;
    if (j->until == INT64_MAX && store_last_letter(l->store, &last) == 0)
        j->until = last ? last : -1; /* 0 would mean all */
}

struct job *job_for(struct letters *l, enum letter_verb verb, unsigned sink)
{
    struct job *found = NULL;
    pthread_mutex_lock(&l->lock);
    for (struct job *j = l->jobs; j; j = j->next)
        if (!j->is.done && j->is.verb == verb && (verb == LETTER_PURGE || !j->over[sink]))
            found = j;
    pthread_mutex_unlock(&l->lock);
    if (found)
        fix_end(l, found);
    return found;
}

/* ---- letters that go ---- */

struct purging {
    struct letters *letters;
    struct job *job; /* NULL: the limits */
    uint64_t over;   /* bytes beyond max_size */
    int64_t before;  /* refused before this is too old */
    int64_t looked, oldest;
    unsigned rows;
    bool full;
};

static bool busy(const struct letters *l, int64_t id)
{
    for (unsigned i = 0; i < l->n_sinks; i++)
        if (round_has(at_sink(l, i), id))
            return true;
    return false;
}

/* Whether a letter goes for the limits; *end: and so do none after it. */
static bool beyond(struct purging *p, const struct store_letter *row, uint64_t size, bool *end)
{
    *end = p->over == 0 && row->refused_at >= p->before;
    if (*end) {
        p->oldest = row->refused_at;
        return false;
    }
    p->over -= p->over < size ? p->over : size;
    return true;
}

/* From dead to purged, in the account. false: no account knows of it; then it is done in the store. */
static bool discard(struct letters *l, const struct store_letter *row, struct letter_ref *ref)
{
    int kind = source_kind_of(row->source_key);
    if (ref->sink == OTHERS || kind < 0)
        return false;
    struct source *s = source_obtain((enum source_kind)kind, row->source_key, row->source_name);
    struct account *a = s ? source_account(s, l->at[ref->sink].sink) : NULL;
    if (!a) {
        source_unref(s);
        return false;
    }
    pthread_mutex_lock(&a->book->lock);
    bool known = a->counts.dead.records > 0 && a->counts.dead.bytes >= row->line_n;
    if (known)
        account_discarded(a, ORIGIN_DEAD, (struct amount){1, row->line_n}, DROP_PURGED);
    pthread_mutex_unlock(&a->book->lock);
    if (known)
        ref->source = s;
    else
        source_unref(s);
    return known;
}

static bool choose(const struct store_letter *row, void *arg)
{
    struct purging *p = arg;
    struct letters *l = p->letters;
    bool end = false;
    p->full = l->n_removals == PURGE_LETTERS;
    if (p->full)
        return false;
    p->rows++;
    bool away = busy(l, row->id);
    bool wanted = !away && (p->job ? letter_filter_takes(&p->job->filter, row)
                                   : beyond(p, row, row->size, &end));
    if (end)
        return false;
    p->looked = row->id;
    if (wanted) {
        struct letter_ref *ref = &l->removals[l->n_removals++];
        *ref = (struct letter_ref){.id = row->id, .bytes = row->line_n, .size = row->size,
                                   .code = letter_code_of(row->code), .sink = letters_sink(l, row->sink)};
        discard(l, row, ref);
    }
    return true;
}

static bool make_room(struct letters *l)
{
    if (!l->removals)
        l->removals = mem_new(&l->scope, PURGE_LETTERS * sizeof *l->removals, "letters to be removed");
    return l->removals != NULL;
}

static void purge_for_job(struct letters *l, struct job *j)
{
    struct purging p = {.letters = l, .job = j};
    struct store_letter_query q = letter_filter_query(&j->filter, j->is.asked);
    if (q.after < j->cursor[OTHERS])
        q.after = j->cursor[OTHERS];
    if (!q.until || q.until > j->until)
        q.until = j->until;
    q.limit = PAGE_ROWS;
    l->removals_of = j;
    if (store_each_letter(l->store, &q, choose, &p) < 0)
        return;
    if (p.looked > j->cursor[OTHERS])
        j->cursor[OTHERS] = p.looked;
    bool over = !p.full && p.rows < PAGE_ROWS;
    if (over && l->n_removals == 0)
        end_job(l, j);
    else if (l->n_removals == 0)
        nudge_set(&l->wake);
}

static void purge_for_limits(struct letters *l)
{
    const uint64_t max_size = l->config->dead_letters.max_size;
    const int64_t max_age = l->config->dead_letters.max_age;
    pthread_mutex_lock(&l->lock);
    uint64_t size = l->numbers.all.size;
    pthread_mutex_unlock(&l->lock);
    struct purging p = {.letters = l, .over = size > max_size ? size - max_size : 0,
                        .before = max_age ? clock_real() - max_age : INT64_MIN};
    if (!p.over && clock_mono() < l->purge_after)
        return;
    l->purge_after = clock_mono() + MINUTE;
    l->removals_of = NULL;
    const struct store_letter_query q = {.limit = PAGE_ROWS};
    if (store_each_letter(l->store, &q, choose, &p) < 0)
        return;
    if (l->n_removals == PURGE_LETTERS)
        l->purge_after = 0;
    pthread_mutex_lock(&l->lock);
    l->numbers.oldest = p.oldest;
    pthread_mutex_unlock(&l->lock);
}

void purge_step(struct letters *l)
{
    if (l->n_removals || !make_room(l))
        return;
    purge_for_limits(l);
    struct job *j = l->n_removals ? NULL : job_for(l, LETTER_PURGE, 0);
    if (j)
        purge_for_job(l, j);
    /* What no account stands for makes nobody dirty. */
    if (l->n_removals) {
        letters_want_commit(l);
    } else {
        mem_free(l->removals);
        l->removals = NULL;
    }
}

/* ---- their commit ---- */

struct stranger {
    struct store *store;
    int result;
};

static bool purge_stranger(const struct store_letter *row, void *arg)
{
    struct stranger *s = arg;
    s->result = store_purge_ledger(s->store, row->source_key, row->sink, 1, row->line_n);
    return false;
}

int purge_write(struct letters *l, struct store *store)
{
    int r = 0;
    for (unsigned i = 0; i < l->n_removals && r == 0; i++) {
        const struct letter_ref *ref = &l->removals[i];
        const struct store_letter_query q = {.after = ref->id - 1, .until = ref->id, .limit = 1};
        struct stranger s = {store, 0};
        if (!ref->source)
            r = store_each_letter(store, &q, purge_stranger, &s);
        if (r == 0)
            r = s.result;
        if (r == 0)
            r = store_delete_letter(store, ref->id);
    }
    return r;
}

void purge_stored(struct letters *l)
{
    struct job *j = l->removals_of;
    for (unsigned i = 0; i < l->n_removals; i++) {
        struct letter_ref *ref = &l->removals[i];
        letters_count(l, ref->sink, ref->code, -1, ref->bytes, ref->size);
        source_unref(ref->source);
    }
    pthread_mutex_lock(&l->lock);
    l->numbers.purged += l->n_removals;
    if (j)
        j->is.purged += l->n_removals;
    pthread_mutex_unlock(&l->lock);
    if (!j && l->n_removals)
        log_warn("letters", "%u dead letters were beyond max_size or max_age: the oldest are gone, and counted", l->n_removals);
    l->n_removals = 0;
}
