#include "embed/monitor.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "codec/utf8.h"
#include "unit.h"
#include "web/leaks_metrics.h"

static struct scope scope;
static struct monitor monitor;
static _Atomic unsigned hangs, raised;
static _Atomic uint64_t hung;

static void told(const struct leak_alert *a, void *arg)
{
    if (a->event == LEAK_ALERT_RAISED && strcmp(a->series, "tasks:monitor_few") == 0 && a->exact && a->current == 3)
        atomic_fetch_add((_Atomic unsigned *)arg, 1);
}

static void hang_told(const struct leak_hang *h, void *arg)
{
    atomic_store(&hung, h->id);
    atomic_fetch_add((_Atomic unsigned *)arg, 1);
}

static const struct leak_options options = {.check_interval_ms = 1, .on_alert = told, .arg = &raised};

static void begin(void)
{
    hangs = raised = 0;
    memset(&monitor, 0, sizeof monitor);
    assert_int_equal(scope_begin(&scope, &scope_root, "test"), 0);
    assert_int_equal(monitor_begin(&monitor, &scope, &options), 0);
}

static void end(void)
{
    monitor_end(&monitor);
    assert_false(monitor_runs(&monitor));
    scope_end(&scope);
}

static uint64_t checks(void)
{
    leakwatch_lock(&monitor.watch);
    uint64_t n = monitor.watch.totals.samples;
    leakwatch_unlock(&monitor.watch);
    return n;
}

/* So many more, of those that begin from now on. */
static void wait_for_checks(unsigned more)
{
    uint64_t until = checks() + more + 1;
    while (checks() < until)
        poll(NULL, 0, 10);
}

static void wait_for(_Atomic unsigned *n, unsigned least)
{
    while (atomic_load(n) < least)
        poll(NULL, 0, 10);
}

static void a_task_that_hangs_is_told_once_and_again_when_it_hangs_again(void **state)
{
    static const struct leak_kind_options kind = {.heartbeat_ms = 200, .on_hang = hang_told, .arg = &hangs};
    begin();
    assert_int_equal(leak_kind("monitor_busy", &kind), 0);
    struct leak_tracked *waits = leak_begin("monitor_busy", "waits"), *busy = leak_begin("monitor_busy", "busy");
    leak_wait(waits);
    wait_for(&hangs, 1);
    assert_int_equal(hung, leak_id(busy));
    wait_for_checks(3);
    assert_int_equal(hangs, 1);
    leak_beat(busy);
    wait_for(&hangs, 2);
    leak_end(busy);
    leak_end(waits);
    end();
}

/* Who was stopped for ten minutes is silent, and beats when it goes on. */
static void nobody_hangs_who_was_stopped_and_goes_on(void **state)
{
    static const struct leak_kind_options kind = {.heartbeat_ms = 60 * 1000, .on_hang = hang_told, .arg = &hangs};
    begin();
    assert_int_equal(leak_kind("monitor_stopped", &kind), 0);
    struct leak_tracked *stopped = leak_begin("monitor_stopped", "");
    birth_beat((struct birth *)stopped, BIRTH_RUNNING, clock_mono() - 10 * MINUTE);
    wait_for_checks(3);
    assert_int_equal(hangs, 0);
    leakwatch_lock(&monitor.watch);
    assert_int_equal(monitor.watch.totals.hanging, 0);
    assert_int_equal(monitor.watch.n_suspects, 0);
    assert_int_equal(monitor.watch.findings.n, 0);
    leakwatch_unlock(&monitor.watch);
    leak_end(stopped);
    end();
}

static void more_than_a_kind_may_have_are_an_alert(void **state)
{
    struct leak_tracked *few[3];
    begin();
    assert_int_equal(leak_kind("monitor_few", &(struct leak_kind_options){.most = 2}), 0);
    for (int i = 0; i < 2; i++)
        few[i] = leak_begin("monitor_few", "");
    wait_for_checks(2);
    assert_int_equal(raised, 0);
    few[2] = leak_begin("monitor_few", "");
    wait_for(&raised, 1);
    for (int i = 0; i < 3; i++)
        leak_end(few[i]);
    end();
}

static void only_what_the_program_tracks_is_counted(void **state)
{
    struct buf out;
    begin();
    struct leak_tracked *own = leak_begin("monitor_own", "");
    wait_for_checks(2);
    leakwatch_lock(&monitor.watch);
    assert_int_equal(monitor.watch.totals.tasks, 1); /* not its own thread */
    assert_false(timer_is_set(&monitor.watch.second)); /* what costs the program something is for the checks */
    assert_int_equal(monitor.watch.findings.n, 0);   /* not the descriptors of this test that no scope owns */
    leakwatch_unlock(&monitor.watch);
    assert_int_equal(buf_begin(&out, &scope, "out", 1 << 20), 0);
    assert_int_equal(monitor_report(&monitor, &scope, &out, monitor.watch.loop.wake.n), 0);
    assert_non_null(strstr(out.data, "\"status\":\"ok\""));
    assert_non_null(strstr(out.data, "\"name\":\"tasks:monitor_own\""));
    assert_null(strstr(out.data, "\"name\":\"tasks:thread\""));
    leaks_metrics(&out, &monitor.watch, "leakwatch");
    assert_non_null(strstr(out.data, "leakwatch_tasks_hanging 0\n"));
    assert_null(strstr(out.data, "unowned")); /* which nobody looked for */
    assert_null(strstr(out.data, "unexpected"));
    leak_end(own);
    end();
}

/* 38 bytes, then a character of two; and what is no text at all. */
static void names_of_kinds_are_whole_characters(void **state)
{
    static const char cut[] = "monitor_name_of_38_bytes_and_one_more_\xc3\xa9", *const none = "monitor_\xff\"\n\xc3";
    struct buf out;
    begin();
    struct leak_tracked *t[] = {leak_begin(cut, ""), leak_begin(cut, ""), leak_begin(none, "\xff"), leak_begin(none, "")};
    for (int i = 0; i < 4; i++)
        assert_non_null(t[i]);
    assert_int_equal(leak_kind(cut, NULL), -EEXIST);
    wait_for_checks(1);
    assert_int_equal(buf_begin(&out, &scope, "out", 1 << 20), 0);
    leaks_metrics(&out, &monitor.watch, "leakwatch");
    assert_true(utf8_valid(out.data, out.len));
    assert_non_null(strstr(out.data, "leakwatch_series{series=\"tasks:monitor_name_of_38_bytes_and_one_more_\"} 2\n"));
    assert_non_null(strstr(out.data, "leakwatch_series{series=\"tasks:monitor_\xef\xbf\xbd\\\"\\n\xef\xbf\xbd\"} 2\n"));
    for (int i = 0; i < 4; i++)
        leak_end(t[i]);
    end();
}

static void a_kind_is_what_it_was_first(void **state)
{
    const struct leak_kind_options other = {.most = 1};
    struct leak_tracked *one = leak_begin("monitor_kind", "");
    assert_int_equal(leak_kind("monitor_kind", &other), -EEXIST);
    leak_end(one);
    assert_int_equal(leak_count(), 0);
    assert_int_equal(leak_id(NULL), 0);
}

static void body(void)
{
    memset(&monitor, 0, sizeof monitor);
    if (scope_begin(&scope, &scope_root, "test") < 0)
        return;
    if (monitor_begin(&monitor, &scope, &options) == 0) {
        struct leak_tracked *t = leak_begin("monitor_torture", "");
        leak_end(t);
    }
    monitor_end(&monitor);
    scope_end(&scope);
}

static void survives_every_fault(void **state)
{
    TORTURE(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_task_that_hangs_is_told_once_and_again_when_it_hangs_again),
        TEST(nobody_hangs_who_was_stopped_and_goes_on),
        TEST(more_than_a_kind_may_have_are_an_alert),
        TEST(only_what_the_program_tracks_is_counted),
        TEST(names_of_kinds_are_whole_characters),
        TEST(a_kind_is_what_it_was_first),
        TEST(survives_every_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
