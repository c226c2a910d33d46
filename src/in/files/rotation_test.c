#include "in/files/rotation.h"

#include <sys/wait.h>

#include "files_world.h"

static void renamed_and_created_anew(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "a.log", "two\nthr");
    move(&w, "a.log", "a.log.1");
    append(&w, "a.log", "four\n");
    turn(&w, 50);
    append(&w, "a.log.1", "ee\n"); /* the writer has not reopened yet */
    turn(&w, 600);
    assert_non_null(strstr(w.notes, "two\n"));
    assert_non_null(strstr(w.notes, "three\n"));
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nthree\nfour\n"));
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void renamed_while_closed_and_to_a_name_that_matches(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    turn(&w, 1000);
    assert_int_equal(atomic_load(&w.files->stats.open), 0);
    move(&w, "a.log", "b.log");
    append(&w, "b.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

/* A process that was not told to reopen goes on in what it has open, however long it said nothing. */
static void a_renamed_file_is_followed_after_it_was_quiet(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    move(&w, "a.log", "a.log.1");
    turn(&w, 1500); /* three times idle_close */
    assert_int_equal(atomic_load(&w.files->stats.open), 0);
    append(&w, "a.log.1", "two\n");
    expect(&w, "one\ntwo\n");
    turn(&w, 1500);
    move(&w, "a.log.1", "a.log.2");
    append(&w, "a.log.1", "of another\n");
    append(&w, "a.log.2", "three\n");
    expect(&w, "one\ntwo\nthree\n");
    assert_int_equal(sources_count(), 1);
    unlink(at(&w, "a.log.2"));
    turn(&w, 1000);
    assert_int_equal(sources_count(), 0);
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void a_file_that_comes_back_goes_on_where_it_was(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    put(&w, "a.log", O_TRUNC, "in the second generation\n");
    expect(&w, "one\nin the second generation\n");
    for (int i = 0; i < 200 && sources_count() > 1; i++)
        turn(&w, 10);
    char key[IDENTITY_KEY];
    snprintf(key, sizeof key, "%s", w.files->all->source->key);
    move(&w, "a.log", "a.txt");
    turn(&w, 1500);
    move(&w, "a.txt", "a.log");
    append(&w, "a.log", "two\n");
    expect(&w, "one\nin the second generation\ntwo\n");
    assert_string_equal(w.files->all->source->key, key);
    assert_int_equal(w.files->all->source->read_records, 2);
    end_process(&w);
    append(&w, "a.log", "three\n");
    assert_true(begin_process(&w));
    expect(&w, "one\nin the second generation\ntwo\nthree\n");
    end(&w);
}

static void truncated_by_copytruncate(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "a.log", "two\nthree\npart");
    copy(&w, "a.log", "a.log.1");
    assert_int_equal(truncate(at(&w, "a.log"), 0), 0);
    append(&w, "a.log", "four\n");
    turn(&w, 800);
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nthree\npart\nfour\n"));
    assert_non_null(strstr(w.notes, "two\nthree\n"));
    assert_non_null(strstr(w.notes, "part\n"));
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void a_copy_that_matches_is_not_read_twice(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "app.log", "one\n");
    expect(&w, "one\n");
    append(&w, "app.log", "two\n");
    copy(&w, "app.log", "app-20261121.log");
    turn(&w, 100);
    assert_int_equal(truncate(at(&w, "app.log"), 0), 0);
    append(&w, "app.log", "four\n");
    expect(&w, "one\ntwo\nfour\n");
    turn(&w, 1500);
    assert_string_equal(w.notes, "one\ntwo\nfour\n");
    end(&w);
}

static void truncated_and_grown_beyond(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    put(&w, "a.log", O_TRUNC, "another line that is longer\n");
    expect(&w, "one\nanother line that is longer\n");
    end(&w);
}

static void deleted_while_open(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "a.log", "two\nlast");
    unlink(at(&w, "a.log"));
    expect(&w, "one\ntwo\nlast\n");
    turn(&w, 1500);
    assert_int_equal(sources_count(), 0);
    append(&w, "a.log", "again\n"); /* perhaps under the same inode */
    expect(&w, "one\ntwo\nlast\nagain\n");
    end(&w);
}

/*
 * Two files of one device, inode and birth time in one process (where no birth time is kept a used number is enough):
 * each has a key of its own.
 */
static void a_used_inode_is_another_generation(void **state)
{
    struct world w;
    char key[IDENTITY_KEY];
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    snprintf(key, sizeof key, "%s", w.files->all->source->key);
    move(&w, "a.log", "a.txt");
    turn(&w, 1500);
    put(&w, "a.txt", O_TRUNC, "x\n"); /* no file of ours any more */
    turn(&w, 300);
    assert_int_equal(sources_count(), 0);
    move(&w, "a.txt", "b.log");
    append(&w, "b.log", "two\n");
    expect(&w, "one\nx\ntwo\n");
    assert_string_not_equal(w.files->all->source->key, key);
    end_process(&w);
    append(&w, "b.log", "three\n");
    assert_true(begin_process(&w));
    expect(&w, "one\nx\ntwo\nthree\n");
    end(&w);
}

static void a_link_is_switched(void **state)
{
    struct world w;
    begin(&w);
    assert_int_equal(mkdir(at(&w, "data"), 0755), 0);
    append(&w, "data/1", "one\n");
    assert_int_equal(symlink("data/1", at(&w, "cur.log")), 0);
    expect(&w, "one\n");
    append(&w, "data/1", "two\n");
    expect(&w, "one\ntwo\n");
    append(&w, "data/1", "three\n");
    append(&w, "data/2", "four\n");
    assert_int_equal(symlink("data/2", at(&w, "next")), 0);
    move(&w, "next", "cur.log");
    turn(&w, 300);
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nthree\nfour\n"));
    end(&w);
}

static void deleted_files_hold_a_bounded_number_of_bytes(void **state)
{
    struct world w;
    char *text = calloc(1, 100001);
    begin(&w);
    memset(text, 'x', 100000);
    text[99999] = '\n';
    w.config.files.max_deleted_bytes = 150000;
    w.sink_config.queue_size = 1;
    append(&w, "a.log", "open\n");
    append(&w, "b.log", "open\n");
    expect(&w, "open\nopen\n");
    w.hold = true;
    append(&w, "first.log", "fills the sink\n");
    turn(&w, 100);
    for (int i = 0; i < 2; i++)
        append(&w, i ? "b.log" : "a.log", text);
    turn(&w, 100);
    unlink(at(&w, "a.log"));
    unlink(at(&w, "b.log"));
    turn(&w, 500);
    assert_int_equal(lost(&w), 100000); /* one of the two was too much */
    assert_int_equal(atomic_load(&files_stats(w.files)->deleted_bytes), 100000);
    w.hold = false;
    free(text);
    end(&w);
}

/* While a full sink stops the reader, a file that waits for its turn stays open: it may be deleted meanwhile. */
static void a_file_that_waits_for_its_turn_stays_open(void **state)
{
    enum { TEXT = 500000 };
    struct world w;
    char *text = malloc(TEXT + 1);
    begin(&w);
    w.sink_config.queue_size = 64 << 10;
    for (int i = 0; i < TEXT; i++)
        text[i] = i % 100 == 99 ? '\n' : 'x';
    text[TEXT] = 0;
    append(&w, "a.log", "1\n");
    append(&w, "b.log", "2\n");
    turn(&w, 200);
    w.hold = true;
    append(&w, "a.log", text);
    turn(&w, 100);
    append(&w, "b.log", text);
    turn(&w, 1000); /* longer than idle_close */
    assert_int_equal(unlink(at(&w, "b.log")), 0);
    turn(&w, 100);
    w.hold = false;
    for (int i = 0; i < 500 && w.noted < 2 * TEXT + 4; i++)
        turn(&w, 10);
    assert_int_equal(w.noted, 2 * TEXT + 4);
    free(text);
    end(&w);
}

/* A sink that takes nothing is full with the first line. */
static void stuff_the_sink(struct world *w)
{
    w->sink_config.queue_size = 1;
    w->hold = true;
    append(w, "first.log", "1\n");
    turn(w, 200);
}

/* Made and renamed before we came to look: only the events tell that it had a name that matches. */
static void a_file_renamed_before_it_was_seen_is_read(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "1\n");
    expect(&w, "1\n");
    move(&w, "a.log", "a.log.1");
    append(&w, "a.log", "2\n");
    move(&w, "a.log", "a.log.2");
    append(&w, "a.log", "3\n");
    append(&w, "other", "none of ours\n");
    move(&w, "other", "another");
    for (int i = 0; i < 100 && w.noted < 6; i++)
        turn(&w, 10);
    append(&w, "a.log.2", "4\n"); /* its writer goes on for a while */
    for (int i = 0; i < 100 && w.noted < 8; i++)
        turn(&w, 10);
    assert_non_null(strstr(w.notes, "2\n"));
    assert_non_null(strstr(w.notes, "3\n"));
    assert_non_null(strstr(w.notes, "4\n"));
    assert_int_equal(w.noted, 8);
    end(&w);
}

/* Its names shift on before we came to look, and a later one has the name that it had in between. */
static void a_file_renamed_twice_before_it_was_seen_is_read(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "1\n");
    expect(&w, "1\n");
    move(&w, "a.log", "a.log.0");
    append(&w, "a.log", "2\n");
    move(&w, "a.log", "a.log.1");
    append(&w, "a.log", "3\n");
    move(&w, "a.log.1", "a.log.2");
    move(&w, "a.log", "a.log.1");
    append(&w, "a.log", "4\n");
    for (int i = 0; i < 100 && w.noted < 8; i++)
        turn(&w, 10);
    assert_non_null(strstr(w.notes, "2\n"));
    assert_non_null(strstr(w.notes, "3\n"));
    assert_non_null(strstr(w.notes, "4\n"));
    assert_int_equal(w.noted, 8);
    end(&w);
}

/* What is made under a name that a rotated file had is none of ours, wherever it goes. */
static void a_name_that_a_rotated_file_had_says_nothing_of_another(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "1\n");
    expect(&w, "1\n");
    move(&w, "a.log", "a.log.1");
    move(&w, "a.log.1", "a.log.2");
    append(&w, "a.log.1", "none of ours\n");
    move(&w, "a.log.1", "a.log.3");
    append(&w, "a.log", "2\n");
    for (int i = 0; i < 100 && w.noted < 4; i++)
        turn(&w, 10);
    turn(&w, 200);
    assert_null(strstr(w.notes, "none of ours"));
    assert_int_equal(w.noted, 4);
    end(&w);
}

/* Its deletion is not seen by its name but by its links, and then its directory goes. */
static void a_directory_goes_with_a_file_that_held_too_much(void **state)
{
    struct world w;
    begin(&w);
    w.config.files.max_deleted_bytes = 4;
    assert_int_equal(mkdir(at(&w, "d"), 0755), 0);
    append(&w, "d/a.log", "1\n");
    expect(&w, "1\n");
    stuff_the_sink(&w);
    append(&w, "d/a.log", "123456789\n");
    turn(&w, 50);
    assert_int_equal(unlink(at(&w, "d/a.log")), 0);
    rotation_bound_deleted(w.files); /* before the event came */
    assert_int_equal(lost(&w), 10);
    assert_int_equal(rmdir(at(&w, "d")), 0);
    turn(&w, 300);
    w.hold = false;
    expect(&w, "1\n1\n");
    end(&w);
}

static void a_file_found_while_a_sink_is_full_is_not_lost(void **state)
{
    struct world w;
    begin(&w);
    stuff_the_sink(&w);
    append(&w, "first.log", "2\n"); /* has its turn before the new one */
    turn(&w, 50);
    append(&w, "new.log", "new\n");
    turn(&w, 200);
    unlink(at(&w, "new.log"));
    turn(&w, 200);
    w.hold = false;
    expect(&w, "1\n2\nnew\n");
    assert_int_equal(lost(&w), 0);
    end(&w);
}

/* More of them than may be open: what goes is known to the byte, also what was added to files that are not open. */
static void what_could_not_be_held_open_is_counted(void **state)
{
    enum { FILES = 10, OPEN = 4 };
    char name[16];
    struct world w;
    begin(&w);
    w.config.files.max_open_files = OPEN;
    w.config.files.scan_interval = 50 * MILLISECOND;
    stuff_the_sink(&w);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d.log", i);
        append(&w, name, "123456789\n");
    }
    turn(&w, 300);
    assert_true(atomic_load(&w.files->stats.open) <= OPEN);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d.log", i);
        append(&w, name, "123456789\n");
    }
    turn(&w, 300);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d.log", i);
        unlink(at(&w, name));
    }
    turn(&w, 300);
    w.hold = false;
    for (int i = 0; i < 500 && w.noted + lost(&w) < 2 + FILES * 20; i++)
        turn(&w, 10);
    assert_int_equal(w.noted + lost(&w), 2 + FILES * 20);
    assert_true(w.noted >= 2 + (OPEN - 1) * 20);
    end(&w);
}

/* Renamed files with unread lines do not use up the descriptors: closed ones are found again by their name. */
static void renamed_files_are_bounded_too(void **state)
{
    enum { FILES = 10, OPEN = 4 };
    char name[16], old[16];
    struct world w;
    begin(&w);
    w.config.files.max_open_files = OPEN;
    stuff_the_sink(&w);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%d.log", i);
        snprintf(old, sizeof old, "%d.log.1", i);
        append(&w, name, "123456789\n");
        turn(&w, 20);
        move(&w, name, old);
    }
    turn(&w, 300);
    assert_true(atomic_load(&w.files->stats.open) <= OPEN);
    w.hold = false;
    for (int i = 0; i < 500 && w.noted < 2 + FILES * 10; i++)
        turn(&w, 10);
    assert_int_equal(w.noted, 2 + FILES * 10);
    assert_int_equal(lost(&w), 0);
    end(&w);
}

enum { LINES = 20000, ROTATE_EVERY = 2500 };

static void rotate(struct world *w, int how, int n, int *fd)
{
    char name[32];
    if (how == 0) {
        snprintf(name, sizeof name, "a.log.%d", n);
        move(w, "a.log", name);
        usleep(2000);
    } else {
        snprintf(name, sizeof name, how == 1 ? "a.log.%d" : "a-%d.log", n);
        copy(w, "a.log", name);
        assert_int_equal(ftruncate(*fd, 0), 0);
    }
    if (how == 0) {
        close(*fd);
        *fd = open(at(w, "a.log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    }
}

static void write_at_speed(struct world *w, int how)
{
    int fd = open(at(w, "a.log"), O_WRONLY | O_CREAT | O_APPEND, 0644);
    for (int i = 0; i < LINES; i++) {
        char line[64];
        int n = snprintf(line, sizeof line, "number %08d of them\n", i);
        if (write(fd, line, (size_t)n / 2) < 0 || write(fd, line + n / 2, (size_t)(n - n / 2)) < 0)
            _exit(1);
        if (i % ROTATE_EVERY == ROTATE_EVERY - 1) {
            usleep(20000);
            rotate(w, how, i / ROTATE_EVERY, &fd);
        } else if (i % 200 == 0)
            usleep(500);
    }
    _exit(0);
}

static void rotated_at_speed(int how)
{
    struct world w;
    begin(&w);
    w.config.files.partial_flush = 5 * SECOND;
    w.beside = true;
    pid_t pid = fork();
    if (pid == 0)
        write_at_speed(&w, how);
    for (int i = 0; i < 3000 && w.noted < (size_t)LINES * 24; i++)
        turn(&w, 10);
    turn(&w, 300);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    unsigned char *seen = calloc(LINES, 1);
    int total = 0;
    for (char *line = strtok(w.notes, "\n"); line; line = strtok(NULL, "\n")) {
        int i = -1;
        if (sscanf(line, "number %d of them", &i) != 1 || strlen(line) != 23 || seen[i]++)
            fail_msg("torn or twice: '%s'", line);
        total++;
    }
    free(seen);
    assert_int_equal(total, LINES);
    end(&w);
}

static void nothing_is_lost_at_speed_by_rename(void **state)
{
    rotated_at_speed(0);
}

static void nothing_is_lost_at_speed_by_copytruncate(void **state)
{
    rotated_at_speed(1);
}

static void nothing_is_lost_at_speed_by_copies_that_match(void **state)
{
    rotated_at_speed(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(renamed_and_created_anew),
        TEST(renamed_while_closed_and_to_a_name_that_matches),
        TEST(a_renamed_file_is_followed_after_it_was_quiet),
        TEST(a_file_that_comes_back_goes_on_where_it_was),
        TEST(truncated_by_copytruncate),
        TEST(a_copy_that_matches_is_not_read_twice),
        TEST(truncated_and_grown_beyond),
        TEST(deleted_while_open),
        TEST(a_used_inode_is_another_generation),
        TEST(a_link_is_switched),
        TEST(deleted_files_hold_a_bounded_number_of_bytes),
        TEST(a_file_that_waits_for_its_turn_stays_open),
        TEST(a_file_renamed_before_it_was_seen_is_read),
        TEST(a_file_renamed_twice_before_it_was_seen_is_read),
        TEST(a_name_that_a_rotated_file_had_says_nothing_of_another),
        TEST(a_directory_goes_with_a_file_that_held_too_much),
        TEST(a_file_found_while_a_sink_is_full_is_not_lost),
        TEST(what_could_not_be_held_open_is_counted),
        TEST(renamed_files_are_bounded_too),
        TEST(nothing_is_lost_at_speed_by_rename),
        TEST(nothing_is_lost_at_speed_by_copytruncate),
        TEST(nothing_is_lost_at_speed_by_copies_that_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
