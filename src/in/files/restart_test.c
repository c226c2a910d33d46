/* What happened to the files while logcap was down. */
#include <zlib.h>
#include <zstd.h>

#include "files_world.h"

static void compress_gzip(struct world *w, const char *from, const char *to)
{
    char buf[4096];
    int in = open(at(w, from), O_RDONLY);
    ssize_t n = read(in, buf, sizeof buf);
    gzFile out = gzopen(at(w, to), "wb");
    assert_int_equal(gzwrite(out, buf, (unsigned)n), n);
    gzclose(out);
    close(in);
    unlink(at(w, from));
}

static void compress_zstd(struct world *w, const char *from, const char *to)
{
    char buf[4096], packed[8192];
    int in = open(at(w, from), O_RDONLY), out = open(at(w, to), O_WRONLY | O_CREAT, 0644);
    ssize_t n = read(in, buf, sizeof buf);
    size_t size = ZSTD_compress(packed, sizeof packed, buf, (size_t)n, 3);
    assert_int_equal(write(out, packed, size), size);
    close(in);
    close(out);
    unlink(at(w, from));
}

static void rename_it(struct world *w)
{
    move(w, "a.log", "a.log.1");
}

static void gzip_it(struct world *w)
{
    compress_gzip(w, "a.log", "a.log.1.gz");
}

static void zstd_it(struct world *w)
{
    compress_zstd(w, "a.log", "a.log-20261121.zst");
}

static void copytruncate_it(struct world *w)
{
    copy(w, "a.log", "a.log.1");
    assert_int_equal(truncate(at(w, "a.log"), 0), 0);
}

static void restart_with(void (*rotate)(struct world *))
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    end_process(&w);
    append(&w, "a.log", "two\nlast");
    rotate(&w);
    append(&w, "a.log", "new\n");
    assert_true(begin_process(&w));
    turn(&w, 1500);
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nlast\nnew\n"));
    assert_non_null(strstr(w.notes, "two\n"));
    assert_non_null(strstr(w.notes, "last\n"));
    assert_int_equal(lost(&w), 0);
    end_process(&w);
    assert_true(begin_process(&w)); /* and nothing comes again */
    turn(&w, 300);
    assert_int_equal(strlen(w.notes), strlen("one\ntwo\nlast\nnew\n"));
    append(&w, "a.log", "more\n");
    turn(&w, 300);
    assert_non_null(strstr(w.notes, "more\n"));
    end(&w);
}

/* Killed while the rest in a copy is on its way: the copy is known again by its bytes before the position. */
static void a_rest_is_gone_on_with(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    end_process(&w);
    append(&w, "a.log", "two\n");
    gzip_it(&w);
    append(&w, "a.log", "new\n");
    assert_true(begin_process(&w));
    for (int i = 0; i < 100 && w.noted < 12; i++)
        turn(&w, 5);
    uint64_t tail = 0;
    for (struct file *file = w.files->all; file; file = file->next_all)
        if (file->rest)
            tail = file->tail_hash;
    assert_true(tail == fingerprint("one\ntwo\n", 8));
    end_process(&w); /* before it is known to be done */
    assert_true(begin_process(&w));
    turn(&w, 300);
    assert_int_equal(w.noted, 12);
    assert_int_equal(lost(&w), 0);
    end(&w);
}

/* What cannot be unpacked is counted, to the byte as far as the file was seen. */
static void a_damaged_rest_is_counted(void **state)
{
    enum { LINES = 150, BYTES = LINES * 20 };
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    w.hold = true;
    for (unsigned i = 0; i < LINES; i++) {
        char line[32];
        snprintf(line, sizeof line, "%019llu\n", i * 6364136223846793005ull % 10000000000000000000ull);
        append(&w, "a.log", line);
    }
    turn(&w, 100);
    end_process(&w);
    w.hold = false;
    gzip_it(&w);
    struct stat st;
    assert_int_equal(stat(at(&w, "a.log.1.gz"), &st), 0);
    assert_int_equal(truncate(at(&w, "a.log.1.gz"), st.st_size / 2), 0);
    assert_true(begin_process(&w));
    turn(&w, 500);
    assert_true(w.noted > 1000 && w.noted < BYTES);
    assert_int_equal(w.noted - strlen("one\n") - strlen("\n") + lost(&w), BYTES); /* the torn line was given an end */
    end(&w);
}

static void a_rotation_while_down_is_found(void **state)
{
    restart_with(rename_it);
    restart_with(gzip_it);
    restart_with(zstd_it);
    restart_with(copytruncate_it);
}

/* Where logrotate's olddir may be: a sub-directory, one that is configured, one that a glob reaches. */
static const char *const old_directories[] = {"old", "archive/all", "else/deep"};

static void to_old_directory(struct world *w, const char *directory, bool compressed)
{
    char to[64], packed[80];
    snprintf(to, sizeof to, "%s/a.log.1", directory);
    snprintf(packed, sizeof packed, "%s.gz", to);
    move(w, "logs/a.log", to);
    if (compressed)
        compress_gzip(w, to, packed);
}

static void rotated_into_an_old_directory(unsigned which, bool compressed, bool down)
{
    char archive[96], reached[96];
    const char *rotated[] = {archive};
    struct world w;
    prepare(&w);
    snprintf(archive, sizeof archive, "%s/archive/all", w.dir);
    snprintf(reached, sizeof reached, "%s/else/deep/*.txt", w.dir);
    snprintf(w.pattern, sizeof w.pattern, "%s/logs/*.log", w.dir);
    w.paths[1] = reached;
    w.group.paths.n = 2;
    w.config.files.rotated_directories = (struct string_list){rotated, 1};
    const char *make[] = {"logs", "logs/old", "archive", "archive/all", "else", "else/deep"};
    for (unsigned i = 0; i < sizeof make / sizeof *make; i++)
        mkdir(at(&w, make[i]), 0755);
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    assert_true(begin_process(&w));
    append(&w, "logs/a.log", "one\n");
    expect(&w, "one\n");
    turn(&w, 1000); /* closed */
    if (down)
        end_process(&w);
    append(&w, "logs/a.log", "two\n");
    to_old_directory(&w, which ? old_directories[which] : "logs/old", compressed);
    append(&w, "logs/a.log", "new\n");
    if (down)
        assert_true(begin_process(&w));
    turn(&w, 1000);
    assert_int_equal(w.noted, 12);
    assert_non_null(strstr(w.notes, "two\n"));
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void a_rotation_into_another_directory_is_found(void **state)
{
    for (unsigned which = 0; which < 3; which++) {
        rotated_into_an_old_directory(which, false, true);
        rotated_into_an_old_directory(which, true, true);
        rotated_into_an_old_directory(which, false, false);
    }
}

static void add_unread(struct source *s, void *unread)
{
    uint64_t offset = atomic_load(&s->offset), size = atomic_load(&s->size);
    *(uint64_t *)unread += size - offset;
}

static uint64_t unread(void)
{
    uint64_t n = 0;
    sources_walk(add_unread, &n);
    return n;
}

static void what_was_delivered_before_a_restart_is_not_unread(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    move(&w, "a.log", "a.log.1");
    append(&w, "a.log", "new\n");
    expect(&w, "one\nnew\n");
    end_process(&w);
    assert_true(begin_process(&w));
    turn(&w, 300);
    assert_int_equal(sources_count(), 2);
    assert_int_equal(unread(), 0);
    end(&w);
}

/* All of it was delivered and it was closed; its writer goes on while logcap is down, and after it was quiet again. */
static void a_renamed_file_is_followed_over_a_restart(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    move(&w, "a.log", "a.log.1");
    turn(&w, 1500);
    end_process(&w);
    append(&w, "a.log.1", "two\n");
    assert_true(begin_process(&w));
    expect(&w, "one\ntwo\n");
    turn(&w, 1500);
    end_process(&w);
    assert_true(begin_process(&w));
    turn(&w, 200);
    append(&w, "a.log.1", "three\n");
    expect(&w, "one\ntwo\nthree\n");
    end(&w);
}

static void what_is_gone_while_down_is_counted(void **state)
{
    struct world w;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    w.hold = true;
    append(&w, "a.log", "two\n");
    turn(&w, 300);
    end_process(&w);
    unlink(at(&w, "a.log"));
    w.hold = false;
    assert_true(begin_process(&w));
    turn(&w, 200);
    assert_int_equal(lost(&w), 4);
    end(&w);
}

/* The beginning of a line that is far too long was delivered, and there it stopped. */
static void begin_within_a_cut_line(struct world *w, char *line, size_t length)
{
    prepare(w);
    w->group.long_lines = LONG_CUT;
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    memset(line, 'x', length);
    line[length] = 0;
    append(w, "a.log", "one\n");
    append(w, "a.log", line);
    assert_true(begin_process(w));
    turn(w, 200);
    assert_int_equal(w->noted, 4 + 1024 + 1);
}

static void the_rest_of_a_cut_line_is_none_after_a_restart_either(void **state)
{
    static void (*const rotate[])(struct world *) = {NULL, rename_it, copytruncate_it, gzip_it};
    enum { LONG = 3000 };
    char line[LONG + 1];
    for (unsigned i = 0; i < sizeof rotate / sizeof *rotate; i++) {
        struct world w;
        begin_within_a_cut_line(&w, line, LONG);
        end_process(&w);
        append(&w, "a.log", "still the rest\ntwo\n");
        if (rotate[i])
            rotate[i](&w);
        assert_true(begin_process(&w));
        turn(&w, 300);
        assert_int_equal(w.noted, 4 + 1024 + 1 + 4);
        assert_string_equal(w.notes + w.noted - 5, "\ntwo\n");
        end(&w);
    }
}

static void the_rest_of_a_cut_line_is_none_in_a_copy(void **state)
{
    enum { LONG = 3000 };
    char line[LONG + 1];
    struct world w;
    begin_within_a_cut_line(&w, line, LONG);
    append(&w, "a.log", "still the rest\ntwo\n");
    copytruncate_it(&w);
    append(&w, "a.log", "three\n");
    turn(&w, 500);
    assert_int_equal(w.noted, 4 + 1024 + 1 + 4 + 6);
    end(&w);
}

/* Not longer than a line may be, and so not cut, though nothing but this line lies before the position. */
static void a_partial_line_goes_on_after_a_restart(void **state)
{
    enum { LENGTH = 1024 };
    char line[LENGTH + 1];
    struct world w;
    prepare(&w);
    w.group.long_lines = LONG_CUT;
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    memset(line, 'x', LENGTH);
    line[LENGTH] = 0;
    append(&w, "a.log", line);
    assert_true(begin_process(&w));
    turn(&w, 600); /* partial_flush */
    assert_int_equal(w.noted, LENGTH + 1);
    end_process(&w);
    append(&w, "a.log", "rest\n");
    assert_true(begin_process(&w));
    turn(&w, 200);
    assert_int_equal(w.noted, LENGTH + 1 + 5);
    end(&w);
}

static void start_at_end_skips_only_what_was_there(void **state)
{
    struct world w;
    prepare(&w);
    w.group.start_at = START_END;
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    append(&w, "a.log", "old\n");
    assert_true(begin_process(&w));
    turn(&w, 100);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "b.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rest_is_gone_on_with),
        TEST(a_damaged_rest_is_counted),
        TEST(a_rotation_while_down_is_found),
        TEST(what_was_delivered_before_a_restart_is_not_unread),
        TEST(a_renamed_file_is_followed_over_a_restart),
        TEST(a_rotation_into_another_directory_is_found),
        TEST(what_is_gone_while_down_is_counted),
        TEST(the_rest_of_a_cut_line_is_none_after_a_restart_either),
        TEST(the_rest_of_a_cut_line_is_none_in_a_copy),
        TEST(a_partial_line_goes_on_after_a_restart),
        TEST(start_at_end_skips_only_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
