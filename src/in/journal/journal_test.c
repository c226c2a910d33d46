#include "in/journal/journal_internal.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store.h"
#include "unit.h"

#define REMOTE "/lib/systemd/systemd-journal-remote"

/* Sinks that write down what they get, "service|priority|text" and a newline, and secure it at
 * once. */
static struct {
    char text[1 << 20];
    int64_t last_time;
    size_t len, longest;
    bool equal_times;
    unsigned records;
    bool hold;
} got[2];

static int note_start(struct sink *s)
{
    return 0;
}

static void note_take(struct sink *s, struct lease *l)
{
    const struct batch *b = l->batch;
    if (got[s->index].hold) {
        lease_returned(l);
        return;
    }
    for (uint32_t i = l->first, next; lease_next(l, &i, &next); i = next) {
        const struct stream *st = b->streams[b->marks[i].stream];
        const char *priority = stream_value(st, "priority");
        size_t left = sizeof got->text - got[s->index].len;
        got[s->index].len +=
            (size_t)snprintf(got[s->index].text + got[s->index].len, left, "%s|%s|%.*s\n",
                             stream_value(st, "service"), priority ? priority : "",
                             (int)b->marks[i].len, b->data + b->marks[i].off);
        got[s->index].records++;
        got[s->index].equal_times |= b->marks[i].time == got[s->index].last_time;
        got[s->index].last_time = b->marks[i].time;
        if (b->marks[i].len > got[s->index].longest)
            got[s->index].longest = b->marks[i].len;
    }
    lease_secured(l, NULL);
}

static void note_stop(struct sink *s, int64_t deadline)
{
    sink_drained(s);
}

static const struct sink_type note_type = {
    .name = "note", .start = note_start, .take = note_take, .stop = note_stop};

struct world {
    struct scope scope;
    struct loop loop;
    struct timer tick;
    struct store *store;
    struct pool pool;
    struct sink sinks[2];
    struct sink *list[2];
    struct sink_config configs[2];
    struct dispatcher dispatcher;
    struct config config;
    struct past *past;
    struct journal *journal;
    unsigned n_sinks, expected, quiet;
    bool pooled, sources, forgetful; /* forgetful: without a store */
};

static char home[64], journals[80];

static int make_home(void **state)
{
    strcpy(home, "/tmp/logcap-journal-XXXXXX");
    assert_non_null(mkdtemp(home));
    snprintf(journals, sizeof journals, "%s/journal", home);
    return mkdir(journals, 0755);
}

static int remove_home(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command) != 0 || assert_tree_empty(state);
}

/* ---- journals, made by systemd's own tool ---- */

static FILE *writer;
static uint64_t stamp = 1795237678000000;

static void begin_file(const char *name)
{
    char command[200];
    snprintf(command, sizeof command, REMOTE " --output=%s/%s.journal - >/dev/null 2>&1", journals,
             name);
    writer = popen(command, "w");
    assert_non_null(writer);
}

static void end_file(void)
{
    assert_int_equal(pclose(writer), 0);
}

static void put_fields(const char *fields)
{
    stamp += 1000;
    fprintf(writer,
            "__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=%llu\n_BOOT_ID="
            "0123456789abcdef0123456789abcdef\n%s\n",
            (unsigned long long)stamp, (unsigned long long)(stamp - 1795237000000000), fields);
}

static void put(const char *unit, const char *message)
{
    char fields[300];
    snprintf(fields, sizeof fields,
             "_SYSTEMD_UNIT=%s\nSYSLOG_IDENTIFIER=id\nPRIORITY=6\nMESSAGE=%s\n", unit, message);
    put_fields(fields);
}

static void put_binary(const char *message, size_t len)
{
    unsigned char size[8];
    stamp += 1000;
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)len >> (8 * i));
    fprintf(writer,
            "__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=%llu\n_BOOT_ID="
            "0123456789abcdef0123456789abcdef\n"
            "SYSLOG_IDENTIFIER=bin\nPRIORITY=3\nMESSAGE\n",
            (unsigned long long)stamp, (unsigned long long)(stamp - 1795237000000000));
    fwrite(size, 1, 8, writer);
    fwrite(message, 1, len, writer);
    fputs("\n\n", writer);
}

static void make_file(const char *name, const char *const messages[], const char *unit)
{
    begin_file(name);
    for (; *messages; messages++)
        put(unit, *messages);
    end_file();
}

/* ---- an agent without threads: one loop, what sinks get is handed over in each turn ---- */

static void turn_sinks(struct world *w)
{
    for (unsigned i = 0; i < w->dispatcher.n_sinks; i++)
        for (struct qnode *n; (n = queue_pop(&w->sinks[i].queue));)
            note_take(&w->sinks[i], container_of(n, struct lease, node));
}

static void on_tick(struct timer *t)
{
    struct world *w = container_of(t, struct world, tick);
    turn_sinks(w);
    bool enough = got[0].records + got[1].records >= w->expected;
    w->quiet += enough;
    if (w->quiet > 20)
        loop_stop(&w->loop);
    timer_set(t, 2 * MILLISECOND);
}

static void defaults(struct world *w, unsigned n_sinks)
{
    *w = (struct world){.n_sinks = n_sinks};
    w->config.host = "host";
    w->config.files.max_line_bytes = 256 << 10;
    w->config.journal.directory = journals;
    w->configs[0] = (struct sink_config){.name = "one", .queue_size = 1 << 20};
    w->configs[1] = (struct sink_config){.name = "two", .queue_size = 1 << 20};
    memset(got, 0, sizeof got);
}

static bool begin(struct world *w)
{
    int r = scope_begin(&w->scope, &scope_root, "world");
    if (r == 0)
        r = loop_begin(&w->loop, &w->scope, "loop");
    if (r == 0)
        r = timer_begin(&w->tick, &w->scope, &w->loop, "tick", on_tick);
    if (r == 0)
        r = streams_begin(&w->scope);
    if (r < 0 || (!w->forgetful && !(w->store = store_open(&w->scope, home, &r))))
        return false;
    if (pool_begin(&w->pool, &w->scope, 8 << 20) < 0)
        return false;
    w->pooled = true;
    for (unsigned i = 0; i < w->n_sinks; i++) {
        if (sink_begin(&w->sinks[i], &w->scope, i, &w->configs[i], &w->config, &note_type,
                       &w->pool) < 0)
            return false;
        w->list[w->dispatcher.n_sinks++] = &w->sinks[i];
    }
    w->dispatcher.sinks = w->list;
    w->dispatcher.pool = &w->pool;
    sources_begin(&w->scope, w->list, w->n_sinks);
    w->sources = true;
    w->past = past_load(&w->scope, w->store, w->list, w->n_sinks);
    return w->past && journal_begin(&w->journal, &w->scope, &w->loop, &w->config, &w->dispatcher,
                                    w->past) == 0;
}

/* What the keeper would store. */
static void keep(struct source *s, void *arg)
{
    struct world *w = arg;
    assert_int_equal(store_put_source(w->store, &(struct store_source){s->key, s->name, NULL, 1}),
                     0);
    for (unsigned i = 0; i < w->n_sinks; i++) {
        char cursor[POSITION_CURSOR], why[200];
        struct position p;
        struct counts c;
        account_read(&s->first[i], &p, cursor, &c);
        assert_true(counts_check(&c, why, sizeof why));
        assert_int_equal(
            store_put_position(w->store, &(struct store_position){s->key, w->configs[i].name,
                                                                  p.offset, p.tail_hash, p.cursor}),
            0);
    }
}

static void end(struct world *w, bool store)
{
    turn_sinks(w);
    journal_end(w->journal);
    if (w->sources)
        turn_sinks(w);
    if (store) {
        assert_int_equal(store_begin(w->store), 0);
        sources_walk(keep, w);
        assert_int_equal(store_commit(w->store), 0);
    }
    for (unsigned i = 0; i < w->dispatcher.n_sinks; i++)
        sink_end(&w->sinks[i]);
    sources_end();
    if (w->pooled)
        pool_end(&w->pool);
    if (w->store)
        store_close(w->store);
    streams_end();
    scope_end(&w->scope);
}

/* Until so many records have come to all sinks together, and a little longer: no more must come. */
static void run(struct world *w, unsigned expected)
{
    struct timer *t = &w->tick;
    int64_t before = clock_mono();
    w->expected = expected;
    w->quiet = 0;
    timer_set(t, 0);
    atomic_store(&w->loop.stop, false);
    assert_int_equal(loop_run(&w->loop), 0);
    assert_true(clock_mono() - before < 30 * SECOND);
    assert_int_equal(got[0].records + got[1].records, expected);
}

static void once(struct world *w, unsigned n_sinks, unsigned expected)
{
    defaults(w, n_sinks);
    assert_true(begin(w));
    run(w, expected);
    end(w, true);
}

static void entries_come_with_labels_and_once(void **state)
{
    struct world w;
    make_file("a", (const char *[]){"one", "two", NULL}, "ssh.service");
    once(&w, 1, 2);
    assert_string_equal(got[0].text, "ssh|info|one\nssh|info|two\n");
    once(&w, 1, 0);
}

static void what_was_logged_meanwhile_is_read_from_a_new_file(void **state)
{
    struct world w;
    make_file("a", (const char *[]){"one", "two", NULL}, "ssh.service");
    once(&w, 1, 2);
    make_file("b", (const char *[]){"three", NULL}, "ssh.service");
    once(&w, 1, 1);
    assert_string_equal(got[0].text, "ssh|info|three\n");
}

static void new_entries_are_seen_while_it_runs(void **state)
{
    struct world w;
    make_file("a", (const char *[]){"one", NULL}, "ssh.service");
    defaults(&w, 1);
    assert_true(begin(&w));
    run(&w, 1);
    make_file("b", (const char *[]){"two", NULL}, "ssh.service");
    run(&w, 2);
    end(&w, true);
    assert_string_equal(got[0].text, "ssh|info|one\nssh|info|two\n");
}

static bool is_number(const struct birth_info *b, void *arg)
{
    int *n = arg;
    if (b->kind == BIRTH_FD && b->fd == *n)
        *n = -1;
    return *n >= 0;
}

static bool open_before[64];

/* What the leak detector would call nobody's. The journal's files are known by their names. */
static void assert_all_open_is_owned(void)
{
    char path[256];
    for (int n = 0; n < (int)(sizeof open_before); n++) {
        int number = n;
        if (open_before[n] || fd_path(n, path, sizeof path) < 0 || strstr(path, ".journal"))
            continue;
        birth_walk(is_number, &number);
        if (number >= 0)
            fail_msg("nobody owns descriptor %d: %s", n, path);
    }
}

static void what_the_library_opens_has_an_owner(void **state)
{
    struct world w;
    char path[256];
    for (int n = 0; n < (int)(sizeof open_before); n++)
        open_before[n] = fd_path(n, path, sizeof path) == 0;
    make_file("a", (const char *[]){"one", NULL}, "ssh.service");
    defaults(&w, 1);
    assert_true(begin(&w));
    assert_all_open_is_owned();
    run(&w, 1);
    assert_all_open_is_owned();
    end(&w, true);
}

static void at_the_end_nothing_old_is_read_and_nothing_new_missed(void **state)
{
    struct world w;
    make_file("a", (const char *[]){"old", NULL}, "ssh.service");
    for (int start = 0; start < 2; start++) {
        defaults(&w, 1);
        w.config.journal.start_at = START_END;
        assert_true(begin(&w));
        run(&w, start);
        end(&w, true);
        if (start == 0)
            make_file("b", (const char *[]){"new", NULL}, "ssh.service");
    }
    assert_string_equal(got[0].text, "ssh|info|new\n");
}

static void sinks_at_different_places_get_what_they_miss(void **state)
{
    struct world w;
    make_file("a", (const char *[]){"one", "two", NULL}, "ssh.service");
    once(&w, 2, 4);
    make_file("b", (const char *[]){"three", "four", NULL}, "ssh.service");
    defaults(&w, 2);
    got[1].hold = true;
    assert_true(begin(&w));
    run(&w, 2);
    end(&w, true);
    make_file("c", (const char *[]){"five", NULL}, "ssh.service");
    once(&w, 2, 4);
    assert_string_equal(got[0].text, "ssh|info|five\n");
    assert_string_equal(got[1].text, "ssh|info|three\nssh|info|four\nssh|info|five\n");
}

static void a_filter_that_changed_does_not_shift_the_places(void **state)
{
    struct world w;
    begin_file("a");
    for (int i = 0; i < 4; i++)
        put(i % 2 ? "cron.service" : "ssh.service", "old");
    end_file();
    defaults(&w, 2);
    got[1].hold = true;
    assert_true(begin(&w));
    run(&w, 4);
    end(&w, true); /* one is at 4, two at 0 */
    make_file("b", (const char *[]){"new", NULL}, "ssh.service");
    const char *pattern = "ssh*";
    defaults(&w, 2);
    w.config.journal.units = (struct string_list){&pattern, 1};
    assert_true(begin(&w));
    run(&w, 4);
    end(&w, true);
    assert_string_equal(got[0].text, "ssh|info|new\n");
    assert_string_equal(got[1].text, "ssh|info|old\nssh|info|old\nssh|info|new\n");
}

static void what_was_printed_at_once_has_times_of_its_own(void **state)
{
    struct world w;
    int64_t last;
    for (int reading = 0; reading < 2; reading++) {
        if (reading == 0) {
            begin_file("a");
            for (int i = 0; i < 20; i++) {
                put("ssh.service", "again");
                stamp -= 1000;
            }
            stamp += 1000;
            end_file();
        }
        defaults(&w, 1);
        assert_true(begin(&w));
        run(&w, 20);
        end(&w, false);
        assert_false(got[0].equal_times);
        assert_int_equal(got[0].last_time / 1000, stamp);
        assert_true(reading == 0 || got[0].last_time == last);
        last = got[0].last_time;
    }
}

static void a_vacuumed_place_goes_on_at_the_next_entry(void **state)
{
    struct world w;
    char path[120];
    make_file("a", (const char *[]){"one", "two", NULL}, "ssh.service");
    once(&w, 2, 4);
    make_file("b", (const char *[]){"three", NULL}, "ssh.service");
    snprintf(path, sizeof path, "%s/a.journal", journals);
    assert_int_equal(unlink(path), 0);
    once(&w, 2, 2);
    assert_string_equal(got[1].text, "ssh|info|three\n");
}

static void a_damaged_file_does_not_hide_the_others(void **state)
{
    struct world w;
    char path[120];
    make_file("a", (const char *[]){"one", NULL}, "ssh.service");
    make_file("b", (const char *[]){"lost", NULL}, "ssh.service");
    snprintf(path, sizeof path, "%s/b.journal", journals);
    FILE *f = fopen(path, "r+");
    for (int i = 0; i < 4096; i++)
        fputc('x', f);
    fclose(f);
    uint64_t before = log_count(LOG_LEVEL_WARN);
    once(&w, 1, 1);
    assert_string_equal(got[0].text, "ssh|info|one\n");
    assert_int_equal(log_count(LOG_LEVEL_WARN), before + 1);
}

static void its_own_entries_and_excluded_units_are_left_out(void **state)
{
    struct world w;
    char fields[200];
    const char *pattern = "cron*";
    begin_file("a");
    snprintf(fields, sizeof fields, "_PID=%d\nMESSAGE=by process\n", (int)getpid());
    put_fields(fields);
    put_fields("SYSLOG_IDENTIFIER=logcap\nMESSAGE=by name\n");
    put("logcap.service", "by unit");
    put("cron.service", "excluded");
    put("ssh\xff.service", "wanted");
    end_file();
    defaults(&w, 1);
    w.config.journal.exclude_units = (struct string_list){&pattern, 1};
    assert_true(begin(&w));
    run(&w, 1);
    end(&w, true);
    assert_string_equal(got[0].text, "ssh\xef\xbf\xbd|info|wanted\n");
}

static void large_and_binary_messages_are_kept(void **state)
{
    static char large[100000];
    struct world w;
    memset(large, 'L', sizeof large);
    begin_file("a");
    put_binary("two\nlines\x01", 10);
    put_binary(large, sizeof large);
    end_file();
    once(&w, 1, 2);
    assert_memory_equal(got[0].text, "bin|err|two\nlines\x01\nbin|err|LLL", 30);
    assert_int_equal(got[0].longest, sizeof large);
}

static void what_is_too_long_is_split_in_one_batch(void **state)
{
    static char large[100000];
    struct world w;
    memset(large, 'L', sizeof large);
    begin_file("a");
    put_binary(large, 30000);
    put_binary(large, sizeof large);
    end_file();
    defaults(&w, 1);
    w.config.files.max_line_bytes = 4096;
    assert_true(begin(&w));
    run(&w, 8 + 16);
    assert_int_equal(got[0].longest, 4096);
    end(&w, true);
    once(&w, 1, 0);
}

static void many_streams_are_many_batches(void **state)
{
    struct world w;
    begin_file("a");
    for (int i = 0; i < 300; i++) {
        char unit[32];
        snprintf(unit, sizeof unit, "u%d.service", i);
        put(unit, "line");
    }
    end_file();
    once(&w, 1, 300);
    assert_int_equal(got[0].len, 10 * 13 + 90 * 14 + 200 * 15);
}

static void without_a_journal_nothing_stops(void **state)
{
    struct world w;
    assert_int_equal(rmdir(journals), 0);
    defaults(&w, 1);
    assert_true(begin(&w));
    run(&w, 0);
    end(&w, false);
}

static bool are_there(const char *directory)
{
    struct scope s;
    assert_int_equal(scope_begin(&s, &scope_root, "look"), 0);
    bool found = files_are_below(&s, directory);
    scope_end(&s);
    return found;
}

static void write_empty(const char *path)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static void files_of_a_journal_are_found(void **state)
{
    char machine[120], file[160];
    snprintf(machine, sizeof machine, "%s/0123456789abcdef", journals);
    snprintf(file, sizeof file, "%s/system.journal", machine);
    assert_false(are_there("/nonexistent"));
    assert_false(are_there(journals));
    assert_int_equal(mkdir(machine, 0755), 0);
    assert_false(are_there(journals)); /* as the package leaves it on a host without the service */
    write_empty(file);
    assert_true(are_there(journals));
}

static void files_are_found_behind_a_link(void **state)
{
    char machine[120], elsewhere[120], file[160];
    snprintf(machine, sizeof machine, "%s/0123456789abcdef", journals);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", home);
    snprintf(file, sizeof file, "%s/system.journal", elsewhere);
    assert_int_equal(symlink(elsewhere, machine), 0);
    assert_false(are_there(journals)); /* it leads nowhere */
    assert_int_equal(mkdir(elsewhere, 0755), 0);
    assert_false(are_there(journals));
    write_empty(file);
    assert_true(are_there(journals));
}

static void torture_body(void)
{
    struct world w;
    defaults(&w, 1);
    w.forgetful = true;
    if (begin(&w)) {
        w.quiet = 15;
        timer_set(&w.tick, 0);
        loop_run(&w.loop);
    }
    end(&w, false);
}

static void beginning_and_ending_survive_torture(void **state)
{
    make_file("a", (const char *[]){"one", "two", NULL}, "ssh.service");
    TORTURE(torture_body);
}

#define AT_HOME(fn) cmocka_unit_test_setup_teardown(fn, make_home, remove_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_HOME(entries_come_with_labels_and_once),
        AT_HOME(what_was_logged_meanwhile_is_read_from_a_new_file),
        AT_HOME(new_entries_are_seen_while_it_runs),
        AT_HOME(what_the_library_opens_has_an_owner),
        AT_HOME(at_the_end_nothing_old_is_read_and_nothing_new_missed),
        AT_HOME(sinks_at_different_places_get_what_they_miss),
        AT_HOME(a_filter_that_changed_does_not_shift_the_places),
        AT_HOME(what_was_printed_at_once_has_times_of_its_own),
        AT_HOME(a_vacuumed_place_goes_on_at_the_next_entry),
        AT_HOME(a_damaged_file_does_not_hide_the_others),
        AT_HOME(its_own_entries_and_excluded_units_are_left_out),
        AT_HOME(large_and_binary_messages_are_kept),
        AT_HOME(what_is_too_long_is_split_in_one_batch),
        AT_HOME(many_streams_are_many_batches),
        AT_HOME(without_a_journal_nothing_stops),
        AT_HOME(files_of_a_journal_are_found),
        AT_HOME(files_are_found_behind_a_link),
        AT_HOME(beginning_and_ending_survive_torture),
    };
    if (access(REMOTE, X_OK) != 0) {
        fprintf(stderr, "skipped: %s is not installed (systemd-journal-remote)\n", REMOTE);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
