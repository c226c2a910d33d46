#include "main/commands/reply.h"

#include "unit.h"

static struct scope scope;

static int read_text(struct reply *r, const char *json)
{
    return reply_read(r, &scope, json, strlen(json));
}

static void values_are_found_by_their_path(void **state)
{
    struct reply r;
    assert_int_equal(scope_begin(&scope, &scope_root, "reply"), 0);
    assert_int_equal(read_text(&r, "{\"a\": {\"b\": [1.5, {\"c\": \"x\\ny\"}, null, true]}, \"n\": -2, \"e\": []}"), 0);
    assert_true(reply_number(&r, "a.b.%u", 0) == 1.5);
    assert_string_equal(reply_text(&r, "a.b.1.c"), "x\ny");
    assert_string_equal(reply_text(&r, "a.b.2"), "");
    assert_string_equal(reply_text(&r, "a.b.3"), "true");
    assert_true(reply_number(&r, "a.b.#") == 4 && reply_number(&r, "e.#") == 0 && reply_number(&r, "n") == -2);
    assert_string_equal(reply_text(&r, "a.c"), "");
    scope_end(&scope);
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const wrong[] = {"", "{", "[1,", "{\"a\":}", "[1}", "nothing"};
    struct reply r;
    assert_int_equal(scope_begin(&scope, &scope_root, "reply"), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_text(&r, wrong[i]), -EBADMSG);
    scope_end(&scope);
}

static void body(void)
{
    struct reply r;
    if (scope_begin(&scope, &scope_root, "reply") < 0)
        return;
    (void)read_text(&r, "{\"a\": [\"b\", 2]}");
    scope_end(&scope);
}

static void survives_every_fault(void **state)
{
    TORTURE(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_are_found_by_their_path),
        TEST(what_is_no_json_is_refused),
        TEST(survives_every_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
