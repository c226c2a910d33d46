#include "main/commands/commands.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "command.h"
#include "store/store.h"

enum { SOURCES = 400 }; /* some tens of pages */

static void fill(void)
{
    int error;
    struct store *s = store_open(&scope_root, command.dir, &error);
    assert_int_equal(store_begin(s), 0);
    for (int i = 0; i < SOURCES; i++) {
        char key[32], name[200];
        snprintf(key, sizeof key, "file:%d", i);
        snprintf(name, sizeof name, "/var/log/%0150d.log", i);
        struct store_ledger row = {key, "loki", {[STORE_TAKEN_RECORDS] = 5, [STORE_DELIVERED_RECORDS] = 3,
                                                 [STORE_TOO_LONG_RECORDS] = 2, [STORE_SKIPPED_RECORDS] = 1}};
        assert_int_equal(store_put_source(s, &(struct store_source){key, name, NULL, 1}), 0);
        assert_int_equal(store_put_position(s, &(struct store_position){key, "loki", 100, 7, NULL}), 0);
        assert_int_equal(store_put_ledger(s, &row), 0);
    }
    assert_int_equal(store_put_file(s, &(struct store_file){"local_file", "/out/a", 10, 1, 1}), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_write_fallback(s), 0);
    store_close(s);
}

static void overwrite(const char *name, off_t offset, const char *bytes, size_t n)
{
    int fd = open(in_dir(name), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, offset), n);
    close(fd);
}

/* A page in the middle of the file: the head is whole, so only a check of everything finds it. */
static void damage_database(void)
{
    char noise[4096];
    memset(noise, 0x5a, sizeof noise);
    overwrite("state.db", 20 * 4096, noise, sizeof noise);
}

#define VERIFY(...) RUN(cmd_verify, WORD("--state-dir"), WORD(command.dir), ##__VA_ARGS__)

static void what_is_whole_is_described(void **state)
{
    fill();
    assert_int_equal(VERIFY(), EXIT_DONE);
    printed(": no agent works here\nstate.db: good: 400 sources, 400 positions, 1 file written\n"
            "state.db: ledger: 400 accounts: 2400 records read: 1200 delivered, 400 skipped, 0 spooled, 0 dead, "
            "800 dropped; it adds up\npositions (the fallback file): good: 400 sources, 400 positions, 1 file written\n\nAll is good.\n");
    assert_string_equal(command.err, "");
    assert_int_equal(VERIFY(WORD("--repair")), EXIT_DONE);
    printed("All is good.\n");
    assert_null(strstr(command.out, "Repairing"));
}

static void an_empty_directory_is_good_and_none_is_not(void **state)
{
    assert_int_equal(VERIFY(), EXIT_DONE);
    printed("state.db: none yet\npositions (the fallback file): none yet\n\nAll is good.\n");
    struct stat st;
    assert_int_equal(stat(in_dir("state.db"), &st), -1); /* it only looked */
    assert_int_equal(RUN(cmd_verify, WORD("--state-dir"), WORD("/nonexistent")), EXIT_FAILED);
    complained("cannot look into /nonexistent: No such file or directory");
}

static void a_damaged_database_is_found_and_set_aside(void **state)
{
    struct stat st;
    fill();
    damage_database();
    assert_int_equal(VERIFY(), EXIT_FAILED);
    printed("state.db: DAMAGED: ");
    printed("state.db is not usable: Page 21: ");
    printed("positions (the fallback file): good");
    assert_int_equal(stat(in_dir("state.db.broken-1"), &st), -1);
    assert_int_equal(VERIFY(WORD("--repair")), EXIT_DONE);
    printed("\nRepairing.\n\nstate.db: good: 400 sources, 400 positions, 1 file written\nstate.db: ledger: 0 accounts");
    printed("state.db.broken-*: 1 damaged database was set aside earlier");
    printed("All is good.\n");
    assert_int_equal(stat(in_dir("state.db.broken-1"), &st), 0);
}

static void a_damaged_fallback_file_is_written_anew(void **state)
{
    struct stat st;
    fill();
    overwrite("positions", 100, "X", 1);
    assert_int_equal(VERIFY(), EXIT_FAILED);
    printed("state.db: good");
    printed("positions (the fallback file): DAMAGED: its checksum or a line of it is wrong\n");
    assert_int_equal(VERIFY(WORD("--repair")), EXIT_DONE);
    printed("positions (the fallback file): good: 400 sources, 400 positions, 1 file written\n");
    assert_int_equal(stat(in_dir("positions.broken"), &st), 0);
    assert_int_equal(stat(in_dir("state.db.broken-1"), &st), -1);
}

/* The agent must know that it lost everything, or it would apply start_at: end to files that it had read before. */
static void both_damaged_is_left_to_the_agent(void **state)
{
    struct stat st;
    int error;
    fill();
    damage_database();
    overwrite("positions", 100, "X", 1);
    assert_int_equal(VERIFY(WORD("--repair")), EXIT_FAILED);
    complained("they are left to the agent");
    assert_int_equal(stat(in_dir("state.db.broken-1"), &st), -1);
    assert_int_equal(stat(in_dir("positions.broken"), &st), -1);
    struct store *agent = store_open(&scope_root, command.dir, &error);
    assert_int_equal(store_set_aside(agent), 1);
    store_close(agent);
}

/* Nothing is damaged then, and no repair would know the right numbers. */
static void a_ledger_that_does_not_add_up_is_wrong(void **state)
{
    int error;
    struct store_ledger row = {"file:1", "loki", {[STORE_TAKEN_RECORDS] = 5}};
    fill();
    struct store *s = store_open(&scope_root, command.dir, &error);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_ledger(s, &row), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    assert_int_equal(VERIFY(WORD("--repair")), EXIT_FAILED);
    printed("; 1 DO NOT ADD UP: logcap ledger shows which\n");
    assert_null(strstr(command.out, "Repairing"));
}

static void beside_an_agent_it_looks_and_does_not_touch(void **state)
{
    int error;
    char expected[64];
    fill();
    struct store *agent = store_open(&scope_root, command.dir, &error);
    assert_int_equal(VERIFY(WORD("--repair")), EXIT_FAILED);
    complained(": stop it first\n");
    store_close(agent);
    /* One store a process: the running agent is another one. */
    pid_t child = fork();
    if (child == 0) {
        agent = store_open(&scope_root, command.dir, &error);
        pause();
        _exit(0);
    }
    while (store_holder(command.dir) != child)
        usleep(1000);
    snprintf(expected, sizeof expected, ": in use by the agent with process id %d\n", (int)child);
    assert_int_equal(VERIFY(), EXIT_DONE);
    printed(expected);
    printed("All is good.\n");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void verify_once(void)
{
    VERIFY();
}

static void repair_once(void)
{
    VERIFY(WORD("--repair"));
}

static void survives_torture(void **state)
{
    fill();
    TORTURE(verify_once);
    damage_database();
    TORTURE(repair_once);
    assert_int_equal(VERIFY(), EXIT_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_is_whole_is_described),
        IN_DIR(an_empty_directory_is_good_and_none_is_not),
        IN_DIR(a_damaged_database_is_found_and_set_aside),
        IN_DIR(a_damaged_fallback_file_is_written_anew),
        IN_DIR(both_damaged_is_left_to_the_agent),
        IN_DIR(a_ledger_that_does_not_add_up_is_wrong),
        IN_DIR(beside_an_agent_it_looks_and_does_not_touch),
        IN_DIR(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
