#include "base/probe.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/symbols.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "unit.h"

/* TSan holds a signal back until its thread calls something that it knows, and has no context of that place. */
#ifdef __SANITIZE_THREAD__
#define NOT_WITH_TSAN() skip()
#else
#define NOT_WITH_TSAN() (void)0
#endif

static const int64_t patience = 20 * SECOND;
static _Atomic bool ended;
static _Atomic pid_t tid;
static int waits_for;

static __attribute__((noinline)) void spin_here(void)
{
    atomic_store(&tid, gettid());
    while (!atomic_load(&ended))
        ;
}

static __attribute__((noinline)) void wait_here(void)
{
    uint64_t n;
    atomic_store(&tid, gettid());
    while (!atomic_load(&ended))
        (void)!read(waits_for, &n, sizeof n);
    __asm__ volatile("");
}

static void spins(struct thread *t)
{
    spin_here();
}

static void waits(struct thread *t)
{
    wait_here();
}

static void is_deaf(struct thread *t)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    wait_here();
}

static void stop(struct thread *t)
{
    atomic_store(&ended, true);
    eventfd_write(waits_for, 1);
}

static void begin(struct thread *t, const char *name, void (*run)(struct thread *))
{
    atomic_store(&ended, false);
    atomic_store(&tid, 0);
    waits_for = eventfd(0, EFD_CLOEXEC);
    probe_prepare();
    assert_int_equal(thread_begin(t, &scope_root, name, run, stop, NULL), 0);
    while (!atomic_load(&tid))
        usleep(1000);
}

static void end(struct thread *t)
{
    thread_end(t);
    close(waits_for);
}

static struct probe all[16];

/* What the thread of this test answers. */
static struct probe *ask(int64_t how_long)
{
    int n = probe_threads(all, 16, how_long, &scope_root);
    assert_true(n >= 2);
    for (int i = 0; i < n; i++)
        if (all[i].tid == tid)
            return &all[i];
    fail_msg("the thread is not among them");
    return NULL;
}

static bool has(const uintptr_t *frames, unsigned n, const char *function)
{
    struct symbols s;
    char text[SYMBOL_TEXT];
    bool found = false;
    assert_int_equal(symbols_begin(&s, &scope_root), 0);
    for (unsigned i = 0; i < n && !found; i++)
        found = strncmp(symbols_text(&s, frames[i] + 1, text), function, strlen(function)) == 0;
    symbols_end(&s);
    return found;
}

static void finds_one_that_runs(void **state)
{
    NOT_WITH_TSAN();
    struct thread t;
    begin(&t, "spinning", spins);
    struct probe *p = ask(patience);
    assert_true(p->reached);
    assert_string_equal(p->name, "spinning");
    assert_true(has(p->frames, p->n, "spin_here+"));
    assert_true(has(p->frames, p->n, "thread_main+"));
    end(&t);
}

/* Through libc, which has no frame pointers; and its wait goes on as if nothing had happened. */
static void finds_one_that_waits_in_a_library(void **state)
{
    NOT_WITH_TSAN();
    struct thread t;
    begin(&t, "waiting", waits);
    struct probe *p = NULL;
    for (int64_t until = clock_mono() + patience; !p || p->state != 'S';) {
        p = ask(patience);
        assert_true(clock_mono() < until);
    }
    assert_true(p->reached);
    assert_true(has(p->frames, p->n, "wait_here+"));
    assert_true(has(p->frames, p->n, "thread_main+"));
    end(&t);
}

static void finds_itself(void **state)
{
    NOT_WITH_TSAN();
    probe_prepare();
    assert_int_equal(probe_threads(all, 16, patience, &scope_root), 1);
    assert_true(all[0].reached);
    assert_true(has(all[0].frames, all[0].n, "finds_itself+"));
}

static void waits_no_longer_than_asked_for_one_that_is_deaf(void **state)
{
    NOT_WITH_TSAN();
    struct thread t;
    begin(&t, "deaf", is_deaf);
    int64_t before = clock_mono();
    struct probe *p;
    while ((p = ask(20 * MILLISECOND))->reached) /* until it has blocked the signal */
        ;
    assert_int_equal(p->n, 0);
    assert_true(clock_mono() - before < patience);
    end(&t);
    /* Its place is free again. */
    for (int i = 0; i < 2 * PROBE_AT_ONCE; i++)
        assert_true(probe_threads(all, 16, patience, &scope_root) >= 1 && all[0].reached);
}

static void measures_what_uses_the_processor(void **state)
{
    NOT_WITH_TSAN();
    struct thread t;
    struct ticks ticks, other;
    struct tick tick;
    unsigned n = 0, here = 0;
    begin(&t, "spinning", spins);
    assert_int_equal(ticks_begin(&ticks, &scope_root, 1 * MILLISECOND), 0);
    assert_int_equal(ticks_begin(&other, &scope_root, 1 * MILLISECOND), -EBUSY);
    for (int64_t until = clock_mono() + patience; n < 20 && clock_mono() < until; usleep(1000))
        while (ticks_take(&tick))
            if (tick.tid == tid) {
                n++;
                here += has(tick.frames, tick.n, "spin_here+");
            }
    assert_true(n >= 20);
    assert_int_equal(here, n);
    ticks_end(&ticks);
    assert_int_equal(ticks_begin(&ticks, &scope_root, SECOND), 0);
    ticks_end(&ticks);
    end(&t);
}

static void begin_and_end(void)
{
    struct ticks ticks;
    probe_threads(all, 16, MILLISECOND, &scope_root);
    if (ticks_begin(&ticks, &scope_root, SECOND) == 0)
        ticks_end(&ticks);
}

static void survives_torture(void **state)
{
    TORTURE(begin_and_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_one_that_runs),
        TEST(finds_one_that_waits_in_a_library),
        TEST(finds_itself),
        TEST(waits_no_longer_than_asked_for_one_that_is_deaf),
        TEST(measures_what_uses_the_processor),
        TEST(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
