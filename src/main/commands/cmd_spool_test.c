#include "main/commands/commands.h"

#include "command.h"
#include "store/store.h"

static void store_what_waits(const char *sink, uint64_t records)
{
    int error;
    struct store *s = store_open(&scope_root, command.dir, &error);
    struct store_ledger row = {"file:1", sink, {[STORE_TAKEN_RECORDS] = records, [STORE_SPOOLED_RECORDS] = records}};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_source(s, &(struct store_source){"file:1", "/a", NULL, 1}), 0);
    assert_int_equal(store_put_ledger(s, &row), 0);
    assert_int_equal(store_put_spool(s, &(struct store_spool){sink, ""}), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
}

static void configure(const char *rest)
{
    char text[256];
    snprintf(text, sizeof text, "state_dir: %s\n%s\n", command.dir, rest);
    write_text("c.yaml", text);
}

#define SPOOL(...) RUN(cmd_spool, __VA_ARGS__, WORD("-c"), WORD(in_dir("c.yaml")))

static void list_says_who_is_not_configured(void **state)
{
    store_what_waits("old", 3);
    store_what_waits("new", 4);
    configure("sinks: {new: {type: \"null\"}}");
    assert_int_equal(SPOOL(WORD("list")), EXIT_DONE);
    printed("            3 records              0 bytes  (not configured)\n");
    printed("            4 records              0 bytes\n");
}

static void list_needs_only_the_place(void **state)
{
    store_what_waits("loki", 3);
    configure("sinks: {loki: {type: loki, url: \"${LOGCAP_NOT_SET}\"}}\nbogus: 1");
    assert_int_equal(SPOOL(WORD("list")), EXIT_DONE);
    printed("loki                            3 records              0 bytes\n");
    complained("which sinks are configured is not known");
    assert_int_equal(SPOOL(WORD("purge"), WORD("loki")), EXIT_USAGE); /* it must know */
    complained("bogus");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(list_says_who_is_not_configured),
        IN_DIR(list_needs_only_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
