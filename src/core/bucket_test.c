#include "core/bucket.h"

#include "base/clock.h"
#include "unit.h"

static int64_t waited(struct bucket *b, int64_t now)
{
    int64_t wait = bucket_wait(b, now);
    assert_true(wait >= 0);
    if (wait) {
        assert_true(bucket_wait(b, now + wait - 2) > 0); /* not longer than it must be */
        assert_int_equal(bucket_wait(b, now + wait), 0);
    }
    return wait;
}

/* Pieces of any size, from one byte to many seconds' worth: the average is the rate, beside the first burst. */
static void the_average_holds_for_pieces_of_any_size(void **state)
{
    static const uint64_t rates[] = {7, 1000, 1000003, UINT64_C(1) << 40};
    static const uint64_t pieces[] = {1, 100, 1 << 18, 10000000};
    for (unsigned r = 0; r < 4; r++)
        for (unsigned p = 0; p < 4; p++) {
            struct bucket b;
            int64_t begin = 5 * SECOND, now = begin;
            uint64_t taken = 0;
            bucket_begin(&b, rates[r], 0, begin);
            for (int i = 0; i < 1000; i++) {
                now += waited(&b, now);
                bucket_take(&b, pieces[p]);
                taken += pieces[p];
            }
            double allowed = (double)rates[r] * (double)(now - begin) / SECOND + (double)rates[r];
            assert_true((double)taken <= allowed + (double)pieces[p] + 1);
            if (now > begin)
                assert_true((double)taken >= allowed * 0.999 - 1);
        }
}

static void a_pause_is_worth_a_burst_and_no_more(void **state)
{
    struct bucket b;
    bucket_begin(&b, 1000, 5000, 0);
    bucket_take(&b, 5000);
    assert_int_equal(waited(&b, 0), MILLISECOND + 1);
    assert_int_equal(bucket_wait(&b, 100 * HOUR), 0);
    bucket_take(&b, 4999);
    assert_int_equal(bucket_wait(&b, 100 * HOUR), 0);
    bucket_take(&b, 1);
    assert_true(bucket_wait(&b, 100 * HOUR) > 0);
}

static void without_a_rate_nothing_waits(void **state)
{
    struct bucket b;
    bucket_begin(&b, 0, 0, 0);
    for (int i = 0; i < 100; i++) {
        bucket_take(&b, UINT64_C(1) << 40);
        assert_int_equal(bucket_wait(&b, 0), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_average_holds_for_pieces_of_any_size),
        TEST(a_pause_is_worth_a_burst_and_no_more),
        TEST(without_a_rate_nothing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
