#include "config/config.h"

#include "unit.h"

static struct scope scope;
static struct buf out, errors, again;

static void begin(void)
{
    assert_int_equal(scope_begin(&scope, &scope_root, "test"), 0);
    assert_int_equal(buf_begin(&out, &scope, "out", 1 << 20), 0);
    assert_int_equal(buf_begin(&again, &scope, "again", 1 << 20), 0);
    assert_int_equal(buf_begin(&errors, &scope, "errors", 1 << 16), 0);
    buf_puts(&errors, "");
}

static struct config *parse(const char *text, size_t size)
{
    struct config *c = config_parse(&scope, "f", text, size, &errors);
    assert_string_equal(errors.data, "");
    assert_non_null(c);
    return c;
}

static const char file[] =
    "host: 'a \"b\" ${LOGCAP_TEST_NOT_SET:-x} $${y}'\n"
    "monitors: {files: {paths: [/a, '/b/**'], labels: {job: x}, sources: [{paths: [/c], multiline: {start: '^\\d'}}]}}\n"
    "sinks:\n"
    "  one: {type: loki, url: 'http://user:hidden1@h:1/x@y', username: u, password: hidden2, headers: {A: hidden3}, proxy: "
    "'http://hidden4@p'}\n"
    "  two: {type: loki, url: 'http://h', bearer_token: hidden5}\n"
    "  null: {match: {job: 'x*'}}\n";

static void what_is_printed_can_be_read_again(void **state)
{
    begin();
    assert_int_equal(config_print(parse(file, strlen(file)), &out), 0);
    assert_int_equal(config_print(parse(out.data, out.len), &again), 0);
    assert_string_equal(out.data, again.data);
    assert_non_null(strstr(out.data, "host: \"a \\\"b\\\" x $${y}\""));
    scope_end(&scope);
}

static void secrets_are_masked(void **state)
{
    begin();
    struct config *c = parse(file, strlen(file));
    assert_int_equal(config_print(c, &out), 0);
    assert_int_equal(config_print_json(c, &out), 0);
    assert_null(strstr(out.data, "hidden"));
    assert_non_null(strstr(out.data, "http://***@h:1/x@y"));
    scope_end(&scope);
}

/* JSON is YAML: our own strict reader judges it, duplicate keys and all. */
static void json_says_the_same(void **state)
{
    static const char plain[] = "monitors: {files: {sources: [{paths: [/a], labels: {x: y}}, {paths: [/b]}]}}\n"
                                "sinks: {one: {type: loki, url: 'http://h'}, stdout: {format: json}}\n";
    begin();
    assert_int_equal(config_print(parse(plain, strlen(plain)), &out), 0);
    assert_int_equal(config_print_json(parse(plain, strlen(plain)), &again), 0);
    assert_int_equal(again.data[0], '{');
    struct config *c = parse(again.data, again.len);
    buf_clear(&again);
    assert_int_equal(config_print(c, &again), 0);
    assert_string_equal(out.data, again.data);
    scope_end(&scope);
}

static void the_defaults_are_a_file_that_changes_nothing(void **state)
{
    begin();
    struct buf defaults;
    assert_int_equal(buf_begin(&defaults, &scope, "defaults", 1 << 20), 0);
    assert_int_equal(config_print_defaults(&defaults), 0);
    assert_int_equal(config_print(parse("", 0), &out), 0);
    assert_int_equal(config_print(parse(defaults.data, defaults.len), &again), 0);
    assert_string_equal(out.data, again.data);
    scope_end(&scope);
}

static void read_whole(const char *path, struct buf *b)
{
    char part[4096];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
        buf_add(b, part, n);
    fclose(f);
}

/* If this fails: logcap config --reference > docs/configuration.md */
static void the_reference_in_docs_is_the_tables(void **state)
{
    begin();
    read_whole(SOURCE_ROOT "/docs/configuration.md", &again);
    assert_int_equal(config_print_reference(&out), 0);
    assert_string_equal(out.data, again.data);
    scope_end(&scope);
}

static void the_example_is_right(void **state)
{
    begin();
    read_whole(SOURCE_ROOT "/deploy/logcap.yaml", &again);
    struct config *c = parse(again.data, again.len);
    assert_int_equal(c->n_sinks, 1);
    scope_end(&scope);
}

static void print_body(void)
{
    struct scope s;
    struct buf b;
    if (scope_begin(&s, &scope_root, "torture") < 0)
        return;
    if (buf_begin(&b, &s, "out", 1 << 20) == 0) {
        int r = config_print_defaults(&b);
        if (!fault_fired())
            assert_int_equal(r, 0);
        else if (b.failed)
            assert_int_equal(r, -ENOMEM);
    }
    scope_end(&s);
}

static void printing_survives_torture(void **state)
{
    TORTURE(print_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_printed_can_be_read_again),
        TEST(secrets_are_masked),
        TEST(json_says_the_same),
        TEST(the_defaults_are_a_file_that_changes_nothing),
        TEST(the_reference_in_docs_is_the_tables),
        TEST(the_example_is_right),
        TEST(printing_survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
