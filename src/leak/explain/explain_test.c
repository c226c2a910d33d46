#include "leak/explain/explain.h"

#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/probe.h"
#include "base/task.h"
#include "leak/explain/profile_tasks.h"
#include "unit.h"

static const struct task_kind reader = {.name = "reader"}, sender = {.name = "sender"};
static const struct profile_sort sort = {.name = "things", .values = {{"things", "count"}}, .n_values = 1};
static struct buf out;

static const uintptr_t here[] = {10, 20, 30}, there[] = {10, 20, 31};
static const int64_t one[PROFILE_VALUES] = {1}, five[PROFILE_VALUES] = {5};

static void equal_stacks_of_a_kind_are_one(void **state)
{
    struct profile p;
    assert_int_equal(profile_begin(&p, &scope_root, &sort), 0);
    profile_add(&p, here, 3, "a", one, "young", 2000);
    profile_add(&p, here, 3, "a", one, "old", 1000);
    profile_add(&p, here, 3, "a", one, "middle", 1500);
    profile_add(&p, here, 3, "b", five, "other", 500);
    profile_add(&p, here, 2, "a", one, NULL, 0);
    profile_add(&p, there, 3, "a", one, NULL, 3000);
    assert_int_equal(p.n, 4);
    assert_int_equal(profile_total(&p, 0), 10);
    profile_sort_by_value(&p);
    assert_int_equal(p.samples[0].values[0], 5);
    assert_int_equal(p.samples[1].values[0], 3);
    assert_string_equal(p.samples[1].name, "old");
    assert_int_equal(p.samples[1].oldest, 1000);
    profile_sort_by_age(&p);
    assert_string_equal(p.samples[0].name, "other");
    assert_int_equal(p.samples[3].oldest, 0);
    /* It is still found by its stack. */
    profile_add(&p, there, 3, "a", one, NULL, 0);
    assert_int_equal(p.n, 4);
    profile_end(&p);
}

static void keeps_many_apart(void **state)
{
    struct profile p;
    assert_int_equal(profile_begin(&p, &scope_root, &sort), 0);
    for (int round = 0; round < 2; round++)
        for (uintptr_t i = 0; i < 5000; i++)
            profile_add(&p, &i, 1, NULL, one, NULL, 0);
    assert_int_equal(p.n, 5000);
    for (size_t i = 0; i < p.n; i++)
        assert_int_equal(p.samples[i].values[0], 2);
    for (uintptr_t i = 0; i < PROFILE_SAMPLES + 10; i++)
        profile_add(&p, &i, 1, NULL, one, NULL, 0);
    assert_int_equal(p.n, PROFILE_SAMPLES);
    assert_int_equal(p.left_out, 10);
    profile_end(&p);
}

static void tells_what_grew(void **state)
{
    struct profile before, now;
    assert_int_equal(profile_begin(&before, &scope_root, &sort), 0);
    assert_int_equal(profile_begin(&now, &scope_root, &sort), 0);
    profile_add(&before, here, 3, "same", one, NULL, 0);
    profile_add(&now, here, 3, "same", one, NULL, 0);
    profile_add(&before, here, 3, "less", five, NULL, 0);
    profile_add(&now, here, 3, "less", one, NULL, 0);
    profile_add(&before, there, 3, "more", one, NULL, 0);
    profile_add(&now, there, 3, "more", five, NULL, 0);
    profile_add(&before, there, 2, "gone", one, NULL, 0);
    profile_subtract(&now, &before);
    assert_int_equal(now.n, 3);
    profile_sort_by_value(&now);
    assert_string_equal(now.samples[0].kind, "more");
    assert_int_equal(now.samples[0].values[0], 4);
    profile_end(&before);
    profile_end(&now);
}

enum { READERS = 3 };
static struct task readers[READERS], other;

static __attribute__((noinline)) void begin_reader(int i)
{
    assert_int_equal(task_begin(&readers[i], &scope_root, &reader, i ? "young" : "oldest"), 0);
}

static void begin_tasks(void)
{
    probe_prepare();
    /* From one place: a loop that the compiler unrolls has several. */
    for (volatile int i = 0; i < READERS; i++)
        begin_reader(i);
    assert_int_equal(task_begin(&other, &scope_root, &sender, "the \"other\""), 0);
    assert_int_equal(buf_begin(&out, &scope_root, "out", 1 << 20), 0);
}

static void end_tasks(void)
{
    for (int i = 0; i < READERS; i++)
        task_end(&readers[i]);
    task_end(&other);
    buf_end(&out);
}

static void write_as(enum explain_what what, enum explain_form form)
{
    const struct explain_ask ask = {.what = what, .form = form};
    buf_clear(&out);
    assert_int_equal(explain_write(&ask, &scope_root, &out, -1), 0);
}

static void writes_as_go_does(void **state)
{
    begin_tasks();
    write_as(EXPLAIN_GOROUTINE, EXPLAIN_TEXT);
    /* This thread, which asks, is none of them. */
    assert_ptr_equal(strstr(out.data, "goroutine profile: total 4\n3 @ 0x"), out.data);
    assert_non_null(strstr(out.data, "\n# labels: {\"kind\":\"reader\"}\n# oldest: oldest, 0."));
    assert_non_null(strstr(out.data, "\tbegin_reader+0x"));
    assert_non_null(strstr(out.data, "\twrites_as_go_does+0x"));
    write_as(EXPLAIN_GOROUTINE, EXPLAIN_EACH);
    assert_ptr_equal(strstr(out.data, "goroutine "), out.data);
    const char *first = strstr(out.data, "reader \"oldest\"]:\n"), *second = strstr(out.data, "reader \"young\"]:\n");
    assert_true(first && second && first < second);
    assert_non_null(strstr(out.data, "\nbegin_reader(...)\n\t"));
    write_as(EXPLAIN_GOROUTINE, EXPLAIN_JSON);
    assert_ptr_equal(strstr(out.data, "{\"profile\":\"goroutine\",\"total\":4,"), out.data);
    assert_non_null(strstr(out.data, "{\"count\":3,\"kind\":\"reader\",\"oldest\":\"oldest\",\"oldest_age_seconds\":0."));
    assert_non_null(strstr(out.data, "\"oldest\":\"the \\\"other\\\"\""));
    write_as(EXPLAIN_GOROUTINE, EXPLAIN_PLAIN);
    assert_ptr_equal(strstr(out.data, "goroutine: 4 in all in 2 groups\n\n"), out.data);
    assert_non_null(strstr(out.data, "\n3 reader, the oldest \"oldest\" 0 s\n    task_begin "));
    write_as(EXPLAIN_GOROUTINE, EXPLAIN_PPROF);
    assert_memory_equal(out.data, "\x1f\x8b", 2);
    end_tasks();
}

static void counts_descriptors_and_blocks(void **state)
{
    struct fd f;
    begin_tasks();
    assert_int_equal(fd_event(&f, &scope_root, "mine"), 0);
    write_as(EXPLAIN_FDS, EXPLAIN_TEXT);
    assert_non_null(strstr(out.data, "# oldest: mine, "));
    /* Standard input and output, at least. */
    assert_non_null(strstr(out.data, " @ 0x1\n# labels: {\"kind\":\"not in the census\"}"));
    write_as(EXPLAIN_BLOCKS, EXPLAIN_TEXT);
    assert_non_null(strstr(out.data, "# oldest: out, "));
    struct thing handle;
    assert_int_equal(thing_begin(&handle, &scope_root, BIRTH_HANDLE, "a handle", 0, NULL), 0);
    write_as(EXPLAIN_THINGS, EXPLAIN_JSON);
    assert_non_null(strstr(out.data, "{\"count\":1,\"kind\":\"handle\",\"oldest\":\"a handle\""));
    assert_null(strstr(out.data, "reader"));
    thing_end(&handle);
    write_as(EXPLAIN_THREADCREATE, EXPLAIN_TEXT);
    assert_string_equal(out.data, "threadcreate profile: total 0\n");
    fd_close(&f);
    end_tasks();
}

static void ends_at_once_when_told(void **state)
{
    int cancel = eventfd(1, EFD_CLOEXEC);
    begin_tasks();
    for (int i = 0; i < EXPLAINED; i++) {
        const struct explain_ask ask = {.what = (enum explain_what)i, .span = HOUR};
        int64_t before = clock_mono();
        int r = explain_write(&ask, &scope_root, &out, cancel);
        assert_true(r == -ECANCELED || (r == -ENOTSUP && (i == EXPLAIN_HEAP || i == EXPLAIN_ALLOCS)));
        assert_true(clock_mono() - before < MINUTE);
    }
    end_tasks();
    close(cancel);
}

static void knows_names(void **state)
{
    enum explain_what what;
    assert_true(explain_find("goroutine", &what) && what == EXPLAIN_GOROUTINE);
    assert_true(explain_find("profile", &what) && what == EXPLAIN_CPU);
    assert_false(explain_find("mutex", &what));
    assert_false(explain_find("", &what));
}

/* These unit tests have no jemalloc: nothing is written. */
static void says_that_there_is_no_heap_profile(void **state)
{
    char directory[64], path[100];
    struct stat st;
    assert_int_equal(unit_directory(directory, sizeof directory, "explain"), 0);
    snprintf(path, sizeof path, "%s/heap.pb.gz", directory);
    assert_false(explain_has_heap());
    assert_int_equal(explain_save_heap(&scope_root, path), -ENOTSUP);
    assert_int_equal(stat(path, &st), -1);
    rmdir(directory);
}

static void once(void)
{
    struct buf text;
    if (buf_begin(&text, &scope_root, "text", 1 << 20) < 0)
        return;
    for (int form = EXPLAIN_PPROF; form <= EXPLAIN_JSON; form++) {
        const struct explain_ask ask = {.what = EXPLAIN_GOROUTINE, .form = (enum explain_form)form};
        buf_clear(&text);
        explain_write(&ask, &scope_root, &text, -1);
    }
    buf_end(&text);
}

static void survives_torture(void **state)
{
    TORTURE(once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(equal_stacks_of_a_kind_are_one),
        TEST(keeps_many_apart),
        TEST(tells_what_grew),
        TEST(writes_as_go_does),
        TEST(counts_descriptors_and_blocks),
        TEST(ends_at_once_when_told),
        TEST(knows_names),
        TEST(says_that_there_is_no_heap_profile),
        TEST(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
