#include "codec/timestamp.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "unit.h"

/* 2026-11-21 03:54:00 UTC */
#define NOW (INT64_C(1795233240) * SECOND)

static void check(const char *format, const char *text, int64_t expected)
{
    int64_t got = -1;
    if (!timestamp_parse(format, text, strlen(text), NOW, &got, NULL) || got != expected)
        fail_msg("\"%s\" as \"%s\": got %lld, expected %lld", text, format, (long long)got,
                 (long long)expected);
}

static void refuse(const char *format, const char *text)
{
    int64_t got;
    assert_false(timestamp_parse(format, text, strlen(text), NOW, &got, NULL));
}

static void auto_knows_the_usual_ones(void **state)
{
    check("auto", "2026-11-21T03:54:00Z", NOW);
    check("auto", "2026-11-21T03:54:00.5Z", NOW + SECOND / 2);
    check("auto", "2026-11-21T04:54:00.123456789+01:00", NOW + 123456789);
    check("auto", "2026-11-21T04:54:00+0100", NOW);
    check("auto", "2026-11-21 03:54:00,250", NOW + 250 * MILLISECOND);
    check("auto", "2026/11/21 03:54:00 rest", NOW);
    check("auto", "2026-11-21 03:54:00 UTC", NOW);
    check("auto", "Nov 21 03:54:00 host sshd[1]: x", NOW);
    check("auto", "21/Nov/2026:03:54:00 +0000] \"GET", NOW);
    check("auto", "Sat Nov 21 03:54:00 2026", NOW);
    check("auto", "Sat, 21 Nov 2026 04:54:00 +0100", NOW);
    check("auto", "1795233240", NOW);
    check("auto", "1795233240.25", NOW + SECOND / 4);
    check("auto", "1795233240123", NOW + 123 * MILLISECOND);
    check("auto", "1795233240000001", NOW + MICROSECOND);
    check("auto", "1795233240000000001", NOW + 1);
}

static void check_unit(const char *format, const char *text, int64_t expected)
{
    int64_t got, unit = 0;
    assert_true(timestamp_parse(format, text, strlen(text), NOW, &got, &unit));
    assert_int_equal(unit, expected);
}

static void the_digits_say_how_fine_it_is(void **state)
{
    check_unit("auto", "2026-11-21T03:54:00Z", SECOND);
    check_unit("auto", "Nov 21 03:54:00 host", SECOND);
    check_unit("auto", "2026-11-21T03:54:00.5Z", SECOND / 10);
    check_unit("auto", "2026-11-21 03:54:00,250", MILLISECOND);
    check_unit("auto", "2026-11-21 03:54:00.123456789Z", 1);
    check_unit("auto", "2026-11-21 03:54:00.12345678901Z", 1);
    check_unit("auto", "1795233240", SECOND);
    check_unit("auto", "1795233240.25", SECOND / 100);
    check_unit("auto", "1795233240123", MILLISECOND);
    check_unit("auto", "1795233240000001", MICROSECOND);
    check_unit("auto", "1795233240000000001", 1);
    check_unit("%Y-%m-%d %H:%M:%S.%f", "2026-11-21 03:54:00.000001", MICROSECOND);
    check_unit("%Y-%m-%d %H:%M:%S", "2026-11-21 03:54:00", SECOND);
}

static void the_year_is_the_nearest(void **state)
{
    int64_t new_year = INT64_C(1798761600) * SECOND; /* 2027-01-01 */
    int64_t got;
    assert_true(timestamp_parse("auto", "Dec 31 23:59:59", 15, new_year, &got, NULL));
    assert_int_equal(got, new_year - SECOND);
    assert_true(timestamp_parse("auto", "Jan  1 00:00:01", 15, new_year - SECOND, &got, NULL));
    assert_int_equal(got, new_year + SECOND);
}

static void formats_have_fractions_and_zones(void **state)
{
    check("%Y-%m-%d %H:%M:%S.%f", "2026-11-21 03:54:00.000001", NOW + MICROSECOND);
    check("[%d/%b/%Y:%H:%M:%S %z]", "[21/Nov/2026:05:54:00 +0200]", NOW);
    check("%s.%f", "1795233240.75", NOW + 3 * SECOND / 4);
    check("%f %Y-%m-%dT%H:%M:%S", "5 2026-11-21T03:54:00", NOW + SECOND / 2);
}

static void what_is_no_time_is_refused(void **state)
{
    refuse("auto", "");
    refuse("auto", "hello");
    refuse("auto", "12345");
    refuse("auto", "9333333309");
    refuse("auto", "99999999999999999999");
    refuse("auto", "2026-13-45T99:99:99Z");
    refuse("%Y-%m-%d", "21 Nov");
    refuse("%S.%f", "12.x");
    assert_non_null(timestamp_check("no directive"));
    assert_non_null(timestamp_check("%Y %"));
    assert_null(timestamp_check("auto"));
    assert_null(timestamp_check("%Y"));
}

static void without_a_zone_it_is_local(void **state)
{
    setenv("TZ", "America/Sao_Paulo", 1);
    tzset();
    check("auto", "2026-11-21T00:54:00", NOW);
    check("%Y-%m-%d %H:%M:%S", "2026-11-21 00:54:00", NOW);
    setenv("TZ", "UTC", 1);
    tzset();
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        TEST(auto_knows_the_usual_ones),
        TEST(the_digits_say_how_fine_it_is),
        TEST(the_year_is_the_nearest),
        TEST(formats_have_fractions_and_zones),
        TEST(what_is_no_time_is_refused),
        TEST(without_a_zone_it_is_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
