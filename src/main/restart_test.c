/* When signs of life to the service manager are kept back: a thread's own, as its record tells them. */
#include "main/restart.h"

#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

static const struct task_kind mended = {.name = "mended", .heartbeat = 10 * SECOND, .remedy = TASK_NEW_PROCESS};

static struct config config;
static const struct config *const in_force = &config;
static struct birth *thread;
static struct restart restart;

/* This thread, in the record of one that began to hang `silent` ago, the process `age` before that. */
static void begin(int64_t age, int64_t silent)
{
    const int64_t now = clock_mono();
    config.task_tracking.restart_hung_after = 5 * MINUTE;
    restart = (struct restart){.config = &in_force, .started = now - silent - age};
    thread = birth_new(BIRTH_THREAD, 0, "the one", 0);
    assert_non_null(thread);
    birth_set_fd(thread, gettid());
    birth_set_task_kind(thread, &mended);
    birth_beat(thread, BIRTH_RUNNING, now - silent);
}

static void what_hangs_for_long_ends_the_signs_of_life_until_it_goes_on(void **state)
{
    begin(10 * HOUR, 6 * MINUTE);
    assert_false(restart_is_due(&restart)); /* a pause of the whole machine looks like this once */
    assert_true(restart_is_due(&restart));
    assert_int_equal(restart.said, birth_id(thread));
    assert_true(restart_is_due(&restart));
    birth_beat(thread, BIRTH_RUNNING, clock_mono());
    assert_false(restart_is_due(&restart));
    assert_int_equal(restart.said, 0);
    birth_beat(thread, BIRTH_RUNNING, clock_mono() - 6 * MINUTE);
    assert_false(restart_is_due(&restart));
    birth_free(thread);
}

static void assert_never_due(void)
{
    for (int i = 0; i < 2 * RESTART_LOOKS; i++)
        assert_false(restart_is_due(&restart));
    birth_free(thread);
}

static void what_hangs_for_a_while_or_since_the_start_does_not(void **state)
{
    begin(10 * HOUR, 4 * MINUTE);
    assert_never_due();
    begin(4 * MINUTE, 50 * MINUTE);
    assert_never_due();
}

static void the_configuration_in_force_may_forbid_it(void **state)
{
    begin(10 * HOUR, HOUR);
    config.task_tracking.restart_hung_after = 0;
    assert_never_due();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_hangs_for_long_ends_the_signs_of_life_until_it_goes_on),
        TEST(what_hangs_for_a_while_or_since_the_start_does_not),
        TEST(the_configuration_in_force_may_forbid_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
