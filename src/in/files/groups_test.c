#include "in/files/groups.h"

#include "base/census.h"
#include "files_world.h"

static size_t things_alive(void)
{
    struct census c;
    assert_true(census_take(&c));
    size_t n = c.n;
    census_drop(&c);
    return n;
}

/* A second configuration beside the world's own. */
struct other {
    struct config config;
    struct files_group group;
    const char *paths[2];
    char pattern[96];
};

static void copy_config(struct other *o, struct world *w, const char *pattern)
{
    snprintf(o->pattern, sizeof o->pattern, "%s/%s", w->dir, pattern);
    o->config = w->config;
    o->group = w->group;
    o->paths[0] = o->pattern;
    o->group.paths = (struct string_list){o->paths, 1};
    o->config.files.groups = &o->group;
}

static void another_pattern_is_followed_and_what_stays_goes_on(void **state)
{
    struct world w;
    struct other o;
    begin(&w);
    append(&w, "a.log", "one\n");
    append(&w, "b.txt", "text\n");
    expect(&w, "one\n");
    copy_config(&o, &w, "*.{log,txt}");
    assert_int_equal(files_reload(w.files, &o.config), 0);
    expect(&w, "one\ntext\n");
    append(&w, "a.log", "two\n");
    expect(&w, "one\ntext\ntwo\n");
    append(&w, "b.txt", "more\n");
    expect(&w, "one\ntext\ntwo\nmore\n");
    end(&w);
}

static void what_is_no_longer_named_rests_and_goes_on_when_it_is_again(void **state)
{
    struct world w;
    struct other o;
    begin(&w);
    append(&w, "a.log", "one\n");
    append(&w, "b.log", "bee\n");
    expect(&w, "one\nbee\n");
    copy_config(&o, &w, "b.log");
    assert_int_equal(files_reload(w.files, &o.config), 0);
    turn(&w, 100);
    append(&w, "a.log", "two\n");
    append(&w, "b.log", "bees\n");
    expect(&w, "one\nbee\nbees\n");
    turn(&w, 300); /* scans */
    assert_int_equal(files_reload(w.files, &w.config), 0);
    expect(&w, "one\nbee\nbees\ntwo\n");
    end(&w);
}

static void what_is_under_way_does_not_come_twice(void **state)
{
    struct world w;
    struct other o;
    begin(&w);
    w.hold = true;
    append(&w, "a.log", "one\ntwo\n");
    turn(&w, 100);
    copy_config(&o, &w, "?.log");
    assert_int_equal(files_reload(w.files, &o.config), 0);
    append(&w, "a.log", "three\n");
    turn(&w, 100);
    copy_config(&o, &w, "nothing");
    assert_int_equal(files_reload(w.files, &o.config), 0);
    turn(&w, 100);
    assert_int_equal(files_reload(w.files, &w.config), 0);
    turn(&w, 100);
    w.hold = false;
    expect(&w, "one\ntwo\nthree\n");
    end(&w);
}

static void an_open_record_is_ended_by_the_new_rules(void **state)
{
    struct world w;
    struct other o;
    prepare(&w);
    w.group.multiline.start = "^[a-z]";
    w.group.multiline.max_lines = 100;
    w.group.multiline.timeout = 60 * SECOND;
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    assert_true(begin_process(&w));
    append(&w, "a.log", "one\n 1\n");
    turn(&w, 100);
    assert_int_equal(w.noted, 0);
    copy_config(&o, &w, "*.log");
    o.group.multiline.start = "";
    assert_int_equal(files_reload(w.files, &o.config), 0);
    expect(&w, "one\n 1\n");
    end(&w);
}

/* What was read of a rotated file waits in memory, and is more than a turn of the new configuration reads. */
static void a_rest_goes_on_with_shorter_lines(void **state)
{
    enum { LINE = 600 * 1000 };
    struct world w;
    struct other o;
    char *text = malloc(2 * LINE + 1);
    memset(text, 'x', 2 * LINE);
    text[LINE - 1] = text[2 * LINE - 1] = '\n';
    text[2 * LINE] = 0;
    prepare(&w);
    w.config.files.max_line_bytes = 1 << 20;
    assert_int_equal(scope_begin(&w.scope, &scope_root, "world"), 0);
    assert_true(begin_process(&w));
    append(&w, "a.log", "1\n");
    expect(&w, "1\n");
    w.sink_config.queue_size = 1;
    w.hold = true;
    append(&w, "a.log", text);
    copy(&w, "a.log", "a.log.1");
    assert_int_equal(truncate(at(&w, "a.log"), 0), 0);
    turn(&w, 200); /* one line is at the sink, a part of the other in memory */
    copy_config(&o, &w, "*.log");
    o.config.files.max_line_bytes = 1000;
    assert_int_equal(files_reload(w.files, &o.config), 0);
    w.hold = false;
    for (int i = 0; i < 500 && w.noted < 2 + 2 * LINE; i++)
        turn(&w, 10);
    assert_int_equal(w.noted, 2 + 2 * LINE + (LINE - 1) / 1000); /* the second one is split */
    free(text);
    end(&w);
}

static void a_deleted_file_is_read_on_only_while_it_is_named(void **state)
{
    struct world w;
    struct other o;
    begin(&w);
    w.hold = true;
    append(&w, "a.log", "one\n");
    append(&w, "b.log", "bee\n");
    turn(&w, 100);
    unlink(at(&w, "a.log"));
    unlink(at(&w, "b.log"));
    copy_config(&o, &w, "b.log");
    assert_int_equal(files_reload(w.files, &o.config), 0);
    w.hold = false;
    expect(&w, "one\nbee\n"); /* had been read before */
    end(&w);
}

static void what_is_no_longer_named_is_forgotten_when_it_is_gone(void **state)
{
    struct world w;
    struct other o;
    begin(&w);
    append(&w, "a.log", "one\n");
    append(&w, "b.log", "bee\n");
    expect(&w, "one\nbee\n");
    copy_config(&o, &w, "b.log");
    assert_int_equal(files_reload(w.files, &o.config), 0);
    turn(&w, 1500);
    assert_int_equal(atomic_load(&w.files->stats.files), 2);
    append(&w, "a.log", "unread\n");
    move(&w, "a.log", "a.log.1");
    turn(&w, 1000);
    assert_int_equal(atomic_load(&w.files->stats.files), 2);
    unlink(at(&w, "a.log.1"));
    for (int i = 0; i < 500 && atomic_load(&w.files->stats.files) > 1; i++)
        turn(&w, 20);
    assert_int_equal(atomic_load(&w.files->stats.files), 1);
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void what_cannot_be_used_changes_nothing(void **state)
{
    struct world w;
    struct other o;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    copy_config(&o, &w, "*.txt");
    o.group.multiline.start = "(";
    assert_int_equal(files_reload(w.files, &o.config), -EINVAL);
    append(&w, "a.log", "two\n");
    expect(&w, "one\ntwo\n");
    end(&w);
}

static void many_changes_leave_nothing_behind(void **state)
{
    struct world w;
    struct other o;
    begin(&w);
    append(&w, "a.log", "one\n");
    expect(&w, "one\n");
    uint64_t directories = atomic_load(&w.files->stats.directories);
    size_t things = things_alive();
    for (int i = 0; i < 200; i++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "d%d/*.log", i);
        copy_config(&o, &w, pattern);
        assert_int_equal(files_reload(w.files, &o.config), 0);
        turn(&w, 5);
        assert_int_equal(files_reload(w.files, &w.config), 0);
        turn(&w, 5);
    }
    append(&w, "a.log", "two\n");
    expect(&w, "one\ntwo\n");
    turn(&w, 300);
    assert_int_equal(atomic_load(&w.files->stats.directories), directories);
    assert_int_equal(things_alive(), things);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(another_pattern_is_followed_and_what_stays_goes_on),
        TEST(what_is_no_longer_named_rests_and_goes_on_when_it_is_again),
        TEST(what_is_under_way_does_not_come_twice),
        TEST(an_open_record_is_ended_by_the_new_rules),
        TEST(a_rest_goes_on_with_shorter_lines),
        TEST(a_deleted_file_is_read_on_only_while_it_is_named),
        TEST(what_is_no_longer_named_is_forgotten_when_it_is_gone),
        TEST(what_cannot_be_used_changes_nothing),
        TEST(many_changes_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
