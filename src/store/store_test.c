#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "directory.h"

/* SQLite has no hook for it; a definition in the program comes before the C library's. */
int fdatasync(int n)
{
    return fault_here("fdatasync") ? -1 : (int)syscall(SYS_fdatasync, n);
}

static const char *in_dir(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static struct store *open_store(void)
{
    int error;
    struct store *s = store_open(&scope_root, dir, &error);
    assert_non_null(s);
    return s;
}

static int put(struct store *s, uint64_t number)
{
    int r = store_begin(s);
    if (r < 0)
        return r;
    store_put_source(s, &(struct store_source){"file:1", "/var/log/a", "dev=1", 1000});
    store_put_position(s, &(struct store_position){"file:1", "loki", number, UINT64_MAX - 5, "c\tu\\r"});
    store_put_ledger(s, &(struct store_ledger){"file:1", "loki", {number, [STORE_COUNTERS - 1] = 7}});
    store_put_file(s, &(struct store_file){"local", "/out/a", number, 42, 2000});
    store_put_spool(s, &(struct store_spool){"loki", "1:0-1:99"});
    return store_commit(s);
}

static bool take_offset(const struct store_position *row, void *arg)
{
    *(uint64_t *)arg = row->offset;
    return true;
}

/* UINT64_MAX: none. */
static uint64_t number_in(struct store *s)
{
    uint64_t n = UINT64_MAX;
    (void)store_each_position(s, "file:1", take_offset, &n);
    return n;
}

static bool check_source(const struct store_source *row, void *arg)
{
    assert_string_equal(row->key, "file:1");
    assert_string_equal(row->name, "/var/log/a");
    assert_string_equal(row->identity, "dev=1");
    assert_int_equal(row->seen, 1000);
    ++*(int *)arg;
    return true;
}

static bool check_position(const struct store_position *row, void *arg)
{
    assert_string_equal(row->sink, "loki");
    assert_int_equal(row->offset, 10);
    assert_true(row->tail_hash == UINT64_MAX - 5);
    assert_string_equal(row->cursor, "c\tu\\r");
    ++*(int *)arg;
    return true;
}

static bool check_ledger(const struct store_ledger *row, void *arg)
{
    assert_int_equal(row->counters[0], 10);
    assert_int_equal(row->counters[STORE_COUNTERS - 1], 7);
    ++*(int *)arg;
    return true;
}

static bool check_file(const struct store_file *row, void *arg)
{
    assert_string_equal(row->path, "/out/a");
    assert_int_equal(row->length, 10);
    assert_int_equal(row->inode, 42);
    assert_int_equal(row->born, 2000);
    ++*(int *)arg;
    return true;
}

static bool check_spool(const struct store_spool *row, void *arg)
{
    assert_string_equal(row->sink, "loki");
    assert_string_equal(row->ranges, "1:0-1:99");
    ++*(int *)arg;
    return true;
}

static int rows_of(struct store *s)
{
    int rows = 0;
    assert_int_equal(store_each_source(s, check_source, &rows), 0);
    assert_int_equal(store_each_position(s, NULL, check_position, &rows), 0);
    assert_int_equal(store_each_ledger(s, check_ledger, &rows), 0);
    assert_int_equal(store_each_file(s, "local", check_file, &rows), 0);
    assert_int_equal(store_each_spool(s, check_spool, &rows), 0);
    return rows;
}

static void what_was_committed_is_there_again(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, 9), 0);
    assert_int_equal(put(s, 10), 0);
    store_close(s);
    s = open_store();
    assert_int_equal(rows_of(s), 5);
    assert_int_equal(store_set_aside(s), 0);
    assert_int_equal(store_generation(s), 0);
    store_close(s);
}

static void a_rollback_undoes_everything(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, 10), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_delete_source(s, "file:1"), 0);
    assert_int_equal(store_delete_file(s, "local", "/out/a"), 0);
    assert_int_equal(store_delete_spool(s, "loki"), 0);
    store_rollback(s);
    assert_int_equal(rows_of(s), 5);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_delete_source(s, "file:1"), 0);
    assert_int_equal(store_delete_file(s, "local", "/out/a"), 0);
    assert_int_equal(store_delete_spool(s, "loki"), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(rows_of(s), 0);
    store_close(s);
}

static void old_sources_are_forgotten(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, 10), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_forget(s, 1000), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(rows_of(s), 5);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_forget(s, 1001), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(rows_of(s), 2); /* what a sink writes is not a source's */
    store_close(s);
}

static void a_second_agent_is_refused(void **state)
{
    int error;
    struct store *s = open_store();
    assert_int_equal(store_holder(dir), getpid());
    pid_t child = fork();
    if (child == 0) {
        /* As another agent: its own open file, no store open in this process. */
        char text[32] = "";
        struct fd f;
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fd_open(&f, &scope_root, in_dir("lock"), O_RDWR, 0) < 0)
            _exit(1);
        (void)fd_pread(f.n, text, sizeof text - 1, 0);
        _exit(fcntl(f.n, F_OFD_SETLK, &lock) == 0 || atoi(text) != getppid());
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_null(store_open(&scope_root, dir, &error));
    assert_int_equal(error, -EBUSY);
    store_close(s);
    assert_int_equal(store_holder(dir), 0);
}

static void a_reader_looks_without_the_lock(void **state)
{
    int error;
    char why[256];
    assert_null(store_open_reader(&scope_root, dir, &error, why, sizeof why));
    struct store *s = open_store();
    assert_int_equal(put(s, 10), 0);
    store_close(s);
    pid_t child = fork();
    if (child == 0) {
        s = open_store();
        pause();
        _exit(0);
    }
    while (store_holder(dir) != child)
        usleep(1000);
    s = store_open_reader(&scope_root, dir, &error, why, sizeof why);
    assert_non_null(s);
    assert_int_equal(rows_of(s), 5);
    store_close(s);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void scribble(const char *name, off_t at, const char *bytes, size_t n)
{
    int f = open(in_dir(name), O_WRONLY);
    assert_true(f >= 0);
    assert_int_equal(pwrite(f, bytes, n, at), n);
    close(f);
}

static void a_damaged_database_is_set_aside_and_filled(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, 10), 0);
    assert_int_equal(store_write_fallback(s), 0);
    store_close(s);
    for (int i = 1; i <= 6; i++) {
        scribble("state.db", 0, "garbage!", 8);
        s = open_store();
        assert_int_equal(store_set_aside(s), 1);
        assert_int_equal(store_generation(s), 1);
        int rows = 0;
        assert_int_equal(store_each_position(s, NULL, check_position, &rows), 0);
        assert_int_equal(store_each_source(s, check_source, &rows), 0);
        assert_int_equal(store_each_file(s, NULL, check_file, &rows), 0);
        assert_int_equal(rows, 3);
        store_close(s);
    }
    assert_int_equal(access(in_dir("state.db.broken-3"), F_OK), -1);
    for (int i = 4; i <= 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "state.db.broken-%d", i);
        assert_int_equal(access(in_dir(name), F_OK), 0);
    }
}

static void a_damaged_fallback_file_is_not_used(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, 10), 0);
    assert_int_equal(store_write_fallback(s), 0);
    store_close(s);
    scribble("state.db", 0, "garbage!", 8);
    scribble("positions", 30, "x", 1);
    s = open_store();
    assert_int_equal(store_set_aside(s), 1);
    assert_true(number_in(s) == UINT64_MAX);
    assert_int_equal(put(s, 11), 0);
    store_close(s);
}

static void a_later_schema_and_a_strangers_database_are_set_aside(void **state)
{
    static const char *const made[] = {"PRAGMA user_version = 99", "CREATE TABLE x (y)"};
    char command[160];
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            unlink(in_dir("state.db"));
        else
            store_close(open_store());
        snprintf(command, sizeof command, "sqlite3 %s/state.db '%s'", dir, made[i]);
        if (system(command) != 0)
            skip();
        struct store *s = open_store();
        assert_int_equal(store_set_aside(s), 1);
        assert_int_equal(put(s, 1), 0);
        store_close(s);
    }
}

static void an_earlier_schema_is_brought_up_to_date(void **state)
{
    static const char made[] =
        "BEGIN; CREATE TABLE sources (key TEXT PRIMARY KEY, name TEXT NOT NULL, identity TEXT, seen INTEGER NOT NULL)"
        " WITHOUT ROWID;"
        "CREATE TABLE positions (source TEXT NOT NULL, sink TEXT NOT NULL, offset INTEGER NOT NULL, tail_hash INTEGER"
        " NOT NULL, cursor TEXT, PRIMARY KEY (source, sink)) WITHOUT ROWID;"
        "CREATE TABLE ledger (source TEXT NOT NULL, sink TEXT NOT NULL, taken_records, taken_bytes, delivered_records,"
        " delivered_bytes, spooled_records, spooled_bytes, dead_records, dead_bytes, skipped_records, skipped_bytes,"
        " invalid_records, invalid_bytes, too_long_records, too_long_bytes, shutdown_records, shutdown_bytes,"
        " PRIMARY KEY (source, sink)) WITHOUT ROWID;"
        "CREATE TABLE files (sink TEXT NOT NULL, path TEXT NOT NULL, length INTEGER NOT NULL, inode INTEGER NOT NULL,"
        " born INTEGER NOT NULL, PRIMARY KEY (sink, path)) WITHOUT ROWID;"
        "INSERT INTO sources VALUES (\"file:1\", \"/var/log/a\", NULL, 5);"
        "INSERT INTO positions VALUES (\"file:1\", \"loki\", 42, 7, NULL);"
        "INSERT INTO ledger VALUES (\"file:1\", \"loki\", 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16);"
        "PRAGMA user_version = 1; COMMIT;";
    char command[2400];
    snprintf(command, sizeof command, "sqlite3 %s/state.db '%s'", dir, made);
    if (system(command) != 0)
        skip();
    struct store *s = open_store();
    assert_int_equal(store_set_aside(s), 0);
    assert_int_equal(number_in(s), 42);
    assert_int_equal(put(s, 43), 0);
    store_close(s);
    s = open_store();
    assert_int_equal(store_set_aside(s), 0);
    assert_int_equal(number_in(s), 43);
    store_close(s);
}

static void a_database_that_vanishes_is_begun_anew(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, 10), 0);
    assert_int_equal(store_write_fallback(s), 0);
    uint64_t before = store_generation(s);
    unlink(in_dir("state.db"));
    assert_int_equal(put(s, 11), 0);
    assert_int_equal(store_generation(s), before + 1);
    store_close(s);
    s = open_store();
    assert_int_equal(number_in(s), 11);
    store_close(s);
}

static bool take_length(const struct store_file *row, void *arg)
{
    *(uint64_t *)arg = row->length;
    return true;
}

/* The sink's file has gone on since the fallback was written: a cut to that length would lose lines. */
static void lengths_of_a_running_agents_fallback_are_unknown(void **state)
{
    uint64_t length = 0;
    struct store *s = open_store();
    assert_int_equal(put(s, 10), 0);
    assert_int_equal(store_write_fallback(s), 0);
    unlink(in_dir("state.db"));
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_each_file(s, NULL, take_length, &length), 0);
    assert_true(length == STORE_LENGTH_UNKNOWN);
    store_close(s);
}

static void the_agent_starts_where_it_cannot_write(void **state)
{
    int error;
    /* Root may write anywhere, but nobody may open a directory as a database. */
    assert_int_equal(mkdir(in_dir("state.db"), 0700), 0);
    struct store *s = open_store();
    assert_true(put(s, 1) < 0);
    assert_true(number_in(s) == UINT64_MAX);
    assert_non_null(strstr(store_error(s), "state.db"));
    assert_int_equal(rmdir(in_dir("state.db")), 0);
    assert_int_equal(put(s, 2), 0);
    assert_int_equal(number_in(s), 2);
    store_close(s);
    assert_null(store_open(&scope_root, "/dev/null/state", &error));
    assert_int_equal(error, -ENOTDIR);
    assert_null(store_open(&scope_root, "/dev/null", &error));
    assert_int_equal(error, -ENOTDIR);
}

/* ---- faults ---- */

static uint64_t committed, set_aside;

static void store_body(void)
{
    int error;
    struct store *s = store_open(&scope_root, dir, &error);
    if (!s)
        return;
    for (uint64_t i = 0; i < 3; i++)
        if (put(s, committed + 1) == 0)
            committed++;
    (void)store_write_fallback(s);
    set_aside += store_set_aside(s);
    store_close(s);
}

/* Whichever call fails: what was committed stays, no database is set aside for it, and the next start works. */
static void fail_each(int err)
{
    for (uint64_t k = 1;; k += TORTURE_STEP) {
        fault_arm(k, err);
        store_body();
        bool fired = fault_fired();
        fault_arm(0, 0);
        assert_true(census_empty(stderr));
        struct store *s = open_store();
        if (set_aside || store_set_aside(s) || (committed && number_in(s) != committed))
            fail_msg("errno %d at call %llu: %llu were committed, %llu are there, %llu set aside", err,
                     (unsigned long long)k, (unsigned long long)committed,
                     (unsigned long long)number_in(s), (unsigned long long)(set_aside + store_set_aside(s)));
        store_close(s);
        if (!fired)
            return;
        if (k % 3 == 0) { /* from an empty directory too */
            empty_dir();
            committed = 0;
        }
    }
}

static void each_call_may_fail(void **state)
{
    committed = 0;
    fail_each(EIO);
    fail_each(ENOSPC);
    fail_each(ENOMEM);
}

static void a_failed_commit_does_not_spoil_the_next(void **state)
{
    struct store *s = open_store();
    assert_int_equal(put(s, 1), 0);
    static const int errors[] = {ENOMEM, EIO, ENOSPC};
    for (unsigned e = 0; e < sizeof errors / sizeof *errors; e++)
        for (uint64_t k = 1;; k++) {
            fault_arm(k, errors[e]);
            (void)put(s, 1000 + k);
            bool fired = fault_fired();
            fault_arm(0, 0);
            assert_int_equal(put(s, k), 0);
            assert_int_equal(number_in(s), k);
            if (!fired)
                break;
        }
    assert_int_equal(store_set_aside(s), 0);
    store_close(s);
}

/* ---- kills, rot, power cuts ---- */

static void commit_until_killed(int out)
{
    int error;
    struct store *s = store_open(&scope_root, dir, &error);
    uint64_t n = s ? number_in(s) : 0;
    if (n == UINT64_MAX)
        n = 0;
    while (s && put(s, ++n) == 0)
        if (write(out, &n, sizeof n) != sizeof n)
            break;
    _exit(1);
}

static void a_kill_loses_nothing(void **state)
{
    uint64_t printed = 0;
    srand(7);
    for (int i = 0; i < 30; i++) {
        int p[2];
        assert_int_equal(pipe(p), 0);
        pid_t child = fork();
        if (child == 0) {
            close(p[0]);
            commit_until_killed(p[1]);
        }
        close(p[1]);
        usleep((useconds_t)(rand() % 60000) + 1000);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(p[0], &printed, sizeof printed) == sizeof printed)
            ;
        close(p[0]);
        struct store *s = open_store();
        assert_int_equal(store_set_aside(s), 0);
        if (printed)
            assert_in_range(number_in(s), printed, printed + 1);
        store_close(s);
    }
    assert_true(printed > 30); /* it did get somewhere */
}

/* Leaves a database with a WAL behind, as a killed process does. */
static void leave_wal(uint64_t last)
{
    pid_t child = fork();
    if (child == 0) {
        int error;
        struct store *s = store_open(&scope_root, dir, &error);
        for (uint64_t n = 1; s && n <= last; n++)
            put(s, n);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
}

static void any_rot_is_survived(void **state)
{
    unsigned aside = 0;
    srand(11);
    for (int i = 0; i < 60; i++) {
        leave_wal(5);
        struct stat st;
        const char *name = i % 3 ? "state.db" : "state.db-wal";
        assert_int_equal(stat(in_dir(name), &st), 0);
        for (int k = 0; st.st_size && k <= i % 20; k++) {
            char byte = (char)rand();
            scribble(name, rand() % st.st_size, &byte, 1);
        }
        struct store *s = open_store();
        aside += store_set_aside(s) > 0;
        assert_int_equal(put(s, 77), 0);
        assert_int_equal(number_in(s), 77);
        store_close(s);
    }
    assert_true(aside > 0);
}

static void a_cut_wal_loses_the_last_commits_only(void **state)
{
    srand(13);
    leave_wal(1);
    store_close(open_store()); /* 1 is in the database itself */
    for (int i = 0; i < 40; i++) {
        leave_wal(20);
        struct stat st;
        assert_int_equal(stat(in_dir("state.db-wal"), &st), 0);
        assert_true(st.st_size > 0);
        assert_int_equal(truncate(in_dir("state.db-wal"), rand() % st.st_size), 0);
        struct store *s = open_store();
        assert_int_equal(store_set_aside(s), 0);
        assert_in_range(number_in(s), 1, 20);
        store_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_was_committed_is_there_again),
        IN_DIR(a_rollback_undoes_everything),
        IN_DIR(old_sources_are_forgotten),
        IN_DIR(a_second_agent_is_refused),
        IN_DIR(a_reader_looks_without_the_lock),
        IN_DIR(a_damaged_database_is_set_aside_and_filled),
        IN_DIR(a_damaged_fallback_file_is_not_used),
        IN_DIR(a_later_schema_and_a_strangers_database_are_set_aside),
        IN_DIR(an_earlier_schema_is_brought_up_to_date),
        IN_DIR(a_database_that_vanishes_is_begun_anew),
        IN_DIR(lengths_of_a_running_agents_fallback_are_unknown),
        IN_DIR(the_agent_starts_where_it_cannot_write),
        IN_DIR(each_call_may_fail),
        IN_DIR(a_failed_commit_does_not_spoil_the_next),
        IN_DIR(a_kill_loses_nothing),
        IN_DIR(any_rot_is_survived),
        IN_DIR(a_cut_wal_loses_the_last_commits_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
