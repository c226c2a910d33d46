#include "core/intents.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/keeper.h"
#include "core/past.h"
#include "core/source.h"
#include "store/store_intents.h"
#include "unit.h"

static char dir[64];
static struct scope scope;
static struct sink sinks[2];
static struct sink *const list[2] = {&sinks[0], &sinks[1]};
static struct pool pool;
static struct store *store;
static struct keeper keeper;
static struct loop loop;
static struct nudge wake;
static struct source *source;
static struct settings *by, *with;

static void nothing(struct nudge *n)
{
}

static int begin(void **state)
{
    int error;
    if (unit_directory(dir, sizeof dir, "intents") < 0)
        return -1;
    memset(sinks, 0, sizeof sinks);
    sinks[0].name = "one";
    sinks[1].name = "two";
    for (unsigned i = 0; i < 2; i++) {
        sinks[i].index = i;
        book_begin(&sinks[i].book, &sinks[i]);
    }
    scope = (struct scope){0};
    if (scope_begin(&scope, &scope_root, "test") < 0 || streams_begin(&scope) < 0 || pool_begin(&pool, &scope, 1 << 20) < 0 ||
        sources_begin(&scope, list, 2) < 0 || loop_begin(&loop, &scope, "loop") < 0 ||
        nudge_begin(&wake, &scope, &loop, "wake", nothing) < 0)
        return -1;
    pool.leases = 2;
    store = store_open(&scope, dir, &error);
    source = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    by = settings_get("{\"label job\":\"x\"}", 17);
    with = settings_get("{}", 2);
    return store && source && by && with ? 0 : -1;
}

static void start_keeper(int64_t interval)
{
    assert_int_equal(keeper_begin(&keeper, &scope, store, list, 2, interval, NULL), 0);
}

static void flush(void)
{
    assert_int_equal(loop_pause(&keeper.loop, 5 * SECOND), 0);
    assert_int_equal(keeper_flush(&keeper), 0);
    loop_resume(&keeper.loop);
}

static int end(void **state)
{
    char command[192];
    settings_unref(by);
    settings_unref(with);
    source_unref(source);
    keeper_end(&keeper);
    memset(&keeper, 0, sizeof keeper);
    for (unsigned i = 0; i < 2; i++)
        book_end(&sinks[i].book);
    sources_end();
    store_close(store);
    pool_end(&pool);
    streams_end();
    scope_end(&scope);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? assert_tree_empty(state) : -1;
}

static struct batch *make_batch(uint64_t from, uint64_t to)
{
    struct batch *b = batch_new(&pool, source, 64, 4);
    assert_non_null(b);
    b->from = from;
    b->to = to;
    b->recipe = (struct recipe){.settings = settings_ref(by), .anchor = 1000, .tie = 5, .ties = 6, .skipping = true};
    for (unsigned i = 0; i < 2; i++)
        b->leases[i] = (struct lease){.batch = b, .sink = &sinks[i], .taken = {1, to - from}};
    return b;
}

static void drop(struct batch *b)
{
    for (unsigned i = 0; i < 2; i++)
        intent_forget(&b->leases[i]);
    batch_drop(b);
}

static void settled(const struct lease *l)
{
    for (int i = 0; i < 5000 && intent_waits(l); i++)
        usleep(1000);
    assert_false(intent_waits(l));
}

struct found {
    unsigned n, texts;
    struct store_intent last;
};

static bool find(const struct store_intent *row, void *arg)
{
    struct found *f = arg;
    f->n++;
    f->last = *row;
    assert_string_equal(row->source_key, "file:1");
    assert_string_equal(row->sink, "one");
    return true;
}

static bool find_text(const struct store_settings *row, void *arg)
{
    ((struct found *)arg)->texts++;
    return true;
}

/* As another process sees it. */
static struct found look(void)
{
    int error;
    char why[200];
    struct found f = {0};
    struct store *s = store_open_reader(&scope, dir, &error, why, sizeof why);
    assert_non_null(s);
    assert_int_equal(store_each_intent(s, find, &f), 0);
    assert_int_equal(store_each_settings(s, find_text, &f), 0);
    store_close(s);
    return f;
}

static void one_is_stored_at_once_and_goes_with_the_position(void **state)
{
    start_keeper(50 * MILLISECOND);
    struct batch *b = make_batch(10, 30);
    struct lease *l = &b->leases[0];
    int64_t before = clock_mono();
    intent_ask(l, with, &wake);
    assert_true(l->sent_with == with);
    settled(l);
    assert_true(clock_mono() - before < 5 * SECOND);
    struct found f = look();
    assert_int_equal(f.n, 1);
    assert_int_equal(f.texts, 2);
    assert_true(f.last.from == 10 && f.last.to == 30 && f.last.anchor == 1000 && f.last.tie == 5 && f.last.ties == 6);
    assert_true(f.last.skipping && f.last.settings == by->id && f.last.sent_with == with->id);
    intent_ask(l, NULL, &wake); /* once is enough */
    assert_true(l->sent_with == with && !intent_waits(l));
    assert_int_equal(atomic_load(&sinks[0].book.intents.stored), 1);

    struct account *a = source_account(source, &sinks[0]);
    account_taken(a, l->taken, (struct amount){0});
    account_secured(a, &(struct secured){.account = a, .source = source, .to = 29, .taken = l->taken}, NULL);
    flush();
    assert_int_equal(look().n, 1);
    account_taken(a, l->taken, (struct amount){0});
    account_secured(a, &(struct secured){.account = a, .source = source, .to = 30, .taken = l->taken}, NULL);
    for (int i = 0; i < 1000 && look().n; i++)
        usleep(1000);
    assert_int_equal(look().n, 0);
    drop(b);
}

static void what_needs_none_does_not_wait(void **state)
{
    struct batch *b = make_batch(0, 10), *posted = make_batch(0, 10), *spooled = make_batch(0, 10);
    settings_unref(posted->recipe.settings);
    posted->recipe.settings = NULL;
    struct origin origin = {0};
    intent_ask(&b->leases[0], with, &wake); /* there is no keeper: a dry run */
    assert_false(intent_waits(&b->leases[0]));
    start_keeper(HOUR);
    intent_ask(&posted->leases[0], with, &wake);
    assert_false(intent_waits(&posted->leases[0]));
    spooled->origin = &origin;
    intent_ask(&spooled->leases[0], with, &wake);
    assert_false(intent_waits(&spooled->leases[0]));
    spooled->origin = NULL;
    b->leases[0].taken.records = 0;
    intent_ask(&b->leases[0], with, &wake);
    assert_false(intent_waits(&b->leases[0]));
    drop(b);
    drop(posted);
    drop(spooled);
    assert_int_equal(look().n, 0);
}

/* Another process holds the database's lock for longer than SQLite waits. */
static void what_cannot_be_stored_is_sent_all_the_same_and_counted(void **state)
{
    char path[96];
    sqlite3 *db;
    struct intents *i = &sinks[0].book.intents;
    start_keeper(HOUR);
    snprintf(path, sizeof path, "%s/state.db", dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct batch *b = make_batch(10, 30), *next = make_batch(30, 40), *third = make_batch(40, 50);
    intent_ask(&b->leases[0], with, &wake);
    settled(&b->leases[0]);
    assert_int_equal(atomic_load(&i->missed), 1);
    assert_true(atomic_load(&i->failing));
    intent_ask(&next->leases[0], with, &wake); /* nobody waits for what fails */
    assert_false(intent_waits(&next->leases[0]));
    assert_int_equal(atomic_load(&i->missed), 2);
    assert_false(atomic_load(&sinks[1].book.intents.failing));
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);

    atomic_store(&sinks[0].book.urgent, true); /* the next commit of positions says that all is well */
    nudge_set(sinks[0].book.keeper);
    for (int k = 0; k < 5000 && atomic_load(&i->failing); k++)
        usleep(1000);
    intent_ask(&third->leases[0], with, &wake);
    settled(&third->leases[0]);
    assert_int_equal(atomic_load(&i->stored), 1);
    assert_int_equal(look().last.from, 40);
    drop(b);
    drop(next);
    drop(third);
}

/* A keeper that hangs: nobody runs its loop. */
static void patience_ends(void **state)
{
    struct intents *i = &sinks[0].book.intents;
    struct nudge hanging = {0};
    assert_int_equal(nudge_begin(&hanging, &scope, &loop, "keeper", nothing), 0);
    sinks[0].book.keeper = &hanging;
    struct batch *b = make_batch(10, 30), *next = make_batch(30, 40), *third = make_batch(40, 50);
    intent_ask(&b->leases[0], with, &wake);
    intent_ask(&next->leases[0], with, &wake);
    intent_ask(&third->leases[0], with, &wake);
    intent_forget(&next->leases[0]); /* it goes back unsent */
    assert_null(next->leases[0].sent_with);
    intent_ask(&next->leases[0], with, &wake);
    intent_forget(&next->leases[0]);
    assert_true(intent_waits(&b->leases[0]) && intent_waits(&third->leases[0]) && !intent_waits(&next->leases[0]));
    intents_give_up(&sinks[0].book);
    assert_false(intent_waits(&b->leases[0]) || intent_waits(&third->leases[0]));
    assert_int_equal(atomic_load(&i->missed), 2);
    assert_null(i->first);
    assert_true(i->last == &i->first);
    sinks[0].book.keeper = NULL;
    nudge_end(&hanging);
    drop(b);
    drop(next);
    drop(third);
}

/* ---- after a start ---- */

static void put(const char *sink, uint64_t from, uint64_t to, int64_t anchor, struct settings *sent)
{
    assert_int_equal(store_put_intent(store, &(struct store_intent){
        .source_key = "file:1", .sink = sink, .from = from, .to = to, .anchor = anchor, .settings = by->id,
        .sent_with = sent->id}), 0);
}

static void spans_are_read_in_their_order_and_for_whom_they_were_sent(void **state)
{
    struct settings *other = settings_get("{\"a\":\"b\"}", 9);
    assert_int_equal(store_begin(store), 0);
    assert_int_equal(store_put_source(store, &(struct store_source){"file:1", "/var/log/a", NULL, 5}), 0);
    assert_int_equal(store_put_position(store, &(struct store_position){"file:1", "one", 20, 1, NULL}), 0);
    assert_int_equal(store_put_position(store, &(struct store_position){"file:1", "two", 5, 1, NULL}), 0);
    assert_int_equal(store_put_settings(store, &(struct store_settings){by->id, by->text}), 0);
    assert_int_equal(store_put_settings(store, &(struct store_settings){with->id, with->text}), 0);
    assert_int_equal(store_put_settings(store, &(struct store_settings){other->id, other->text}), 0);
    put("one", 10, 20, 1, with);   /* secured */
    put("one", 20, 30, 2, with);
    put("two", 20, 30, 2, other);
    put("two", 25, 40, 3, other);  /* cannot be, with the one before */
    put("gone", 50, 60, 4, other); /* of a sink that is not configured */
    put("two", 70, 80, 5, other);
    put("one", 90, 90, 5, other);  /* nonsense */
    assert_int_equal(store_commit(store), 0);

    struct past *past = past_load(&scope, store, list, 2);
    assert_non_null(past);
    struct past_source *known = past_find(past, "file:1");
    past_claim(past, known, source);
    assert_int_equal(source_account(source, &sinks[0])->intended, 30);
    assert_int_equal(source_account(source, &sinks[1])->intended, 80);

    const struct past_span *span = past_span_at(past, source, 5);
    assert_true(span->from == 20 && span->to == 30 && span->recipe.anchor == 2);
    assert_string_equal(span->settings, by->text);
    assert_string_equal(past_span_sent_with(span, "one"), "{}");
    assert_string_equal(past_span_sent_with(span, "two"), "{\"a\":\"b\"}");
    assert_null(past_span_sent_with(span, "three"));
    assert_ptr_equal(past_span_at(past, source, 20), span);
    past_span_read(past, source, span);
    span = past_span_at(past, source, 30);
    assert_true(span->from == 70 && !past_span_sent_with(span, "one"));
    assert_null(past_span_at(past, source, 71)); /* it cannot be made any more */
    settings_unref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_stored_at_once_and_goes_with_the_position, begin, end),
        cmocka_unit_test_setup_teardown(what_needs_none_does_not_wait, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_stored_is_sent_all_the_same_and_counted, begin, end),
        cmocka_unit_test_setup_teardown(patience_ends, begin, end),
        cmocka_unit_test_setup_teardown(spans_are_read_in_their_order_and_for_whom_they_were_sent, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
