#include "leak/watch/leakwatch.h"

#include <fcntl.h>
#include <poll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "leak/watch/details.h"
#include "unit.h"

/* Without its thread: the test takes the samples, at any moment it likes. */
static struct scope scope;
static struct leakwatch watch;

static const struct leakwatch_settings settings = {
    .interval = {SECOND, SECOND}, .suspects = true, .alerts_kept = 3, .task_increase = 10, .fd_increase = 100,
};

static int begin(void)
{
    int r = scope_begin(&scope, &scope_root, "test");
    return r < 0 ? r : leakwatch_begin(&watch, &scope, &settings, NULL);
}

static void end(void)
{
    leakwatch_end(&watch);
    scope_end(&scope);
}

static void check(enum series_section section)
{
    if (section == SERIES_OF_TASKS)
        measure_tasks(&watch);
    else
        measure_resources(&watch);
    judge_section(&watch, section);
}

static const struct finding *find(const char *series)
{
    for (unsigned i = 0; i < watch.findings.n; i++)
        if (watch.findings.list[i].alarm.raised != LEAK_NONE && strcmp(watch.findings.list[i].series, series) == 0)
            return &watch.findings.list[i];
    return NULL;
}

static const struct alert *newest(void)
{
    return leakwatch_alert(&watch, 0);
}

/* As close() leaves it when it did nothing: open, and in no scope. */
__attribute__((noinline)) static int leak_descriptor(void)
{
    struct fd f;
    assert_int_equal(fd_open(&f, &scope, "/proc/self/exe", O_RDONLY, 0), 0);
    int n = f.n, kept = fcntl(n, F_DUPFD_CLOEXEC, 0);
    fd_close(&f);
    assert_int_equal(dup2(kept, n), n);
    close(kept);
    return n;
}

static void a_descriptor_that_nobody_owns_is_found_with_its_birth_and_resolved(void **state)
{
    assert_int_equal(begin(), 0);
    check(SERIES_OF_RESOURCES);
    assert_null(find("fds:unowned"));
    int n = leak_descriptor();
    check(SERIES_OF_RESOURCES);
    assert_null(find("fds:unowned")); /* it may just be on its way */
    while (strays_look_again(&watch.strays, &watch.tally))
        ;
    check(SERIES_OF_RESOURCES);
    const struct finding *f = find("fds:unowned");
    assert_non_null(f);
    assert_true(f->exact && f->has_birth && f->current == 1);
    assert_string_equal(f->birth.name, "exe");
    assert_non_null(strstr(f->text, "leak_descriptor"));
    assert_int_equal(newest()->event, ALARM_RAISED);
    close(n);
    for (int i = 0; i < 1000 && newest()->event != ALARM_RESOLVED; i++) {
        check(SERIES_OF_RESOURCES);
        poll(NULL, 0, 10);
    }
    assert_int_equal(newest()->event, ALARM_RESOLVED);
    assert_null(find("fds:unowned"));
    end();
}

static void a_descriptor_closed_behind_its_owner_is_found(void **state)
{
    struct fd f;
    assert_int_equal(begin(), 0);
    assert_int_equal(fd_open(&f, &scope, "/dev/null", O_RDONLY, 0), 0);
    int kept = dup(f.n);
    close(f.n);
    for (int i = 0; i < STRAY_LOOKS; i++)
        check(SERIES_OF_RESOURCES);
    assert_non_null(find("fds:closed"));
    dup2(kept, f.n);
    close(kept);
    fd_close(&f);
    end();
}

static void a_file_that_a_library_keeps_open_is_its_own(void **state)
{
    char directory[64], path[96];
    assert_int_equal(unit_directory(directory, sizeof directory, "strays"), 0);
    snprintf(path, sizeof path, "%s/system.journal", directory);
    assert_int_equal(begin(), 0);
    strays_except(&watch.strays, ".journal");
    int kept = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(kept >= 0);
    for (int deleted = 0; deleted < 2; deleted++) {
        for (int i = 0; i < STRAY_LOOKS; i++)
            check(SERIES_OF_RESOURCES);
        assert_null(find("fds:unowned"));
        if (!deleted)
            assert_int_equal(unlink(path), 0);
    }
    close(kept);
    rmdir(directory);
    end();
}

static uint64_t two(void *arg)
{
    return 2;
}

static const struct task_kind reader_kind = {.name = "test_reader"}, busy_kind = {.name = "busy", .heartbeat = 1},
                              old_kind = {.name = "old", .max_age = 1};

static void more_tasks_than_expected_are_found_and_as_many_as_expected_are_not(void **state)
{
    struct task tasks[15] = {0};
    assert_int_equal(begin(), 0);
    leakwatch_expect(&watch, "test_reader", two, NULL, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(task_begin(&tasks[i], &scope, &reader_kind, "a"), 0);
    for (int i = 0; i < 3; i++)
        check(SERIES_OF_TASKS);
    assert_null(find("tasks:test_reader"));
    assert_true(watch.totals.unexpected_tasks == 0 && watch.totals.expected_tasks == 2);
    assert_int_equal(task_begin(&tasks[2], &scope, &reader_kind, "a"), 0);
    check(SERIES_OF_TASKS);
    assert_null(find("tasks:test_reader")); /* its source may be on its way */
    check(SERIES_OF_TASKS);
    const struct finding *f = find("tasks:test_reader");
    assert_non_null(f);
    assert_int_equal(f->alarm.raised, LEAK_WARNING);
    assert_non_null(strstr(f->text, "3 tasks of the kind test_reader run where at most 2 are expected"));
    for (int i = 3; i < 15; i++) /* 13 too many: more than half as many again as the threshold is not yet, twice is far */
        assert_int_equal(task_begin(&tasks[i], &scope, &reader_kind, "a"), 0);
    check(SERIES_OF_TASKS);
    assert_int_equal(find("tasks:test_reader")->alarm.raised, LEAK_WARNING);
    assert_true(watch.totals.unexpected_tasks == 13);
    for (int i = 0; i < 15; i++)
        task_end(&tasks[i]);
    end();
}

static void a_task_without_a_sign_of_life_is_found_unless_it_waits(void **state)
{
    struct task hangs, waits;
    assert_int_equal(begin(), 0);
    assert_int_equal(task_begin(&hangs, &scope, &busy_kind, "the busy one"), 0);
    assert_int_equal(task_begin(&waits, &scope, &busy_kind, "the waiting one"), 0);
    task_wait(&waits);
    check(SERIES_OF_TASKS);
    assert_int_equal(watch.n_suspects, 1);
    const struct finding *f = find("tasks:busy");
    assert_non_null(f);
    assert_string_equal(f->birth.name, "the busy one");
    assert_non_null(strstr(f->text, "the task \"the busy one\" has given no sign of life"));
    task_end(&hangs);
    task_end(&waits);
    end();
}

static void what_hangs_is_found_among_many_that_are_old(void **state)
{
    static struct task old[2 * TALLY_SUSPECTS];
    struct task hangs;
    assert_int_equal(begin(), 0);
    for (unsigned i = 0; i < TALLY_SUSPECTS; i++)
        assert_int_equal(task_begin(&old[i], &scope, &old_kind, "an old one"), 0);
    assert_int_equal(task_begin(&hangs, &scope, &busy_kind, "the busy one"), 0);
    for (unsigned i = TALLY_SUSPECTS; i < 2 * TALLY_SUSPECTS; i++)
        assert_int_equal(task_begin(&old[i], &scope, &old_kind, "an old one"), 0);
    check(SERIES_OF_TASKS);
    assert_int_equal(watch.totals.old, 2 * TALLY_SUSPECTS);
    assert_int_equal(watch.n_suspects, TALLY_SUSPECTS);
    const struct finding *f = find("tasks:busy");
    assert_non_null(f);
    assert_string_equal(f->birth.name, "the busy one");
    for (unsigned i = 0; i < 2 * TALLY_SUSPECTS; i++)
        task_end(&old[i]);
    task_end(&hangs);
    end();
}

static void where_most_came_from_is_known_and_else_where_most_are(void **state)
{
    struct task first, second;
    struct birth_info birth;
    assert_int_equal(begin(), 0);
    assert_int_equal(details_site(&watch, "tasks:test_reader", &birth), SITE_NONE);
    assert_int_equal(task_begin(&first, &scope, &reader_kind, "first"), 0);
    assert_int_equal(details_site(&watch, "tasks:test_reader", &birth), SITE_GROWN); /* ever */
    details_remember(&watch, clock_mono());
    assert_int_equal(details_site(&watch, "tasks:test_reader", &birth), SITE_LARGEST);
    assert_string_equal(birth.name, "first");
    assert_int_equal(task_begin(&second, &scope, &reader_kind, "second"), 0);
    assert_int_equal(details_site(&watch, "tasks:test_reader", &birth), SITE_GROWN);
    assert_string_equal(birth.name, "second");
    task_end(&first);
    task_end(&second);
    end();
}

static void the_ring_keeps_the_newest_alerts(void **state)
{
    struct task tasks[5];
    assert_int_equal(begin(), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(task_begin(&tasks[i], &scope, &busy_kind, "busy"), 0);
        check(SERIES_OF_TASKS);
    }
    assert_int_equal(watch.alerts.said, 5);
    assert_int_equal(leakwatch_alert(&watch, 0)->id, 5);
    assert_int_equal(leakwatch_alert(&watch, 2)->id, 3);
    assert_null(leakwatch_alert(&watch, 3));
    for (int i = 0; i < 5; i++)
        task_end(&tasks[i]);
    end();
}

static void body(void)
{
    if (begin() == 0) {
        check(SERIES_OF_RESOURCES);
        check(SERIES_OF_TASKS);
        measure_second(&watch);
    }
    end();
}

static void survives_every_fault(void **state)
{
    TORTURE(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_descriptor_that_nobody_owns_is_found_with_its_birth_and_resolved),
        TEST(a_descriptor_closed_behind_its_owner_is_found),
        TEST(a_file_that_a_library_keeps_open_is_its_own),
        TEST(more_tasks_than_expected_are_found_and_as_many_as_expected_are_not),
        TEST(a_task_without_a_sign_of_life_is_found_unless_it_waits),
        TEST(what_hangs_is_found_among_many_that_are_old),
        TEST(where_most_came_from_is_known_and_else_where_most_are),
        TEST(the_ring_keeps_the_newest_alerts),
        TEST(survives_every_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
