#include "codec/rfc3339.h"

#include "unit.h"

static void assert_time(const char *text, int64_t seconds, int64_t ns)
{
    struct rfc3339 last = {0};
    int64_t found = 0;
    const char *end = text + strlen(text);
    assert_ptr_equal(rfc3339_parse(&last, text, end, &found), end);
    assert_int_equal(found, seconds * 1000000000 + ns);
    assert_ptr_equal(rfc3339_parse(&last, text, end, &found), end); /* of a minute that is known */
    assert_int_equal(found, seconds * 1000000000 + ns);
}

static void assert_none(const char *text)
{
    struct rfc3339 last = {0};
    int64_t found;
    assert_null(rfc3339_parse(&last, text, text + strlen(text), &found));
}

static void times_are_utc_nanoseconds(void **state)
{
    assert_time("1970-01-01T00:00:00Z", 0, 0);
    assert_time("2026-11-21T10:50:09.123456789Z", 1795258209, 123456789);
    assert_time("2026-11-21T10:50:09.12Z", 1795258209, 120000000);
    assert_time("2026-11-21T10:50:09Z", 1795258209, 0);
    assert_time("2026-11-21T12:50:09.5+02:00", 1795258209, 500000000);
    assert_time("2026-11-21T05:20:09.5-05:30", 1795258209, 500000000);
    assert_time("2024-02-29T23:59:60Z", 1709251200, 0); /* a leap second is the next one */
    assert_time("2000-02-29T00:00:00Z", 951782400, 0);
    assert_time("2199-12-31T23:59:59.999999999Z", 7258118399, 999999999);
}

static void what_follows_is_left(void **state)
{
    struct rfc3339 last = {0};
    const char *text = "2026-11-21T10:50:09.5Z stdout";
    int64_t found;
    assert_string_equal(rfc3339_parse(&last, text, text + strlen(text), &found), " stdout");
    for (size_t n = 0; n < 22; n++) /* not a byte beyond the end is looked at, nor is half a time one */
        assert_null(rfc3339_parse(&last, text, text + n, &found));
}

static void other_texts_are_no_times(void **state)
{
    static const char *const bad[] = {"", "2026-11-21", "2026-11-21 10:50:09Z", "2026-13-21T10:50:09Z", "2026-00-21T10:50:09Z",
                                      "2026-02-29T10:50:09Z", "2100-02-29T10:50:09Z", "2026-11-31T10:50:09Z", "2026-11-00T10:50:09Z",
                                      "2026-11-21T24:50:09Z", "2026-11-21T10:60:09Z", "2026-11-21T10:50:61Z", "2026-11-21T10:50:09",
                                      "2026-11-21T10:50:09.Z", "2026-11-21T10:50:09.1234567891Z", "2026-11-21T10:50:09z", "2026-11-21T10:50:09+0200",
                                      "2026-11-21T10:50:09+24:00", "1969-11-21T10:50:09Z", "2262-11-21T10:50:09Z", "2026-11-2xT10:50:09Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_none(bad[i]);
    struct rfc3339 last = {0};
    int64_t found;
    static const char zeros[32] = {[16] = ':', '0', '9', 'Z'}; /* they are not the minute that is not known yet */
    assert_null(rfc3339_parse(&last, zeros, zeros + 20, &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(times_are_utc_nanoseconds),
        TEST(what_follows_is_left),
        TEST(other_texts_are_no_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
