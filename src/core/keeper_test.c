#include "core/keeper.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/ledger_rows.h"
#include "core/past.h"
#include "core/source.h"
#include "directory.h"

static struct sink sinks[2];
static struct sink *const list[2] = {&sinks[0], &sinks[1]};

static void begin(struct scope *scope)
{
    memset(sinks, 0, sizeof sinks);
    sinks[0].name = "one";
    sinks[1].name = "two";
    for (unsigned i = 0; i < 2; i++)
        book_begin(&sinks[i].book, &sinks[i]);
    assert_int_equal(scope_begin(scope, &scope_root, "test"), 0);
    assert_int_equal(sources_begin(scope, list, 2), 0);
}

static void end(struct scope *scope)
{
    for (unsigned i = 0; i < 2; i++)
        book_end(&sinks[i].book);
    sources_end();
    scope_end(scope);
}

static void secure(struct source *s, unsigned sink, uint64_t to)
{
    struct secured what = {.account = &s->first[sink], .source = s, .to = to, .tail_hash = to * 3,
                           .taken = {1, 10}};
    snprintf(what.cursor, sizeof what.cursor, "cursor %llu", (unsigned long long)to);
    account_taken(&s->first[sink], what.taken, (struct amount){0});
    account_secured(&s->first[sink], &what, NULL);
}

struct found {
    char identity[64];
    uint64_t offset[2], delivered[2];
    unsigned sources, positions;
};

static bool find_source(const struct store_source *row, void *arg)
{
    struct found *f = arg;
    f->sources++;
    snprintf(f->identity, sizeof f->identity, "%s", row->identity ? row->identity : "none");
    return true;
}

static bool find_position(const struct store_position *row, void *arg)
{
    struct found *f = arg;
    char expected[40];
    unsigned sink = strcmp(row->sink, "two") == 0;
    snprintf(expected, sizeof expected, "cursor %llu", (unsigned long long)row->offset);
    if (row->offset) {
        assert_string_equal(row->cursor, expected);
        assert_int_equal(row->tail_hash, row->offset * 3);
    }
    if (row->offset > f->offset[sink])
        f->offset[sink] = row->offset;
    f->positions++;
    return true;
}

static bool find_ledger(const struct store_ledger *row, void *arg)
{
    struct found *f = arg;
    struct counts counts;
    char why[100];
    counts_from_row(&counts, row->counters);
    assert_true(counts_check(&counts, why, sizeof why));
    f->delivered[strcmp(row->sink, "two") == 0] += counts.delivered.records;
    return true;
}

static struct found read_store(void)
{
    int error;
    struct found f = {0};
    struct store *s = store_open(&scope_root, dir, &error);
    assert_non_null(s);
    assert_int_equal(store_each_source(s, find_source, &f), 0);
    assert_int_equal(store_each_position(s, NULL, find_position, &f), 0);
    assert_int_equal(store_each_ledger(s, find_ledger, &f), 0);
    store_close(s);
    return f;
}

static void wait_for(_Atomic uint64_t *counter, uint64_t value)
{
    for (int i = 0; i < 5000 && atomic_load(counter) < value; i++)
        usleep(1000);
    assert_true(atomic_load(counter) >= value);
}

static void what_was_secured_is_stored_and_sources_are_let_go(void **state)
{
    int error;
    struct scope scope = {0};
    struct keeper k;
    begin(&scope);
    struct store *store = store_open(&scope, dir, &error);
    assert_non_null(store);
    assert_int_equal(keeper_begin(&k, &scope, store, list, 2, 5 * MILLISECOND, NULL), 0);
    struct source *s = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    for (uint64_t i = 1; i <= 2000; i++) {
        secure(s, 0, i);
        if (i <= 1000)
            secure(s, 1, i);
    }
    wait_for(&k.commits, 1);
    secure(s, 1, 1500);
    source_unref(s); /* the keeper still needs it */
    keeper_end(&k);
    assert_int_equal(sources_count(), 0);
    store_close(store);
    end(&scope);
    struct found f = read_store();
    assert_int_equal(f.sources, 1);
    assert_int_equal(f.offset[0], 2000);
    assert_int_equal(f.offset[1], 1500);
    assert_int_equal(f.delivered[0], 2000);
    assert_int_equal(f.delivered[1], 1001);
}

/* A renamed file is sought by it; whoever goes on with the source may be killed again before it is found. */
static void what_an_earlier_run_knew_of_a_source_stays_known(void **state)
{
    int error;
    for (uint64_t run = 1; run <= 3; run++) {
        struct scope scope = {0};
        struct keeper k;
        begin(&scope);
        struct store *store = store_open(&scope, dir, &error);
        assert_non_null(store);
        struct past *past = past_load(&scope, store, list, 2);
        assert_non_null(past);
        assert_int_equal(keeper_begin(&k, &scope, store, list, 2, 5 * MILLISECOND, NULL), 0);
        struct source *s = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
        if (run == 1)
            source_set_identity(s, "who it is");
        else
            past_claim(past, past->all, s);
        secure(s, 0, run * 10);
        source_unref(s);
        keeper_end(&k);
        store_close(store);
        end(&scope);
        struct found f = read_store();
        assert_int_equal(f.offset[0], run * 10);
        assert_string_equal(f.identity, "who it is");
    }
}

/* Each account and each sink once, however often it is committed. */
static void what_does_not_add_up_is_found_and_named(void **state)
{
    int error;
    char first[512];
    struct scope scope = {0};
    struct keeper k;
    begin(&scope);
    struct store *store = store_open(&scope, dir, &error);
    assert_int_equal(keeper_begin(&k, &scope, store, list, 2, 5 * MILLISECOND, NULL), 0);
    struct source *s = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    struct source *other = source_obtain(SOURCE_FILE, "file:2", "/var/log/b");
    secure(s, 0, 1);
    secure(other, 0, 1);
    wait_for(&k.commits, 1);
    assert_int_equal(k.audit.mismatches, 0);
    audit_first(&k.audit, first, sizeof first);
    assert_string_equal(first, "");

    pthread_mutex_lock(&sinks[1].book.lock);
    s->accounts[1].counts.delivered.records++;
    pthread_mutex_unlock(&sinks[1].book.lock);
    uint64_t errors = log_count(LOG_LEVEL_ERROR);
    for (uint64_t i = 2; i < 5; i++) {
        secure(s, 1, i);
        secure(other, 1, i);
        wait_for(&k.commits, k.commits + 1);
    }
    assert_int_equal(k.audit.mismatches, 1);
    assert_int_equal(log_count(LOG_LEVEL_ERROR), errors + 1);
    audit_first(&k.audit, first, sizeof first);
    assert_ptr_equal(strstr(first, "/var/log/a at two: taken "), first);

    pthread_mutex_lock(&sinks[0].book.lock);
    sinks[0].book.totals.taken.bytes++;
    pthread_mutex_unlock(&sinks[0].book.lock);
    secure(other, 0, 9);
    wait_for(&k.audit.mismatches, 2);
    audit_first(&k.audit, first, sizeof first);
    assert_ptr_equal(strstr(first, "/var/log/a at two: taken "), first);
    source_unref(s);
    source_unref(other);
    keeper_end(&k);
    assert_int_equal(k.audit.mismatches, 2);
    store_close(store);
    end(&scope);
}

static uint64_t extra_calls, stored_calls;
static int extra_answer;

static int extra(struct book_rows *rows, struct store *store)
{
    extra_calls++;
    int r = store_put_file(store, &(struct store_file){"one", "/out", extra_calls, 1, 1});
    return r < 0 ? r : extra_answer;
}

static void stored(struct book_rows *rows)
{
    stored_calls++;
}

static bool find_file(const struct store_file *row, void *arg)
{
    *(uint64_t *)arg = row->length;
    return true;
}

static void a_refused_commit_is_tried_again_as_a_whole(void **state)
{
    int error;
    struct scope scope = {0};
    struct keeper k;
    extra_calls = stored_calls = 0;
    begin(&scope);
    struct store *store = store_open(&scope, dir, &error);
    struct source *s = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    struct book_rows rows = {.put = extra, .stored = stored};
    book_add_rows(&sinks[0].book, &rows);
    pthread_mutex_lock(&sinks[0].book.lock);
    extra_answer = -ENOSPC;
    pthread_mutex_unlock(&sinks[0].book.lock);
    secure(s, 0, 7);
    secure(s, 1, 8);
    assert_int_equal(keeper_begin(&k, &scope, store, list, 2, MILLISECOND, NULL), 0);
    wait_for(&k.failures, 3);
    assert_int_equal(atomic_load(&k.commits), 0);
    assert_true(atomic_load(&k.failing));
    secure(s, 0, 9); /* dirty again while it waits */
    pthread_mutex_lock(&sinks[0].book.lock);
    assert_int_equal(stored_calls, 0);
    extra_answer = 0;
    pthread_mutex_unlock(&sinks[0].book.lock);
    wait_for(&k.commits, 1);
    keeper_end(&k);
    assert_false(atomic_load(&k.failing));
    assert_true(stored_calls > 0);
    assert_int_equal(atomic_load(&s->refs), 1);
    source_unref(s);
    uint64_t length = 0;
    assert_int_equal(store_each_file(store, "one", find_file, &length), 0);
    assert_int_equal(length, extra_calls); /* the last commit's; none of the undone ones came later */
    store_close(store);
    end(&scope);
    struct found f = read_store();
    assert_int_equal(f.offset[0], 9);
    assert_int_equal(f.offset[1], 8);
}

static void a_database_that_vanishes_gets_every_account_again(void **state)
{
    int error;
    struct scope scope = {0};
    struct keeper k;
    char path[128];
    begin(&scope);
    struct store *store = store_open(&scope, dir, &error);
    assert_int_equal(keeper_begin(&k, &scope, store, list, 2, MILLISECOND, NULL), 0);
    struct source *idle = source_obtain(SOURCE_FILE, "file:1", "/var/log/idle");
    struct source *busy = source_obtain(SOURCE_FILE, "file:2", "/var/log/busy");
    secure(idle, 0, 100);
    wait_for(&k.commits, 1);
    snprintf(path, sizeof path, "%s/state.db", dir);
    assert_int_equal(unlink(path), 0);
    secure(busy, 1, 50);
    source_unref(busy);
    keeper_end(&k);
    source_unref(idle);
    store_close(store);
    end(&scope);
    struct found f = read_store();
    assert_int_equal(f.sources, 2);
    assert_int_equal(f.offset[0], 100);
    assert_int_equal(f.offset[1], 50);
}

static void keeper_body(void)
{
    int error;
    struct scope scope = {0};
    struct keeper k;
    struct store *store = NULL;
    struct source *s = NULL;
    memset(sinks, 0, sizeof sinks);
    for (unsigned i = 0; i < 2; i++) {
        sinks[i].name = i ? "two" : "one";
        book_begin(&sinks[i].book, &sinks[i]);
    }
    if (scope_begin(&scope, &scope_root, "test") == 0) {
        sources_begin(&scope, list, 2);
        fault_spare(true);
        store = store_open(&scope, dir, &error);
        fault_spare(false);
        s = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
        if (store && s) {
            secure(s, 0, 1);
            if (keeper_begin(&k, &scope, store, list, 2, 100 * MICROSECOND, NULL) == 0)
                keeper_end(&k);
        }
    }
    source_unref(s);
    for (unsigned i = 0; i < 2; i++)
        book_end(&sinks[i].book);
    sources_end();
    store_close(store);
    scope_end(&scope);
}

static void each_call_may_fail(void **state)
{
    TORTURE(keeper_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_was_secured_is_stored_and_sources_are_let_go),
        IN_DIR(what_an_earlier_run_knew_of_a_source_stays_known),
        IN_DIR(what_does_not_add_up_is_found_and_named),
        IN_DIR(a_refused_commit_is_tried_again_as_a_whole),
        IN_DIR(a_database_that_vanishes_gets_every_account_again),
        IN_DIR(each_call_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
