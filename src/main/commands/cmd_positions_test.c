#include "main/commands/commands.h"

#include "command.h"
#include "store/store.h"

static char *const dir = command.dir;
static const char *const out = command.out;

static char good[128], bad[128];

static void write_configurations(void)
{
    char text[128];
    snprintf(text, sizeof text, "state_dir: %s\n", dir);
    write_text("good.yaml", text);
    write_text("bad.yaml", "state_dir: [a]\n");
    snprintf(good, sizeof good, "%s", in_dir("good.yaml"));
    snprintf(bad, sizeof bad, "%s", in_dir("bad.yaml"));
}

static int make_dir(void **state)
{
    int error;
    if (command_make_dir(state) < 0)
        return -1;
    write_configurations();
    struct store *s = store_open(&scope_root, dir, &error);
    assert_int_equal(store_begin(s), 0);
    for (int i = 0; i < 3; i++) {
        char key[16], name[32];
        snprintf(key, sizeof key, "file:%d", i);
        snprintf(name, sizeof name, "/var/log/%c\"\n.log", 'a' + i);
        store_put_source(s, &(struct store_source){key, name, NULL, 1700000000000000000});
        store_put_position(s, &(struct store_position){key, "loki", 100u + (unsigned)i, 0, NULL});
        store_put_position(s, &(struct store_position){key, "local", 200u + (unsigned)i, 0, "s=1"});
    }
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    return 0;
}

static int run(const char *a, const char *b, const char *c, const char *d, const char *e)
{
    return run_words(cmd_positions, (char *[]){WORD("positions"), WORD(a), WORD(b), WORD(c), WORD(d), WORD(e), NULL});
}

static int lines(void)
{
    int n = 0;
    for (const char *p = out; (p = strchr(p, '\n')); p++)
        n++;
    return n;
}

static void show_lists_positions(void **state)
{
    assert_int_equal(run("show", "--state-dir", dir, NULL, NULL), 0);
    assert_int_equal(lines(), 7);
    assert_non_null(strstr(out, "2023-11-14T22:13:20Z"));
    assert_int_equal(run("show", "-c", good, "--sink", "loki"), 0);
    assert_int_equal(lines(), 4);
    assert_int_equal(run("show", "-c", good, "--json", "file:1"), 0);
    assert_non_null(strstr(out, "{\"key\": \"file:1\", \"name\": \"/var/log/b\\\"\\u000a.log\", \"sink\": \"loki\","
                                " \"offset\": 101, \"cursor\": null"));
    assert_null(strstr(out, "file:2"));
}

static void reset_forgets_what_it_names(void **state)
{
    assert_int_equal(run("reset", "-c", good, "/var/log/a*", NULL), 0);
    assert_non_null(strstr(out, "1 source reset"));
    assert_int_equal(run("show", "-c", good, NULL, NULL), 0);
    assert_int_equal(lines(), 5);
    assert_int_equal(run("reset", "-c", good, "--sink", "loki"), 0);
    assert_int_equal(run("show", "-c", good, NULL, NULL), 0);
    assert_int_equal(lines(), 3);
    assert_null(strstr(out, "loki"));
    /* And a database that is lost afterwards does not bring it back. */
    char path[96];
    snprintf(path, sizeof path, "%s/state.db", dir);
    assert_int_equal(unlink(path), 0);
    int error;
    store_close(store_open(&scope_root, dir, &error));
    assert_int_equal(run("show", "-c", good, NULL, NULL), 0);
    assert_int_equal(lines(), 3);
}

static void reset_of_what_is_not_there_fails(void **state)
{
    assert_int_equal(run("reset", "-c", good, "file:0", "/var/log/nothing"), 1);
    complained("no source is called '/var/log/nothing'");
    complained("Nothing was reset");
    assert_int_equal(run("reset", "-c", good, "file:7", NULL), 1);
    complained("no source is called 'file:7'; did you mean 'file:");
    assert_int_equal(run("reset", "-c", good, "/var/log/b.lag", NULL), 1);
    complained("did you mean '/var/log/b\"?.log'?"); /* nothing that a terminal would act on */
    assert_int_equal(run("reset", "-c", good, "--sink", "lokki"), 1);
    complained("at a sink 'lokki'; did you mean 'loki'?");
    assert_int_equal(run("reset", "-c", good, "--sink", "elsewhere"), 1);
    complained("at a sink 'elsewhere'. Nothing was reset");
    assert_int_equal(run("show", "-c", good, NULL, NULL), 0);
    assert_int_equal(lines(), 7);
}

static void what_it_says_is_not_acted_on_by_a_terminal(void **state)
{
    int error;
    struct store *s = store_open(&scope_root, dir, &error);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_position(s, &(struct store_position){"file:0", "sys\033log", 1, 0, NULL}), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    assert_int_equal(run("reset", "-c", good, "--sink", "sys_log"), 1);
    complained("at a sink 'sys_log'; did you mean 'sys?log'?");
}

static void reset_is_refused_beside_an_agent(void **state)
{
    int error;
    struct store *agent = store_open(&scope_root, dir, &error);
    assert_int_equal(run("reset", "-c", good, NULL, NULL), 1);
    complained("stop it first\n");
    assert_null(strstr(command.err, "its own state_dir"));
    store_close(agent);
    assert_int_equal(run("show", "-c", good, NULL, NULL), 0);
    assert_int_equal(lines(), 7);
}

static void wrong_usage_says_so(void **state)
{
    assert_int_equal(run("reste", NULL, NULL, NULL, NULL), 2);
    assert_int_equal(run("show", "--nonsense", NULL, NULL, NULL), 2);
    assert_int_equal(run("show", "-c", bad, NULL, NULL), 2);
    assert_int_equal(run("show", "--state-dir", "/nonexistent", NULL, NULL), 1);
    assert_int_equal(run("--help", NULL, NULL, NULL, NULL), 0);
    assert_non_null(strstr(out, "usage:"));
}

#define WITH_ROWS(fn) cmocka_unit_test_setup_teardown(fn, make_dir, command_remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROWS(show_lists_positions),
        WITH_ROWS(reset_forgets_what_it_names),
        WITH_ROWS(reset_of_what_is_not_there_fails),
        WITH_ROWS(what_it_says_is_not_acted_on_by_a_terminal),
        WITH_ROWS(reset_is_refused_beside_an_agent),
        WITH_ROWS(wrong_usage_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
