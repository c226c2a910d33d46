/*
 * When a Loki sink sends, seen at the server: the breaker's probes, retries that end, requests that become smaller.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "loki_rig.h"
#include "out/loki/loki.h"
#include "unit.h"

enum { SOURCES = 40 };

static struct rig rig;
static struct source *sources[SOURCES];

/* One line of each of many sources, so that every slot has something to send. */
static void feed_all_slots(void)
{
    for (unsigned i = 0; i < SOURCES; i++) {
        char key[16], line[32];
        snprintf(key, sizeof key, "file:%u", 2 + i);
        snprintf(line, sizeof line, "line %u", i);
        assert_non_null(sources[i] = source_obtain(SOURCE_FILE, key, "/b"));
        struct batch *b = batch_new(&rig.pool, sources[i], RIG_BATCH, RIG_MARKS);
        assert_non_null(b);
        assert_true(rig_line(b, rig.stream, line, strlen(line), false));
        dispatch(&rig.dispatcher, b);
    }
}

static void let_go_of_sources(void)
{
    for (unsigned i = 0; i < SOURCES; i++)
        source_unref(sources[i]);
}

static struct counts totals(void)
{
    struct counts c;
    book_totals(&rig.sink.book, &c);
    return c;
}

static enum breaker_state breaker(void)
{
    return atomic_load(&((struct loki *)rig.sink.state)->pace.state);
}

static bool wait_for(bool (*what)(void))
{
    for (int64_t until = clock_mono() + 20 * SECOND; clock_mono() < until; usleep(500))
        if (what())
            return true;
    return false;
}

static bool all_is_delivered(void)
{
    return totals().delivered.records == SOURCES;
}

static bool it_is_open(void)
{
    return rig.sink.started && breaker() == BREAKER_OPEN;
}

/* Nothing is on its way that was sent before it opened. */
static bool it_is_open_and_quiet(void)
{
    return it_is_open() && atomic_load(&((struct loki *)rig.sink.state)->in_flight) == 0;
}

static void with_breaker(struct breaker_config b)
{
    rig.config.loki.breaker = b;
    rig.config.loki.breaker.enabled = true;
    rig.config.loki.workers = 8;
}

/* ---- the breaker ---- */

static _Atomic bool is_down;
static _Atomic unsigned while_down, most_at_once;

static enum server_act down_for_a_while(struct http_server *s, struct server_request *r)
{
    if (!is_down)
        return rig_accept(s, r);
    while_down++;
    server_answer(r, 503, "", "maintenance");
    return SERVER_ANSWER;
}

static void a_dead_server_is_left_alone_and_probed(void **state)
{
    is_down = true;
    while_down = 0;
    rig_prepare(&rig, down_for_a_while);
    with_breaker((struct breaker_config){.failures = 3, .probes = 2, .cooldown = 50 * MILLISECOND,
                                         .max_cooldown = 200 * MILLISECOND});
    assert_true(rig_start(&rig));
    int64_t began = clock_mono();
    feed_all_slots();
    assert_true(wait_for(it_is_open));
    usleep(600000);
    unsigned seen = while_down;
    int64_t lasted = clock_mono() - began;
    is_down = false;
    assert_true(wait_for(all_is_delivered));
    assert_int_equal(breaker(), BREAKER_CLOSED);
    let_go_of_sources();
    rig_stop(&rig);
    rig_end(&rig);
    /* All slots may have been under way when it opened; then cooldowns of 50, 100, 200, 200, ... ms, one probe each. */
    assert_true(seen >= 3);
    assert_true(seen <= 8 + 2 + (unsigned)(lasted / (200 * MILLISECOND)));
    assert_int_equal(rig.n, SOURCES);
}

/* Answers slowly, so that the server's thread sees whether more than one is under way. */
static enum server_act recovers_slowly(struct http_server *s, struct server_request *r)
{
    if (is_down)
        return down_for_a_while(s, r);
    struct loki *k = rig.sink.state;
    usleep(20000);
    if (breaker() == BREAKER_HALF_OPEN && atomic_load(&k->in_flight) > most_at_once)
        most_at_once = atomic_load(&k->in_flight);
    return rig_accept(s, r);
}

static void probes_go_one_at_a_time(void **state)
{
    is_down = true;
    most_at_once = 0;
    rig_prepare(&rig, recovers_slowly);
    with_breaker((struct breaker_config){.failures = 2, .probes = 5, .cooldown = 20 * MILLISECOND,
                                         .max_cooldown = 20 * MILLISECOND});
    assert_true(rig_start(&rig));
    feed_all_slots();
    assert_true(wait_for(it_is_open_and_quiet));
    is_down = false;
    assert_true(wait_for(all_is_delivered));
    let_go_of_sources();
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(most_at_once, 1);
}

static enum server_act throttles_then_accepts(struct http_server *s, struct server_request *r)
{
    if (r->nth > 30)
        return rig_accept(s, r);
    server_answer(r, 429, "", "per stream rate limit exceeded");
    return SERVER_ANSWER;
}

static enum server_act refuses_then_accepts(struct http_server *s, struct server_request *r)
{
    unsigned bad;
    if (r->nth > 12)
        return rig_accept(s, r);
    rig_read(s->arg, r, false, &bad);
    server_answer(r, r->nth % 3 == 0 ? 260 : r->nth % 3 == 1 ? 413 : 400, "", "1 errors like: too old");
    return SERVER_ANSWER;
}

static void what_the_data_is_to_blame_for_does_not_open_it(void **state)
{
    static enum server_act (*const scripts[])(struct http_server *, struct server_request *) = {
        throttles_then_accepts, refuses_then_accepts};
    for (int i = 0; i < 2; i++) {
        rig_prepare(&rig, scripts[i]);
        with_breaker((struct breaker_config){.failures = 2, .probes = 1, .cooldown = 5 * MILLISECOND,
                                             .max_cooldown = 5 * MILLISECOND});
        assert_true(rig_start(&rig));
        feed_all_slots();
        for (int64_t until = clock_mono() + 20 * SECOND;
             totals().in_flight.records && clock_mono() < until;)
            usleep(500);
        assert_int_equal(atomic_load(&((struct loki *)rig.sink.state)->pace.opened), 0);
        assert_int_equal(totals().in_flight.records, 0);
        let_go_of_sources();
        rig_stop(&rig);
        rig_end(&rig);
    }
}

static int64_t throttled_at, came_again;

/* Down, then full, then well. */
static enum server_act throttles_its_probe(struct http_server *s, struct server_request *r)
{
    if (r->nth <= 2) {
        server_answer(r, 503, "", "");
        return SERVER_ANSWER;
    }
    if (r->nth == 3) {
        throttled_at = clock_mono();
        server_answer(r, 429, "Retry-After: 1\r\n", "");
        return SERVER_ANSWER;
    }
    if (r->nth == 4)
        came_again = clock_mono();
    return rig_accept(s, r);
}

static void a_throttled_probe_waits_as_it_is_told(void **state)
{
    rig_prepare(&rig, throttles_its_probe);
    with_breaker((struct breaker_config){.failures = 2, .probes = 3, .cooldown = 10 * MILLISECOND,
                                         .max_cooldown = 10 * MILLISECOND});
    rig.config.loki.workers = 1;
    assert_true(rig_start(&rig));
    feed_all_slots();
    assert_true(wait_for(all_is_delivered));
    let_go_of_sources();
    rig_stop(&rig);
    rig_end(&rig);
    assert_true(came_again - throttled_at >= 900 * MILLISECOND);
}

static enum server_act always_503(struct http_server *s, struct server_request *r)
{
    server_answer(r, 503, "Retry-After: 3600\r\n", "");
    return SERVER_ANSWER;
}

static void a_stop_does_not_wait_for_the_breaker(void **state)
{
    rig_prepare(&rig, always_503);
    with_breaker((struct breaker_config){.failures = 2, .probes = 1, .cooldown = MINUTE, .max_cooldown = MINUTE});
    assert_true(rig_start(&rig));
    feed_all_slots();
    assert_true(wait_for(it_is_open));
    let_go_of_sources();
    rig_stop(&rig);
    rig_end(&rig);
    assert_true(rig.stop_took < SECOND);
}

/* ---- retries ---- */

static void retries_may_have_an_end(void **state)
{
    rig_prepare(&rig, down_for_a_while);
    is_down = true;
    while_down = 0;
    rig.config.loki.max_retries = 3;
    rig.config.loki.workers = 1;
    assert_true(rig_start(&rig));
    struct batch *b = rig_batch(&rig);
    assert_true(rig_line(b, rig.stream, "first", 5, false));
    rig_dispatch(&rig, b);
    rig_wait(&rig, 20 * SECOND);
    assert_int_equal(rig.position, rig.end);
    is_down = false;
    b = rig_batch(&rig);
    assert_true(rig_line(b, rig.stream, "second", 6, false));
    rig_dispatch(&rig, b);
    rig_wait(&rig, 20 * SECOND);
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(while_down, 1 + 3);
    assert_int_equal(rig.counts.dropped[DROP_INVALID].records, 1);
    assert_int_equal(rig.counts.delivered.records, 1);
    assert_string_equal(rig.entries[0].line, "second");
}

/* ---- sizes ---- */

static unsigned largest_taken;

/* As Loki when its burst is smaller than a request: 429, for ever. */
static enum server_act takes_small_bursts(struct http_server *s, struct server_request *r)
{
    unsigned bad, n = rig_read(s->arg, r, false, &bad);
    if (n > 20) {
        server_answer(r, 429, "", "ingestion rate limit exceeded");
        return SERVER_ANSWER;
    }
    largest_taken = n > largest_taken ? n : largest_taken;
    return rig_accept(s, r);
}

static void what_is_too_much_at_once_goes_in_pieces(void **state)
{
    enum { LINES = 200 };
    char line[100];
    memset(line, 'x', sizeof line);
    largest_taken = 0;
    rig_prepare(&rig, takes_small_bursts);
    rig.config.loki.batching = (struct batching_config){.enabled = true, .min_size = 1000, .max_size = 1 << 20,
                                                        .max_delay = 5 * MILLISECOND};
    rig.config.loki.batch_size = 20000;
    assert_true(rig_start(&rig));
    struct batch *b = rig_batch(&rig);
    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "%u", i);
        line[strlen(line)] = ' ';
        assert_true(rig_line(b, rig.stream, line, sizeof line, false));
    }
    rig_dispatch(&rig, b);
    rig_wait(&rig, 20 * SECOND);
    rig_stop(&rig);
    rig_end(&rig);
    assert_int_equal(rig.n, LINES);
    assert_int_equal(rig.counts.delivered.records, LINES);
    assert_in_range(largest_taken, 5, 20);
    for (unsigned i = 0; i < LINES; i++)
        assert_int_equal(atoi(rig.entries[i].line), i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dead_server_is_left_alone_and_probed),
        TEST(probes_go_one_at_a_time),
        TEST(what_the_data_is_to_blame_for_does_not_open_it),
        TEST(a_throttled_probe_waits_as_it_is_told),
        TEST(a_stop_does_not_wait_for_the_breaker),
        TEST(retries_may_have_an_end),
        TEST(what_is_too_much_at_once_goes_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
