#include "base/fault.h"
#include "command.h"
#include "main/commands/commands.h"

/* A sample every minute of `hours`, by f. */
static void write_series(const char *name, unsigned hours, double (*f)(double minute))
{
    FILE *out = fopen(in_dir(name), "w");
    assert_non_null(out);
    fprintf(out, "time,value\n");
    for (unsigned i = 0; i < hours * 60; i++)
        fprintf(out, "%u,%.17g\n", 1700000000 + i * 60, f(i));
    fclose(out);
}

static double flat(double minute)
{
    return 100 + ((unsigned)minute * 7919u) % 5;
}

static double rising(double minute)
{
    return flat(minute) + minute / 2;
}

static void a_leak_is_found(void **state)
{
    write_series("leak.csv", 24, rising);
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD(in_dir("leak.csv")), WORD("--limit"), WORD("1000")), 0);
    printed("leak.csv: leaking, severity ");
    printed("1440 samples over 23 h 59 min");
    printed("It grows since 2023-11-14T");
    printed(" by 0.5 a minute (0.5 to 0.5");
    printed("The limit of 1000 is reached in 5 h ");
    printed("raised    high      grows by ");
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD("--json"), WORD(in_dir("leak.csv")), WORD("--kind"), WORD("tasks")), 0);
    printed("{\"verdict\":\"leaking\",\"severity\":\"");
    printed("\"slope_per_min\":0.");
    printed("\"limit_in_s\":null,\"alerts\":[{\"time\":17000");
    printed("\"severity\":\"warning\",\"reason\":\"grows by ");
}

static void a_steady_series_raises_nothing(void **state)
{
    write_series("flat.csv", 24, flat);
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD(in_dir("flat.csv"))), 0);
    printed("flat.csv: steady, severity none");
    printed("There would have been no alert.");
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD(in_dir("flat.csv")), WORD("--json")), 0);
    printed("{\"verdict\":\"steady\",\"severity\":\"none\",\"since\":null,\"first_alert\":null,\"slope_per_min\":0,\"confidence\":");
    printed("\"limit_in_s\":null,\"alerts\":[]}\n");
}

static void the_limit_is_an_alert_of_its_own(void **state)
{
    write_series("full.csv", 1, flat);
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD(in_dir("full.csv")), WORD("--limit"), WORD("105")), 0);
    printed("full.csv: at_limit, severity critical");
}

/* Descriptors of which 25 more are open each minute, after five quiet hours. */
static double running_out(double minute)
{
    return flat(minute) + (minute > 300 ? 25 * (minute - 300) : 0);
}

static void a_limit_within_the_hour_is_an_alert_before_anything_is_proven(void **state)
{
    write_series("soon.csv", 6, running_out);
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD(in_dir("soon.csv")), WORD("--kind"), WORD("fds")), 0);
    printed("soon.csv: growing, severity none");
    printed("There would have been no alert.");
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD(in_dir("soon.csv")), WORD("--kind"), WORD("fds"), WORD("--limit"), WORD("2000")),
                     0);
    printed("soon.csv: growing, severity high");
    printed("raised    high      grows by 25 a minute for ");
    printed(" min: if that goes on, the limit of 2000 is reached in 3");
}

static void what_is_wrong_is_said(void **state)
{
    write_text("bad.csv", "time,value\n1,2\n2,x\n");
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD(in_dir("bad.csv"))), EXIT_USAGE);
    complained("bad.csv:3: the value 'x' is no finite number\n");
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD(in_dir("none.csv"))), EXIT_FAILED);
    complained("cannot open");
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD("x"), WORD("--kind"), WORD("goats")), EXIT_USAGE);
    complained("not 'goats'");
    assert_int_equal(RUN(cmd_leaks, WORD("replay"), WORD("x"), WORD("--limit"), WORD("-1")), EXIT_USAGE);
    complained("not '-1'");
    assert_int_equal(RUN(cmd_leaks, WORD("replay")), EXIT_USAGE);
    assert_int_equal(RUN(cmd_leaks, WORD("plant")), EXIT_USAGE);
    complained("unexpected argument 'plant'");
    assert_int_equal(RUN(cmd_leaks, WORD("--help")), EXIT_DONE);
}

static void replay_once(void)
{
    RUN(cmd_leaks, WORD("replay"), WORD(in_dir("leak.csv")), WORD("--json"));
}

static void each_call_may_fail(void **state)
{
    write_series("leak.csv", 2, rising); /* how long it is changes what is computed, not what can fail */
    TORTURE(replay_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(a_leak_is_found),
        IN_DIR(a_steady_series_raises_nothing),
        IN_DIR(the_limit_is_an_alert_of_its_own),
        IN_DIR(a_limit_within_the_hour_is_an_alert_before_anything_is_proven),
        IN_DIR(what_is_wrong_is_said),
        IN_DIR(each_call_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
