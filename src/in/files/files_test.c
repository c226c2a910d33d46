#include "in/files/files.h"

#include "files_world.h"
#include "in/files/events.h"

static void only_regular_files_are_opened(void **state)
{
    struct world w;
    begin(&w);
    assert_int_equal(mkfifo(at(&w, "f.log"), 0644), 0);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    unlink(at(&w, "a.log"));
    assert_int_equal(mkfifo(at(&w, "a.log"), 0644), 0);
    append(&w, "b.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

/* A pattern that matches rotated files too: compressed bytes are no lines, now or after a restart. */
static void compressed_files_are_not_read_as_text(void **state)
{
    static const char gzip[] = "\x1f\x8b\x08\x01\x01\x01\x01\x01\x02\x03no text\n at all\n";
    struct world w;
    begin(&w);
    append(&w, "packed.log", gzip);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    assert_non_null(strstr(w.files->all->next_all->source->error, "compressed"));
    end_process(&w);
    unlink(at(&w, "packed.log"));
    assert_true(begin_process(&w));
    append(&w, "a.log", "two\n");
    expect(&w, "one\ntwo\n");
    assert_int_equal(lost(&w), 0); /* nothing of it was for us */
    end(&w);
}

static void descriptors_are_bounded(void **state)
{
    struct world w;
    begin(&w);
    char name[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%d.log", i);
        append(&w, name, "x\n");
    }
    for (int i = 0; i < 1000 && w.noted < 4000; i++) {
        turn(&w, 10);
        assert_true(atomic_load(&w.files->stats.open) <= 64);
    }
    assert_int_equal(w.noted, 4000);
    append(&w, "7.log", "y\n");
    turn(&w, 100);
    assert_int_equal(w.noted, 4002);
    end(&w);
}

static void a_directory_vanishes_and_comes_back(void **state)
{
    struct world w;
    begin(&w);
    mkdir(at(&w, "d"), 0755);
    append(&w, "d/a.log", "one\n");
    expect(&w, "one\n");
    unlink(at(&w, "d/a.log"));
    rmdir(at(&w, "d"));
    turn(&w, 300);
    mkdir(at(&w, "d"), 0755);
    append(&w, "d/a.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

static void scans_find_what_no_event_told(void **state)
{
    struct world w;
    begin(&w);
    events_end(w.files);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    append(&w, "a.log", "two\n");
    expect(&w, "one\ntwo\n");
    move(&w, "a.log", "a.log.1");
    append(&w, "a.log", "three\n");
    expect(&w, "one\ntwo\nthree\n");
    end(&w);
}

static void a_full_sink_stops_the_reader_and_nothing_is_lost(void **state)
{
    struct world w;
    begin(&w);
    w.sink_config.queue_size = 2000;
    w.hold = true;
    size_t want = 0;
    for (int i = 0; i < 3000; i++) {
        char line[32];
        want += (size_t)snprintf(line, sizeof line, "line %d\n", i);
        append(&w, "a.log", line);
    }
    turn(&w, 300);
    assert_true(atomic_load(&w.sink.held) < 20000 + 1024 * 1024 && w.noted == 0);
    w.hold = false;
    for (int i = 0; i < 500 && w.noted < want; i++)
        turn(&w, 10);
    assert_int_equal(w.noted, want);
    end(&w);
}

static void no_permission_is_said_and_tried_again(void **state)
{
    struct world w;
    prepare(&w);
    append(&w, "a.log", "one\n");
    chmod(at(&w, "a.log"), 0);
    chmod(w.dir, 0755);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    assert_true(begin_process(&w));
    turn(&w, 250);
    assert_int_equal(w.noted, 0);
    assert_true(w.files->all->failed);
    assert_int_equal(atomic_load(&w.files->all->source->state), SOURCE_FAILED);
    assert_string_equal(w.files->all->source->error, "cannot open: Permission denied");
    assert_int_equal(seteuid(getuid()), 0);
    chmod(at(&w, "a.log"), 0644);
    expect(&w, "one\n");
    assert_null(w.files->all->source->error);
    end(&w);
}

static void live_once(void)
{
    struct world w;
    prepare(&w);
    append(&w, "a.log", "one\ntwo");
    if (scope_begin(&w.scope, &scope_root, "world") < 0) {
        clean(&w);
        return;
    }
    if (begin_process(&w)) {
        turn(&w, 10);
    }
    end(&w);
}

static void each_call_may_fail(void **state)
{
    TORTURE(live_once);
}

static void why_says_which_rule_decides(void **state)
{
    struct world w;
    struct buf out;
    begin(&w);
    w.group.exclude = (struct string_list){w.excludes, 1};
    w.excludes[0] = "debug.*";
    assert_int_equal(buf_begin(&out, &w.scope, "why", 4096), 0);
    append(&w, "debug.log", "");
    assert_int_equal(files_why(&w.config, at(&w, "debug.log"), &out), 0);
    assert_non_null(strstr(out.data, "debug.* excludes it"));
    buf_clear(&out);
    assert_int_equal(files_why(&w.config, at(&w, "x.txt"), &out), 0);
    assert_non_null(strstr(out.data, "no pattern matches"));
    assert_non_null(strstr(out.data, "No such file"));
    buf_end(&out);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_regular_files_are_opened),
        TEST(compressed_files_are_not_read_as_text),
        TEST(descriptors_are_bounded),
        TEST(a_directory_vanishes_and_comes_back),
        TEST(scans_find_what_no_event_told),
        TEST(a_full_sink_stops_the_reader_and_nothing_is_lost),
        TEST(no_permission_is_said_and_tried_again),
        TEST(each_call_may_fail),
        TEST(why_says_which_rule_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
