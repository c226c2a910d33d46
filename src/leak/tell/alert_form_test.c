#include "leak/tell/alert_form.h"

#include "base/clock.h"
#include "unit.h"

static struct scope scope;
static struct buf out;

static const struct alert sample = {
    .id = 3, .event = ALARM_WORSE, .severity = LEAK_HIGH, .time = 1700000000 * SECOND, .since = 1699999000 * SECOND,
    .resource = "fds:unowned/1", .series = "fds:unowned", .text = "2 <descriptors> & \"more\"", .exact = true, .current = 2, .limit_in = -1,
    .confidence = 1,
};

static const char *written(const struct alert *a, enum alert_format format, const char *details)
{
    buf_clear(&out);
    assert_int_equal(alert_write(a, format, "host", details, &out), 0);
    return out.data;
}

static void begin(void)
{
    assert_int_equal(scope_begin(&scope, &scope_root, "test"), 0);
    assert_int_equal(buf_begin(&out, &scope, "out", 1 << 16), 0);
}

static void own_json_has_every_key_and_the_details(void **state)
{
    begin();
    assert_string_equal(written(&sample, ALERT_JSON, "\"stacks\":[]"),
                        "{\"id\":3,\"time\":\"2023-11-14T22:13:20.000Z\",\"event\":\"worse\",\"severity\":\"high\",\"kind\":\"fds\","
                        "\"resource\":\"fds:unowned/1\",\"series\":\"fds:unowned\",\"exact\":true,"
                        "\"text\":\"2 <descriptors> & \\\"more\\\"\",\"born_at\":null,\"current\":2,\"baseline\":null,\"threshold\":0,"
                        "\"slope_per_min\":0,\"since\":\"2023-11-14T21:56:40.000Z\",\"limit_in_s\":null,\"confidence\":1,"
                        "\"host\":\"host\",\"version\":\"" LOGCAP_VERSION "\",\"stacks\":[]}");
    scope_end(&scope);
}

static void alertmanager_hears_of_an_end_when_it_is_resolved_or_became_worse(void **state)
{
    struct alert a = sample;
    begin();
    const char *text = written(&a, ALERT_ALERTMANAGER, "");
    assert_non_null(strstr(text, "\"severity\":\"high\""));
    assert_non_null(strstr(text, "\"endsAt\":\"2023-11-15T22:13:20.000Z\"")); /* a day ahead */
    assert_non_null(strstr(text, "\"severity\":\"warning\""));                /* which it was before, */
    assert_non_null(strstr(text, "\"endsAt\":\"2023-11-14T22:13:20.000Z\"")); /* and is not any more */
    a.event = ALARM_RESOLVED;
    text = written(&a, ALERT_ALERTMANAGER, "");
    assert_null(strstr(text, "warning"));
    assert_null(strstr(text, "2023-11-15"));
    scope_end(&scope);
}

static void slack_gets_its_own_characters_escaped(void **state)
{
    begin();
    assert_string_equal(written(&sample, ALERT_SLACK, ""),
                        "{\"text\":\"*logcap on host: high fds:unowned/1* (worse)\\n2 &lt;descriptors&gt; &amp; \\\"more\\\"\"}");
    scope_end(&scope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(own_json_has_every_key_and_the_details),
        TEST(alertmanager_hears_of_an_end_when_it_is_resolved_or_became_worse),
        TEST(slack_gets_its_own_characters_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
