#include "leak/judge/csv.h"

#include <math.h>

#include "base/clock.h"
#include "unit.h"

static struct csv csv;
static int64_t times[8];
static double values[8];
static unsigned taken;

static void take(void *arg, int64_t time, double value)
{
    assert_true(taken < 8);
    times[taken] = time;
    values[taken++] = value;
}

static int read_text(const char *text)
{
    taken = 0;
    csv_begin(&csv);
    int r = csv_feed(&csv, text, strlen(text), take, NULL);
    return r < 0 ? r : csv_end(&csv, take, NULL);
}

static void samples_are_taken(void **state)
{
    assert_int_equal(read_text("time,value\n1700000000,1\n1700000030.5,2.5e3\n1700000031,-3"), 0);
    assert_int_equal(taken, 3);
    assert_int_equal(csv.samples, 3);
    assert_true(times[0] == 1700000000 * SECOND && times[1] == 1700000030 * SECOND + 500 * MILLISECOND);
    assert_true(values[0] == 1 && values[1] == 2500 && values[2] == -3);
}

static void what_other_programs_write_is_read_too(void **state)
{
    assert_int_equal(read_text("\xef\xbb\xbfhost, Value ,TIME\r\n\r\na, 7 , 0\r\n\na,8,1\r\n"), 0);
    assert_int_equal(taken, 2);
    assert_true(times[0] == 0 && times[1] == SECOND && values[0] == 7 && values[1] == 8);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
    static char long_line[2000];
    memset(long_line, '1', sizeof long_line - 1);
    static const struct {
        const char *text, *part;
        unsigned line;
    } cases[] = {
        {"", "empty", 1},
        {"time,value\n", "no sample", 2},
        {"1,2\n", "time,value", 1},
        {"time,valu\n1,2\n", "time,value", 1},
        {"time,value\n1,2\n\n2,nan\n", "'nan' is no finite number", 4},
        {"time,value\n1,inf\n", "'inf' is no finite", 2},
        {"time,value\n1,1e999\n", "'1e999' is no finite", 2},
        {"time,value\n1,0x10\n", "'0x10' is no finite", 2},
        {"time,value\n1,\n", "'' is no finite", 2},
        {"time,value\n1\n", "a column is missing", 2},
        {"time,value\n1,2 3\n", "'2 3' is no finite", 2},
        {"time,value\nyesterday,2\n", "the time 'yesterday' is no number", 2},
        {"time,value\n5,2\n5,3\n", "the time '5' is not later", 3},
        {"time,value\n5,2\n4,3\n", "the time '4' is not later", 3},
        {"time,value\n-5,2\n", "no Unix seconds", 2},
        {"time,value\n1700000000000,2\n", "milliseconds?", 2},
        {"time,value\n1,\x1b[31m\n", "'?[31m' is no finite", 2},
        {long_line, "longer than 1023 bytes", 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_text(cases[i].text), -EINVAL);
        if (!strstr(csv.error, cases[i].part) || csv.line != cases[i].line)
            fail_msg("case %u: line %u: %s", i, (unsigned)csv.line, csv.error);
    }
    csv_begin(&csv);
    assert_int_equal(csv_feed(&csv, "time,value\n1,2\0,3\n", 18, take, NULL), -EINVAL);
    assert_string_equal(csv.error, "there is a byte 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(samples_are_taken),
        TEST(what_other_programs_write_is_read_too),
        TEST(what_is_wrong_is_said_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
