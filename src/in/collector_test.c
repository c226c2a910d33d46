#include "in/collector.h"

#include "files_world.h"

/* A reload may come before the thread has come to its loop: nothing is begun behind its back. */
static void a_collector_that_is_paused_at_once_begins_nothing(void **state)
{
    for (int round = 0; round < 20; round++) {
        struct world w;
        struct collector c;
        begin(&w); /* its own monitor stands still: its loop is not turned */
        w.config.journal.directory = "";
        w.config.containers.ca_file = w.config.containers.cert_file = w.config.containers.key_file = w.config.containers.pods_directory = "";
        assert_int_equal(collector_begin(&c, &w.process, &w.config, &w.dispatcher, &w.past), 0);
        assert_int_equal(loop_pause(&c.loop, 10 * SECOND), 0);
        struct files *files = c.files;
        usleep(2000);
        assert_ptr_equal(c.files, files);
        struct config next = w.config;
        next.host = "elsewhere";
        assert_int_equal(collector_reload(&c, &next), 0);
        assert_non_null(c.files);
        loop_resume(&c.loop);
        usleep(2000);
        collector_end(&c);
        assert_ptr_equal(c.files_config, &next);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_collector_that_is_paused_at_once_begins_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
