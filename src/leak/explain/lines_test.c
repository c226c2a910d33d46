#include "leak/explain/lines.h"

#include <gnu/libc-version.h>

#include "base/clock.h"
#include "base/stack.h"
#include "leak/explain/resolver.h"
#include "unit.h"

static uintptr_t stack[8];
static unsigned depth, line_of_call;

static inline __attribute__((always_inline)) void inlined(void)
{
    depth = stack_walk(stack, 8, 0);
    line_of_call = __LINE__ - 1;
}

static __attribute__((noinline)) void outer(void)
{
    inlined();
    __asm__ volatile("");
}

static void look_up(struct lines *l)
{
    outer();
    assert_true(depth >= 2);
    for (unsigned i = 0; i < depth; i++)
        stack[i]--;
    uintptr_t asked[8];
    memcpy(asked, stack, sizeof asked);
    assert_int_equal(lines_begin(l, &scope_root, asked, depth, -1), 0);
}

static void finds_file_line_and_what_was_inlined(void **state)
{
    struct lines l;
    look_up(&l);
    assert_true(l.resolved);
    const struct place *p = lines_find(&l, stack[0]);
    assert_non_null(p);
    assert_true(l.modules[p->module].program);
    assert_int_equal(strlen(l.modules[p->module].build_id), 40);
    assert_int_equal(p->n, 2);
    const struct frame *f = &l.frames[p->first];
    assert_string_equal(f[0].function, "inlined");
    assert_int_equal(f[0].line, line_of_call);
    assert_string_equal(f[1].function, "outer");
    assert_int_equal(f[1].line, line_of_call + 6);
    assert_string_equal(f[1].file, SOURCE_ROOT "/src/leak/explain/lines_test.c");
    p = lines_find(&l, stack[1]);
    assert_string_equal(l.frames[p->first].function, "look_up");
    assert_null(lines_find(&l, 1));
    lines_end(&l);
}

static void knows_functions_without_help(void **state)
{
    const char *const none[] = {"/nonexistent", NULL}, *const fails[] = {"/bin/false", NULL};
    const char *const *const resolvers[] = {NULL, none, fails};
    struct lines l;
    for (int i = 0; i < 3; i++) {
        lines_set_resolver(resolvers[i]);
        look_up(&l);
        assert_false(l.resolved);
        const struct place *p = lines_find(&l, stack[0]);
        assert_int_equal(p->n, 1);
        assert_string_equal(l.frames[p->first].function, "outer");
        assert_int_equal(l.frames[p->first].line, 0);
        lines_end(&l);
    }
}

static void names_places_in_libraries(void **state)
{
    uintptr_t asked[] = {(uintptr_t)gnu_get_libc_version + 2, 0x10, 0x10};
    uintptr_t library = asked[0];
    struct lines l;
    assert_int_equal(lines_begin(&l, &scope_root, asked, 3, -1), 0);
    assert_int_equal(l.n_places, 2);
    const struct place *p = lines_find(&l, library);
    assert_string_equal(l.frames[p->first].function, "gnu_get_libc_version");
    assert_non_null(strstr(l.modules[p->module].path, "libc.so"));
    p = lines_find(&l, 0x10);
    assert_int_equal(p->module, MODULES_MAX);
    assert_string_equal(l.frames[p->first].function, "0x11");
    lines_end(&l);
}

static void once(void)
{
    uintptr_t asked[] = {(uintptr_t)once};
    struct lines l;
    lines_set_resolver(NULL);
    if (lines_begin(&l, &scope_root, asked, 1, -1) == 0) {
        assert_non_null(lines_find(&l, (uintptr_t)once));
        lines_end(&l);
    }
}

static void survives_torture(void **state)
{
    TORTURE(once);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "resolve") == 0)
        resolver_run(stdin, stdout);
    lines_set_resolver(lines_itself);
    const struct CMUnitTest tests[] = {
        TEST(finds_file_line_and_what_was_inlined),
        TEST(names_places_in_libraries),
        TEST(knows_functions_without_help),
        TEST(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
