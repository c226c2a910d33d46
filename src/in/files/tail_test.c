#include "in/files/tail.h"

#include "files_world.h"

static void lines_arrive_as_they_are(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\ntwo\r\n");
    expect(&w, "one\ntwo\n");
    append(&w, "a.log", "bad \xff utf\n\n");
    expect(&w, "one\ntwo\nbad \xff utf\n\n");
    assert_int_equal(mkdir(at(&w, "sub"), 0755), 0);
    append(&w, "sub/b.log", "new\n");
    append(&w, "sub/b.txt", "no\n");
    expect(&w, "one\ntwo\nbad \xff utf\n\nnew\n");
    end(&w);
}

/* More lines than a batch has marks for, all within one chunk: the rest must not pass for a partial line. */
static void short_lines_fill_several_batches(void **state)
{
    enum { LINES = 50000 };
    struct world w;
    begin(&w);
    char *text = malloc(2 * LINES + 1);
    for (int i = 0; i < LINES; i++)
        memcpy(text + 2 * i, "x\n", 2);
    text[2 * LINES] = 0;
    w.config.files.partial_flush = w.config.files.idle_close = HOUR; /* nothing may have to wait for them */
    append(&w, "a.log", text);
    expect(&w, text);
    free(text);
    end(&w);
}

static void a_partial_line_waits_for_its_end(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\ntw");
    expect(&w, "one\n");
    append(&w, "a.log", "o\nthr");
    expect(&w, "one\ntwo\n");
    expect(&w, "one\ntwo\nthr\n"); /* after partial_flush */
    append(&w, "a.log", "ee\n");
    expect(&w, "one\ntwo\nthr\nee\n");
    end(&w);
}

static void a_multi_line_record_and_a_partial_line_each_wait_their_time(void **state)
{
    struct world w;
    prepare(&w);
    w.group.multiline = (struct multiline_config){.start = "^S", .max_lines = 10, .timeout = 100 * MILLISECOND};
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    assert_true(begin_process(&w));
    append(&w, "a.log", "S1\n more\nS2\n and\npart");
    turn(&w, 50);
    assert_string_equal(w.notes, "S1\n more\n");
    turn(&w, 150);
    assert_string_equal(w.notes, "S1\n more\nS2\n and\n");
    append(&w, "a.log", "ial\n");
    expect(&w, "S1\n more\nS2\n and\npartial\n");
    end(&w);
}

/* More lines in one record than a batch has marks for: it goes in parts, and the file goes on. */
static void a_record_of_many_lines_does_not_stop_the_file(void **state)
{
    enum { LENGTH = 100000 };
    struct world w;
    char *text = calloc(1, 2 * LENGTH + 8);
    prepare(&w);
    w.config.files.max_line_bytes = 64 * 1024;
    w.group.multiline = (struct multiline_config){.start = "^S", .max_lines = 1000000, .timeout = 100 * MILLISECOND};
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    for (int i = 0; i < LENGTH; i++)
        memcpy(text + 2 * i, "x\n", 2);
    memcpy(text + 2 * LENGTH, "S2\n", 3);
    append(&w, "a.log", text);
    assert_true(begin_process(&w));
    expect(&w, text);
    free(text);
    end(&w);
}

static void long_lines(struct world *w, enum long_lines how)
{
    char line[3001] = "";
    prepare(w);
    w->group.long_lines = how;
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    memset(line, 'x', 3000);
    append(w, "a.log", line);
    append(w, "a.log", "\nend\n");
    assert_true(begin_process(w));
}

static void a_long_line_is_split(void **state)
{
    struct world w;
    char want[4000] = "";
    long_lines(&w, LONG_SPLIT);
    sprintf(want, "%01024d\n%01024d\n%0952d\nend\n", 0, 0, 0);
    for (char *p = want; *p; p++)
        if (*p == '0')
            *p = 'x';
    expect(&w, want);
    end(&w);
}

/* Many records of one line that has no end yet: only the last piece waits. */
static void a_line_without_end_is_split_at_once(void **state)
{
    struct world w;
    char line[20001] = "";
    begin(&w);
    w.config.files.partial_flush = w.config.files.idle_close = HOUR;
    memset(line, 'x', 20000);
    append(&w, "a.log", line);
    turn(&w, 100);
    assert_int_equal(w.noted, 20000 / 1024 * 1025);
    end(&w);
}

static void a_long_line_is_cut_and_the_cut_bytes_are_counted(void **state)
{
    struct world w;
    char want[4000] = "";
    long_lines(&w, LONG_CUT);
    sprintf(want, "%01024d\nend\n", 0);
    for (char *p = want; *p; p++)
        if (*p == '0')
            *p = 'x';
    expect(&w, want);
    assert_int_equal(atomic_load(&w.files->all->source->cut_bytes), 3000 - 1024);
    end(&w);
}

/* The long line has no mark to be split with: the lines behind it wait for the next batch. */
static void a_long_line_is_split_where_marks_are_scarce(void **state)
{
    enum { LONG = 1030, LINES = 3000 };
    struct world w;
    char *text = calloc(1, LONG + 2 * LINES + 2), *want = calloc(1, LONG + 2 * LINES + 3);
    begin(&w);
    memset(text, 'x', LONG);
    text[LONG] = '\n';
    for (int i = 0; i < LINES; i++)
        memcpy(text + LONG + 1 + 2 * i, "y\n", 2);
    sprintf(want, "%.1024s\n%s", text, text + 1024);
    append(&w, "a.log", text);
    expect(&w, want);
    free(text);
    free(want);
    end(&w);
}

/* The rest of a cut line lies before a record that waits: it is not read again when that is. */
static void the_rest_of_a_cut_line_is_no_record(void **state)
{
    enum { CHUNK = 1024 + 64 * 1024 };
    struct world w;
    char *text = calloc(1, CHUNK + 200);
    prepare(&w);
    w.group.multiline = (struct multiline_config){.start = "^S", .max_lines = 10, .timeout = 100 * MILLISECOND};
    w.group.long_lines = LONG_CUT;
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    memset(text, 'x', CHUNK + 100);
    text[0] = 'S';
    strcat(text, "\nS2\n and\n");
    append(&w, "a.log", text);
    assert_true(begin_process(&w));
    sprintf(text + 1024, "\nS2\n and\n");
    expect(&w, text);
    assert_int_equal(atomic_load(&w.files->all->source->cut_bytes), CHUNK + 100 - 1024);
    free(text);
    end(&w);
}

/* Zeros that waited for their line end turn out to be a hole: what was known of them is not believed of what follows. */
static void a_hole_that_began_as_a_line_is_forgotten(void **state)
{
    struct world w;
    char text[4097] = "";
    begin(&w);
    w.config.files.partial_flush = w.config.files.idle_close = HOUR;
    w.config.files.max_line_bytes = 64 << 10;
    memset(text, 'x', 4095);
    text[4095] = '\n';
    append(&w, "a.log", text);
    turn(&w, 50);
    assert_int_equal(w.noted, 4096);
    assert_int_equal(truncate(at(&w, "a.log"), 8192), 0);
    turn(&w, 50);
    assert_int_equal(truncate(at(&w, "a.log"), 4 << 20), 0);
    append(&w, "a.log", "end\n");
    turn(&w, 300);
    assert_string_equal(w.notes + 4096, "end\n");
    end(&w);
}

static void a_hole_does_not_hold_up_the_rest(void **state)
{
    struct world w;
    begin(&w);
    int fd = open(at(&w, "a.log"), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(ftruncate(fd, INT64_C(100) << 30), 0);
    assert_int_equal(pwrite(fd, "end\n", 4, (INT64_C(100) << 30)), 4);
    close(fd);
    append(&w, "b.log", "other\n");
    for (int i = 0; i < 500 && !(strstr(w.notes, "other\n") && strstr(w.notes, "end\n")); i++)
        turn(&w, 10);
    assert_non_null(strstr(w.notes, "other\n"));
    assert_true(w.noted < 100000);
    end(&w);
}

/* The clock was an hour ahead and was set right: what follows stays behind what was given, and nothing is stuck. */
static void times_do_not_go_back_with_the_clock(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    const int64_t ahead = w.files->all->last_time = clock_real() + HOUR;
    w.hold = true;
    append(&w, "a.log", "two\nthree\n");
    turn(&w, 200);
    assert_non_null(w.sink.queue.head);
    const struct batch *b = container_of(w.sink.queue.head, struct lease, node)->batch;
    assert_int_equal(b->n, 2);
    assert_true(b->marks[0].time > ahead && b->marks[0].time < ahead + MILLISECOND);
    assert_true(b->marks[1].time > b->marks[0].time && b->marks[1].time < ahead + MILLISECOND);
    w.hold = false;
    expect(&w, "one\ntwo\nthree\n");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(times_do_not_go_back_with_the_clock),
        TEST(lines_arrive_as_they_are),
        TEST(short_lines_fill_several_batches),
        TEST(a_partial_line_waits_for_its_end),
        TEST(a_multi_line_record_and_a_partial_line_each_wait_their_time),
        TEST(a_record_of_many_lines_does_not_stop_the_file),
        TEST(a_long_line_is_split),
        TEST(a_line_without_end_is_split_at_once),
        TEST(a_long_line_is_cut_and_the_cut_bytes_are_counted),
        TEST(a_long_line_is_split_where_marks_are_scarce),
        TEST(the_rest_of_a_cut_line_is_no_record),
        TEST(a_hole_that_began_as_a_line_is_forgotten),
        TEST(a_hole_does_not_hold_up_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
