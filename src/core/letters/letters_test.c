/*
 * Dead letters with a real store, keeper and sink thread: what is refused is a letter, once, in the moment of the ledger;
 * what becomes of it then; and all of that while any call fails.
 */
#include "core/letters/letters.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/dispatcher.h"
#include "core/ledger_rows.h"
#include "directory.h"

/* Refuses entries that begin with 'b' while it is strict, and secures the rest. */
static _Atomic bool strict, silent; /* silent: it keeps its leases until it stops */
static struct lease *kept[64];
static unsigned n_kept;
static _Atomic unsigned taken;

static int strict_start(struct sink *s)
{
    return 0;
}

static void decide(struct lease *l)
{
    struct outcome outcome = {0};
    for (uint32_t i = l->first, next; lease_next(l, &i, &next); i = next) {
        const struct mark *m = &l->batch->marks[i];
        bool bad = strict && m->len && l->batch->data[m->off] == 'b';
        if (bad && lease_refuse(l, i, next, LETTER_TOO_OLD, "far behind", &outcome) < 0) {
            lease_returned(l);
            return;
        }
    }
    lease_secured(l, &outcome);
}

static void strict_take(struct sink *s, struct lease *l)
{
    taken++;
    if (silent && n_kept < 64)
        kept[n_kept++] = l;
    else
        decide(l);
}

static void strict_stop(struct sink *s, int64_t deadline)
{
    while (n_kept)
        lease_returned(kept[--n_kept]);
    sink_drained(s);
}

static const struct sink_type strict_type = {
    .name = "strict", .start = strict_start, .take = strict_take, .stop = strict_stop};

struct world {
    struct scope scope;
    struct pool pool;
    struct sink_config sink_config;
    struct config config;
    struct sink sink, *list[1];
    struct dispatcher dispatcher;
    struct source *source;
    struct stream *stream;
    struct store *store;
    struct past *past;
    struct letters *letters;
    struct keeper keeper;
    bool pool_there, sink_there, sources_there, streams_there;
    uint64_t at; /* in the source */
};

static struct world w;

static bool parts(void)
{
    int r = scope_begin(&w.scope, &scope_root, "world");
    if (r == 0)
        w.streams_there = (r = streams_begin(&w.scope)) == 0;
    if (r == 0)
        w.pool_there = (r = pool_begin(&w.pool, &w.scope, 4 << 20)) == 0;
    if (r == 0)
        w.sink_there = (r = sink_begin(&w.sink, &w.scope, 0, &w.sink_config, &w.config, &strict_type, &w.pool)) == 0;
    if (r == 0)
        w.sources_there = (r = sources_begin(&w.scope, w.list, 1)) == 0;
    if (r == 0) {
        fault_spare(true);
        w.store = store_open(&w.scope, dir, &r);
        fault_spare(false);
        assert_non_null(w.store);
    }
    if (r == 0 && !(w.past = past_load(&w.scope, w.store, w.list, 1)))
        return false;
    if (r == 0)
        r = past_obtain_waiting(w.past);
    if (r == 0 && !(w.letters = letters_begin(&w.scope, &w.config, w.store, w.past, &w.pool, w.list, 1)))
        return false;
    if (r == 0)
        r = keeper_begin(&w.keeper, &w.scope, w.store, w.list, 1, 2 * MILLISECOND, letters_guest(w.letters));
    if (r == 0)
        r = sink_start(&w.sink);
    return r == 0;
}

/* false: torture. */
static bool up(void)
{
    w = (struct world){.sink_config = {.name = "loki", .queue_size = 1 << 20},
                       .config = {.dead_letters = {.enabled = true, .max_size = 1 << 20}}};
    w.list[0] = &w.sink;
    w.dispatcher = (struct dispatcher){w.list, 1, &w.pool};
    n_kept = 0;
    taken = 0;
    if (!parts() || !(w.source = source_obtain(SOURCE_FILE, "file:1", "/var/log/a")))
        return false;
    struct past_source *p = past_find(w.past, "file:1");
    if (p)
        past_claim(w.past, p, w.source);
    w.at = source_lowest(w.source).offset;
    w.stream = stream_get((struct label[]){{"job", "a\"\xff"}, {"unit", "ssh"}}, 2);
    return w.stream;
}

static void down(void)
{
    if (w.sink_there) {
        sink_stop(&w.sink, clock_mono());
        sink_join(&w.sink);
    }
    stream_unref(w.stream);
    source_unref(w.source);
    keeper_end(&w.keeper);
    letters_end(w.letters);
    if (w.sink_there)
        sink_end(&w.sink);
    if (w.sources_there)
        sources_end();
    if (w.pool_there) {
        assert_int_equal(atomic_load(&w.pool.used), 0);
        pool_end(&w.pool);
    }
    if (w.streams_there)
        streams_end();
    store_close(w.store);
    scope_end(&w.scope);
}

static void begin(void)
{
    strict = true;
    silent = false;
    assert_true(up());
}

/* What letters_change() asks of its caller, around whatever it is that changes in w.config. */
static void hold(void)
{
    assert_int_equal(loop_pause(&w.keeper.loop, 60 * SECOND), 0);
}

static void changed(void)
{
    letters_change(w.letters, &w.config);
    loop_resume(&w.keeper.loop);
}

/* Lines, each with its end; '+' at a line's end: it goes on in the next. Times follow the place. */
static bool feed(const char *text)
{
    struct batch *b = batch_new(&w.pool, w.source, (uint32_t)strlen(text) + 1, 64);
    if (!b)
        return false;
    int stream = batch_stream(b, w.stream);
    b->from = w.at;
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        bool more = n && line[n - 1] == '+';
        memcpy(b->data + b->used, line, n + 1);
        batch_mark(b, (struct mark){.off = b->used, .len = (uint32_t)(n - more), .end = b->used + (uint32_t)n + 1,
                                    .stream = (uint16_t)stream, .more = more, .time = (int64_t)(w.at + b->used + 1)});
        b->used += (uint32_t)n + 1;
        line += n + 1;
    }
    w.at = b->to = b->from + b->used;
    dispatch(&w.dispatcher, b);
    return true;
}

static struct counts counts(void)
{
    struct counts c;
    struct position p;
    char cursor[POSITION_CURSOR], why[200];
    account_read(&w.source->first[0], &p, cursor, &c);
    if (!counts_check(&c, why, sizeof why))
        fail_msg("%s", why);
    return c;
}

static uint64_t there(void)
{
    struct letter_numbers n;
    letters_numbers(w.letters, &n);
    return n.all.letters;
}

#define WAIT(condition)                                                          \
    do {                                                                         \
        for (int i_ = 0; i_ < 10000 && !(condition); i_++)                       \
            usleep(1000);                                                        \
        assert_true(condition);                                                  \
    } while (0)

struct seen {
    unsigned n;
    struct {
        int64_t id, time;
        uint64_t place, attempts;
        char line[32], code[16], says[32], labels[80];
        size_t line_n;
    } letters[16];
    uint64_t dead, dead_bytes;
    uint64_t position;
    bool adds_up;
};

static bool see(const struct store_letter *l, void *arg)
{
    struct seen *s = arg;
    if (s->n == 16)
        return false;
    s->letters[s->n].id = l->id;
    s->letters[s->n].time = l->time;
    s->letters[s->n].place = l->place;
    s->letters[s->n].attempts = l->attempts;
    s->letters[s->n].line_n = l->line_n;
    snprintf(s->letters[s->n].line, 32, "%.*s", (int)l->line_n, (const char *)l->line);
    snprintf(s->letters[s->n].code, 16, "%s", l->code);
    snprintf(s->letters[s->n].says, 32, "%s", l->says);
    snprintf(s->letters[s->n].labels, 80, "%s", l->labels);
    s->n++;
    return true;
}

static bool see_ledger(const struct store_ledger *row, void *arg)
{
    struct seen *s = arg;
    struct counts c;
    char why[200];
    counts_from_row(&c, row->counters);
    s->dead += c.dead.records;
    s->dead_bytes += c.dead.bytes;
    s->adds_up &= counts_check(&c, why, sizeof why);
    return true;
}

static bool see_position(const struct store_position *row, void *arg)
{
    ((struct seen *)arg)->position = row->offset;
    return true;
}

/* What the store has: after down(). */
static struct seen look(void)
{
    int error;
    struct seen s = {.adds_up = true};
    struct store *store = store_open(&scope_root, dir, &error);
    assert_non_null(store);
    const struct store_letter_query q = {.limit = 100, .whole = true};
    assert_int_equal(store_each_letter(store, &q, see, &s), 0);
    assert_int_equal(store_each_ledger(store, see_ledger, &s), 0);
    assert_int_equal(store_each_position(store, "file:1", see_position, &s), 0);
    store_close(store);
    return s;
}

/* ---- tests ---- */

static void what_is_refused_is_a_letter(void **state)
{
    begin();
    feed("good\nbad one\nbad +\nb two\n");
    WAIT(there() == 2);
    struct counts c = counts();
    assert_int_equal(c.dead.records, 2);
    assert_int_equal(c.dead.bytes, 7 + 4 + 5);
    assert_int_equal(c.delivered.records, 1);
    assert_int_equal(atomic_load(&w.sink.held), 0);
    down();
    struct seen s = look();
    assert_int_equal(s.n, 2);
    assert_int_equal(s.dead, 2);
    assert_int_equal(s.position, 25);
    assert_string_equal(s.letters[0].line, "bad one");
    assert_int_equal(s.letters[0].place, 13);
    assert_int_equal(s.letters[0].time, 6);
    assert_string_equal(s.letters[0].code, "too_old");
    assert_string_equal(s.letters[0].says, "far behind");
    assert_string_equal(s.letters[0].labels, "{\"job\":\"a\\\"\xef\xbf\xbd\",\"unit\":\"ssh\"}");
    assert_string_equal(s.letters[1].line, "bad b two"); /* one entry, joined */
    assert_int_equal(s.letters[1].place, 25);
}

static void without_them_it_is_dropped(void **state)
{
    begin();
    hold();
    w.config.dead_letters.enabled = false;
    changed();
    feed("bad\n");
    WAIT(counts().dropped[DROP_INVALID].records == 1);
    assert_int_equal(counts().dead.records, 0);
    down();
    assert_int_equal(look().n, 0);
}

static void replayed_they_go_or_stay(void **state)
{
    const struct letter_filter all = {{0}};
    uint64_t job;
    begin();
    feed("bad 1\nbad 2\nfine\n");
    WAIT(there() == 2);
    assert_int_equal(letters_ask(w.letters, LETTER_REPLAY, &all, &job), 0);
    struct letter_job jobs[LETTER_JOBS];
    WAIT(letters_jobs(w.letters, jobs) == 1 && jobs[0].done);
    assert_int_equal(jobs[0].refused, 2);
    assert_int_equal(there(), 2);
    assert_int_equal(counts().dead.records, 2);
    strict = false;
    assert_int_equal(letters_ask(w.letters, LETTER_REPLAY, &all, &job), 0);
    WAIT(there() == 0);
    WAIT(letters_jobs(w.letters, jobs) == 2 && jobs[0].done);
    assert_int_equal(jobs[0].delivered, 2);
    assert_int_equal(counts().delivered.records, 3);
    assert_int_equal(counts().dead.records, 0);
    /* Nothing is there any more: a job that has nothing to do is done. */
    assert_int_equal(letters_ask(w.letters, LETTER_REPLAY, &all, &job), 0);
    WAIT(letters_jobs(w.letters, jobs) == 3 && jobs[0].done);
    down();
    struct seen s = look();
    assert_int_equal(s.n, 0);
    assert_int_equal(s.dead, 0);
    assert_true(s.adds_up);
}

static void a_restart_keeps_them_and_they_can_be_sent_then(void **state)
{
    const struct letter_filter all = {{0}};
    uint64_t job;
    begin();
    feed("bad 1\nbad 2\n");
    WAIT(there() == 2);
    down();
    begin();
    assert_int_equal(there(), 2);
    assert_int_equal(counts().dead.records, 2);
    assert_int_equal(letters_ask(w.letters, LETTER_REPLAY, &all, &job), 0);
    WAIT(taken == 1);
    down();
    struct seen s = look();
    assert_int_equal(s.n, 2);
    assert_int_equal(s.letters[1].attempts, 2);
    begin();
    strict = false;
    assert_int_equal(letters_ask(w.letters, LETTER_REPLAY, &all, &job), 0);
    WAIT(there() == 0);
    assert_int_equal(counts().delivered.records, 2);
    down();
    assert_int_equal(look().dead, 0);
}

static void a_stop_in_the_middle_of_a_replay_loses_nothing(void **state)
{
    const struct letter_filter all = {{0}};
    uint64_t job;
    begin();
    feed("bad 1\nbad 2\n");
    WAIT(there() == 2);
    silent = true;
    assert_int_equal(letters_ask(w.letters, LETTER_REPLAY, &all, &job), 0);
    WAIT(taken == 2); /* one live, one again, which is kept */
    down();
    struct seen s = look();
    assert_int_equal(s.n, 2);
    assert_int_equal(s.dead, 2);
    assert_int_equal(s.letters[0].attempts, 1);
}

static void purged_they_are_accounted_for(void **state)
{
    struct letter_filter one = {.ids = {1}, .n_ids = 1};
    uint64_t job;
    begin();
    feed("bad 1\nbad 2\n");
    WAIT(there() == 2);
    assert_int_equal(letters_ask(w.letters, LETTER_PURGE, &one, &job), 0);
    WAIT(there() == 1);
    assert_int_equal(counts().dropped[DROP_PURGED].records, 1);
    hold();
    w.config.dead_letters.max_age = 1; /* too old at once */
    changed();
    WAIT(there() == 0);
    assert_int_equal(counts().dropped[DROP_PURGED].records, 2);
    down();
    struct seen s = look();
    assert_int_equal(s.n, 0);
    assert_true(s.adds_up);
}

static void what_is_read_twice_is_one_letter(void **state)
{
    begin();
    feed("bad 1\n");
    WAIT(there() == 1);
    w.at = 0; /* somebody reset the position */
    account_place(&w.source->first[0], &(struct position){0});
    feed("bad 1\n");
    WAIT(counts().dropped[DROP_PURGED].records == 1);
    assert_int_equal(counts().dead.records, 1);
    assert_int_equal(there(), 1);
    down();
    struct seen s = look();
    assert_int_equal(s.n, 1);
    assert_int_equal(s.letters[0].attempts, 2);
    assert_int_equal(s.dead, 1);
}

static void accounts_follow_what_is_found(void **state)
{
    int error;
    bool again;
    struct store *s = store_open(&scope_root, dir, &error);
    struct store_letter l = {.sink = "loki", .source_key = "file:9", .source_name = "/gone", .place = 4, .code = "invalid",
                             .says = "", .refused_at = 1, .tried_at = 1, .attempts = 1, .time = 1, .labels = "{}",
                             .line = "line", .line_n = 4};
    assert_int_equal(store_begin(s), 0);
    /* Of one the ledger knows nothing, of the other too much. */
    assert_int_equal(store_put_letter(s, &l, &again), 0);
    store_put_source(s, &(struct store_source){"file:1", "/var/log/a", NULL, 1});
    store_put_ledger(s, &(struct store_ledger){"file:1", "loki", {[STORE_TAKEN_RECORDS] = 3, [STORE_TAKEN_BYTES] = 9,
                                                                  [STORE_DEAD_RECORDS] = 3, [STORE_DEAD_BYTES] = 9}});
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    begin();
    assert_int_equal(counts().dead.records, 0);
    assert_int_equal(counts().dropped[DROP_PURGED].records, 3);
    struct source *gone = source_obtain(SOURCE_FILE, "file:9", "/gone");
    assert_int_equal(gone->first[0].counts.dead.bytes, 4);
    assert_int_equal(gone->first[0].counts.taken.records, 1);
    source_unref(gone);
    down();
    struct seen seen = look();
    assert_true(seen.adds_up);
    assert_int_equal(seen.dead, 1);
}

static void with_the_database_they_are_gone_and_counted(void **state)
{
    char command[128];
    begin();
    feed("bad 1\nbad 2\n");
    WAIT(there() == 2);
    snprintf(command, sizeof command, "rm %s/state.db*", dir);
    assert_int_equal(system(command), 0);
    feed("bad 3\n");
    WAIT(counts().dropped[DROP_PURGED].records == 2);
    WAIT(there() == 1);
    assert_int_equal(counts().dead.records, 1);
    down();
    struct seen s = look();
    assert_int_equal(s.n, 1);
    assert_string_equal(s.letters[0].line, "bad 3");
}

static void many_go_in_rounds_and_none_twice(void **state)
{
    enum { BATCHES = 40, LINES = 60 };
    const struct letter_filter all = {{0}};
    uint64_t job;
    char text[LINES * 12 + 1];
    begin();
    for (int i = 0; i < BATCHES; i++) {
        size_t n = 0;
        for (int k = 0; k < LINES; k++)
            n += (size_t)sprintf(text + n, "b %08d\n", i * LINES + k);
        while (!feed(text))
            usleep(1000);
    }
    WAIT(there() == BATCHES * LINES);
    strict = false;
    assert_int_equal(letters_ask(w.letters, LETTER_REPLAY, &all, &job), 0);
    WAIT(there() == 0);
    struct letter_job jobs[LETTER_JOBS];
    WAIT(letters_jobs(w.letters, jobs) == 1 && jobs[0].done);
    assert_int_equal(jobs[0].sent, BATCHES * LINES);
    assert_int_equal(jobs[0].delivered, BATCHES * LINES);
    assert_int_equal(counts().delivered.records, BATCHES * LINES);
    down();
}

static void jobs_are_bounded(void **state)
{
    const struct letter_filter all = {{0}}, other = {.sink = "nobody"};
    uint64_t job;
    begin();
    feed("bad\n");
    WAIT(there() == 1);
    silent = true;
    int r = 0;
    for (int i = 0; i < LETTER_JOBS + 1 && r == 0; i++)
        r = letters_ask(w.letters, LETTER_REPLAY, &all, &job);
    assert_int_equal(r, -EBUSY);
    assert_int_equal(letters_ask(w.letters, LETTER_REPLAY, &other, &job), -EBUSY);
    down();
}

/* Letters, ledger and position are of one moment, whatever fails: a call of the start, or one later. */
static void refuse_and_replay(int err, uint64_t of_start, uint64_t later)
{
    const struct letter_filter all = {{0}};
    uint64_t job;
    strict = true;
    silent = false;
    fault_arm(of_start, err);
    bool good = up();
    if (later)
        fault_arm(later, err);
    if (good) {
        uint64_t commits = w.keeper.commits;
        bool fed = feed("bad 1\ngood\nbad 2\n");
        for (int i = 0; i < 40 && fed && w.keeper.commits == commits; i++)
            usleep(500);
        strict = false;
        if (letters_ask(w.letters, LETTER_REPLAY, &all, &job) == 0)
            usleep(4000);
        (void)counts();
    }
    down();
}

/* false: there are fewer calls than that. */
static bool fail_one(int err, uint64_t of_start, uint64_t later)
{
    empty_dir();
    refuse_and_replay(err, of_start, later);
    bool fired = fault_fired();
    fault_arm(0, 0);
    struct seen s = look();
    if (!s.adds_up || s.n > 2 || s.dead != s.n)
        fail_msg("errno %d at call %llu of the start or %llu later: %u letters, %llu dead", err, (unsigned long long)of_start,
                 (unsigned long long)later, s.n, (unsigned long long)s.dead);
    if (!census_empty(stderr))
        fail_msg("call %llu of the start or %llu later failed and left something alive", (unsigned long long)of_start,
                 (unsigned long long)later);
    return fired;
}

static void no_call_that_fails_makes_them_differ(void **state)
{
    refuse_and_replay(0, 0, 0);
    struct seen s = look();
    assert_int_equal(s.position, 17);
    static const int errors[] = {ENOMEM, EIO};
    for (unsigned e = 0; e < 2; e++) {
        for (uint64_t k = 1; fail_one(errors[e], k, 0);)
            k += TORTURE_STEP;
        for (uint64_t k = 1; fail_one(errors[e], 0, k);)
            k += TORTURE_STEP;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_is_refused_is_a_letter),
        IN_DIR(without_them_it_is_dropped),
        IN_DIR(replayed_they_go_or_stay),
        IN_DIR(a_restart_keeps_them_and_they_can_be_sent_then),
        IN_DIR(a_stop_in_the_middle_of_a_replay_loses_nothing),
        IN_DIR(purged_they_are_accounted_for),
        IN_DIR(what_is_read_twice_is_one_letter),
        IN_DIR(accounts_follow_what_is_found),
        IN_DIR(with_the_database_they_are_gone_and_counted),
        IN_DIR(many_go_in_rounds_and_none_twice),
        IN_DIR(jobs_are_bounded),
        IN_DIR(no_call_that_fails_makes_them_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
