/*
 * The Loki sink with each call that can fail failing once, libcurl's and c-ares' memory too: it neither crashes nor
 * leaks, and secures nothing that the server did not acknowledge.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "loki_rig.h"
#include "unit.h"

enum { BATCHES = 2, LINES = 3 };

static struct rig rig;

/* Appends what could be appended; how many records were dispatched. */
static unsigned feed(struct rig *r)
{
    unsigned records = 0;
    for (unsigned k = 0; k < BATCHES; k++) {
        struct batch *b = rig_batch(r);
        if (!b)
            continue;
        for (unsigned i = 0; i < LINES; i++)
            records += rig_line(b, r->stream, "a \xFF line", 8, false);
        rig_dispatch(r, b);
    }
    return records;
}

static void start_send_stop(void)
{
    unsigned records = 0;
    rig.n = rig.end = 0;
    rig.position = 0;
    rig.counts = (struct counts){0};
    if (rig_start(&rig)) {
        records = feed(&rig);
        rig_wait(&rig, SECOND);
    }
    rig_stop(&rig);
    assert_true(rig.n >= rig.counts.delivered.records);
    assert_int_equal(rig.counts.dropped[DROP_INVALID].records, 0);
    assert_int_equal(rig.counts.in_flight.records, 0);
    if (records && rig.position == rig.end)
        assert_int_equal(rig.counts.delivered.records, records);
}

/* Two streams where one may be, and one record of each batch too old. */
static unsigned feed_what_is_judged(struct rig *r, struct stream *another)
{
    unsigned dead = 0;
    for (unsigned k = 0; k < BATCHES; k++) {
        struct batch *b = rig_batch(r);
        if (!b)
            continue;
        rig_line(b, r->stream, "fine", 4, false);
        if (rig_line(b, another, "too old", 7, false)) {
            b->marks[b->n - 1].time = 1;
            dead++;
        }
        rig_line(b, another, "fine too", 8, false);
        rig_dispatch(r, b);
    }
    return dead;
}

static void judge_send_stop(void)
{
    static const struct label another = {"job", "another"};
    unsigned dead = 0;
    rig.n = rig.end = 0;
    rig.position = 0;
    rig.counts = (struct counts){0};
    if (rig_start(&rig)) {
        struct stream *s = stream_get(&another, 1);
        if (s)
            dead = feed_what_is_judged(&rig, s);
        stream_unref(s);
        rig_wait(&rig, SECOND);
    }
    rig_stop(&rig);
    assert_int_equal(rig.counts.in_flight.records, 0);
    for (unsigned i = 0; i < rig.n; i++)
        assert_string_not_equal(rig.entries[i].line, "too old");
    if (rig.position == rig.end)
        assert_int_equal(rig.counts.dropped[DROP_INVALID].records, dead);
    assert_true(rig.n >= rig.counts.delivered.records);
}

static void test_what_is_judged_before_it_is_sent(void **state)
{
    rig_prepare(&rig, rig_accept);
    rig.config.loki.workers = 1;
    rig.config.loki.batch_timeout = MILLISECOND / 2;
    rig.config.loki.backoff_max = 2 * MILLISECOND;
    rig.config.loki.max_streams = 1;
    rig.config.loki.times = (struct times_config){.max_age = HOUR, .too_old = TIMES_DEAD_LETTER};
    judge_send_stop();
    assert_int_equal(rig.counts.dropped[DROP_INVALID].records, BATCHES);
    assert_int_equal(rig.counts.delivered.records, BATCHES * 2);
    TORTURE(judge_send_stop);
    rig_end(&rig);
}

static void torture(const char *host)
{
    rig_prepare(&rig, rig_accept);
    snprintf(rig.url, sizeof rig.url, "http://%.40s:%u", host, rig.server.port);
    rig.config.loki.workers = 1;
    rig.config.loki.batch_timeout = MILLISECOND / 2;
    rig.config.loki.backoff_max = 2 * MILLISECOND;
    rig.config.loki.username = "me";
    rig.config.loki.password = "secret";
    start_send_stop();
    assert_int_equal(rig.counts.delivered.records, BATCHES * LINES);
    TORTURE(start_send_stop);
    rig_end(&rig);
}

static void test_each_call_fails(void **state)
{
    torture("127.0.0.1");
}

static void test_each_call_fails_with_a_name(void **state)
{
    char name[64];
    if (!rig_local_name(name)) {
        print_message("skipped: /etc/hosts has no other name for 127.0.0.1\n");
        skip();
    }
    torture(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_judged_before_it_is_sent),
        TEST(test_each_call_fails),
        TEST(test_each_call_fails_with_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
