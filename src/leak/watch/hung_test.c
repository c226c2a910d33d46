#include "leak/watch/hung.h"

#include <assert.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/probe.h"
#include "base/thread.h"
#include "unit.h"

#define AFTER (5 * MINUTE)

static const struct task_kind reported = {.name = "reported", .heartbeat = 10 * SECOND},
                              mended = {.name = "mended", .heartbeat = 10 * SECOND, .remedy = TASK_NEW_PROCESS};
static const struct hung_rule rule = {.after = AFTER, .started = HOUR};

/* Since its last sign of life, long after the start. */
static struct hung judged(const struct task_kind *kind, int64_t silent, char state)
{
    const struct birth_info b = {.id = 1, .kind = BIRTH_THREAD, .state = BIRTH_RUNNING, .task_kind = kind, .beat = 10 * HOUR};
    return hung_judge(&b, state, &rule, b.beat + silent);
}

static void a_new_process_is_for_what_hangs_long_enough(void **state)
{
    assert_int_equal(judged(&mended, 20 * SECOND, 'S').remedy, HUNG_NOTHING);
    assert_int_equal(judged(&mended, 21 * SECOND, 'S').remedy, HUNG_LATER);
    assert_int_equal(judged(&mended, AFTER - 1, 'S').remedy, HUNG_LATER);
    assert_int_equal(judged(&mended, AFTER, 'S').remedy, HUNG_NOW);
    assert_int_equal(judged(&mended, AFTER, 'R').remedy, HUNG_NOW);
    assert_true(judged(&mended, AFTER, 'S').silent == AFTER);
}

static void what_the_kernel_holds_and_what_is_only_reported_is_not_mended_by_it(void **state)
{
    const struct hung_rule never = {.after = 0, .started = HOUR};
    const struct birth_info b = {.kind = BIRTH_THREAD, .state = BIRTH_RUNNING, .task_kind = &mended, .beat = 10 * HOUR};
    const struct birth_info waits = {.kind = BIRTH_THREAD, .state = BIRTH_WAITING, .task_kind = &mended, .beat = 10 * HOUR};
    assert_int_equal(judged(&mended, 10 * HOUR, 'D').remedy, HUNG_HELD);
    assert_int_equal(judged(&mended, 10 * SECOND, 'D').remedy, HUNG_NOTHING);
    assert_int_equal(judged(&reported, 10 * HOUR, 'S').remedy, HUNG_NOTHING);
    assert_int_equal(hung_judge(&b, 'S', &never, 20 * HOUR).remedy, HUNG_NOTHING);
    assert_int_equal(hung_judge(&waits, 'S', &rule, 20 * HOUR).remedy, HUNG_NOTHING);
}

static void what_hangs_from_the_start_on_is_given_longer(void **state)
{
    const struct birth_info b = {.kind = BIRTH_THREAD, .state = BIRTH_RUNNING, .task_kind = &mended,
                                 .beat = rule.started + AFTER - 1};
    assert_int_equal(hung_judge(&b, 'S', &rule, b.beat + AFTER).remedy, HUNG_LATER);
    assert_int_equal(hung_judge(&b, 'S', &rule, b.beat + HUNG_PATIENCE * AFTER).remedy, HUNG_NOW);
}

static void of_what_cannot_be_looked_at_nobody_says_that_a_restart_helps(void **state)
{
    struct hung h = judged(&mended, 10 * HOUR, '?');
    char text[HUNG_TEXT];
    assert_int_equal(h.remedy, HUNG_LATER);
    assert_string_equal(hung_say(&h, "systemd", text), "; whether the kernel holds it cannot be read in /proc: it is waited for");
}

/* However little patience is asked for, the others work for most of the time. */
static void short_patience_makes_no_loop_of_restarts(void **state)
{
    const struct hung_rule hasty = {.after = MINUTE, .started = HOUR}, patient = {.after = 30 * MINUTE, .started = HOUR};
    struct birth_info b = {.kind = BIRTH_THREAD, .state = BIRTH_RUNNING, .task_kind = &mended};
    b.beat = HOUR + 5 * MINUTE - 1;
    assert_true(hung_judge(&b, 'S', &hasty, b.beat + MINUTE).due == HOUR);
    assert_int_equal(hung_judge(&b, 'S', &hasty, b.beat + HOUR - 1).remedy, HUNG_LATER);
    assert_int_equal(hung_judge(&b, 'S', &hasty, b.beat + HOUR).remedy, HUNG_NOW);
    b.beat = HOUR + 5 * MINUTE;
    assert_int_equal(hung_judge(&b, 'S', &hasty, b.beat + MINUTE - 1).remedy, HUNG_LATER);
    assert_int_equal(hung_judge(&b, 'S', &hasty, b.beat + MINUTE).remedy, HUNG_NOW);
    b.beat = HOUR + 30 * MINUTE - 1;
    assert_true(hung_judge(&b, 'S', &patient, b.beat + 30 * MINUTE).due == 6 * HOUR);
}

static void what_becomes_of_it_is_said(void **state)
{
    struct hung h = judged(&mended, 100 * SECOND, 'S'), now = judged(&mended, AFTER, 'S'), held = judged(&mended, AFTER, 'D'),
                none = judged(&reported, AFTER, 'S');
    char text[HUNG_TEXT];
    assert_string_equal(hung_say(&h, "systemd", text), "; in 4 min, unless it goes on, systemd restarts the agent");
    h.silent = AFTER - 90 * SECOND;
    assert_string_equal(hung_say(&h, "systemd", text), "; in 90 s, unless it goes on, systemd restarts the agent");
    assert_string_equal(hung_say(&now, "systemd", text), "; systemd restarts the agent now");
    assert_non_null(strstr(hung_say(&h, NULL, text), "nobody restarts the agent"));
    assert_non_null(strstr(hung_say(&held, "systemd", text), "a restart would not help"));
    assert_string_equal(hung_say(&none, "systemd", text), "");
}

/* ---- real threads ---- */

static int gate[2]; /* what waits at it goes on when its other end is closed */
static _Atomic pid_t tid;

static void wait_at_gate(struct thread *t)
{
    char c;
    tid = gettid();
    (void)!read(gate[0], &c, 1);
}

/* A process of its own, with this one's memory and its own copy of the descriptors. */
static int wait_as_child(void *arg)
{
    const int *mine = arg;
    char c;
    syscall(SYS_close, mine[1]);
    syscall(SYS_read, mine[0], &c, 1);
    syscall(SYS_exit, 0);
    return 0;
}

/* What vfork() does: the kernel holds this thread until the child has ended. */
static void wait_for_child(struct thread *t)
{
    static char stack[64 << 10] __attribute__((aligned(16)));
    int mine[2] = {gate[0], gate[1]}; /* which another one's are as soon as this one is held */
    tid = gettid();
    int child = clone(wait_as_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK, mine);
    assert(child > 0);
    waitpid(child, NULL, __WCLONE);
}

static void open_gate(struct thread *t)
{
    close(gate[1]);
}

/* A thread that runs and says nothing, looked at as if it were ten hours later. */
static struct hung looked_at(struct thread *t, void (*run)(struct thread *), char kernel_state)
{
    const int64_t now = clock_mono(), until = now + MINUTE;
    const struct hung_rule real = {.after = AFTER, .started = now - HOUR};
    tid = 0;
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(thread_begin(t, &scope_root, "the one", run, open_gate, NULL), 0);
    while (!tid || probe_state(tid, &scope_root) != kernel_state) {
        assert_true(clock_mono() < until);
        usleep(1000);
    }
    return hung_look(&real, &scope_root, now + 10 * HOUR);
}

static void end(struct thread *t)
{
    thread_end(t);
    close(gate[0]);
}

static void a_thread_that_hangs_is_named(void **state)
{
    struct thread t;
    struct hung h = looked_at(&t, wait_at_gate, 'S');
    assert_int_equal(h.remedy, HUNG_NOW);
    assert_string_equal(h.thread.name, "the one");
    end(&t);
}

static void one_that_the_kernel_holds_keeps_the_process(void **state)
{
#ifdef __SANITIZE_THREAD__
    skip(); /* it takes this clone() for a fork(), after which it allows no thread */
#endif
    struct thread held, hangs;
    struct hung h = looked_at(&held, wait_for_child, 'D');
    assert_int_equal(h.remedy, HUNG_HELD);
    const int of_held[2] = {gate[0], gate[1]};
    h = looked_at(&hangs, wait_at_gate, 'S'); /* beside another one */
    assert_int_equal(h.remedy, HUNG_HELD);
    end(&hangs);
    memcpy(gate, of_held, sizeof gate);
    end(&held);
}

static void main_hangs_when_its_loop_does_not_turn(void **state)
{
    const int64_t now = clock_mono();
    _Atomic int64_t beat = now;
    const struct hung_rule with_main = {.after = AFTER, .started = now - 10 * HOUR, .main_beat = &beat};
    assert_int_equal(hung_look(&with_main, &scope_root, now + 20 * SECOND).remedy, HUNG_NOTHING);
    struct hung h = hung_look(&with_main, &scope_root, now + AFTER - 1);
    assert_int_equal(h.remedy, HUNG_LATER);
    assert_string_equal(h.thread.name, "main");
    assert_int_equal(hung_look(&with_main, &scope_root, now + AFTER).remedy, HUNG_NOW);
    beat = 0; /* it did not begin to tell */
    assert_int_equal(hung_look(&with_main, &scope_root, now + AFTER).remedy, HUNG_NOTHING);
}

static void one_that_waits_as_it_should_does_not_hang(void **state)
{
    struct task waits;
    assert_int_equal(task_begin(&waits, &scope_root, &mended, "waits"), 0);
    task_wait(&waits);
    assert_int_equal(hung_look(&rule, &scope_root, clock_mono() + 10 * HOUR).remedy, HUNG_NOTHING);
    task_end(&waits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_process_is_for_what_hangs_long_enough),
        TEST(what_the_kernel_holds_and_what_is_only_reported_is_not_mended_by_it),
        TEST(what_hangs_from_the_start_on_is_given_longer),
        TEST(of_what_cannot_be_looked_at_nobody_says_that_a_restart_helps),
        TEST(short_patience_makes_no_loop_of_restarts),
        TEST(what_becomes_of_it_is_said),
        TEST(a_thread_that_hangs_is_named),
        TEST(one_that_the_kernel_holds_keeps_the_process),
        TEST(main_hangs_when_its_loop_does_not_turn),
        TEST(one_that_waits_as_it_should_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
