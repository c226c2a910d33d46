#include "base/symbols.h"

#include <gnu/libc-version.h>

#include "base/stack.h"
#include "unit.h"

static uintptr_t stack[8];
static unsigned depth;

/* Static, so only the program's own table has their names. */
static __attribute__((noinline)) void innermost(void)
{
    depth = stack_walk(stack, 8, 0);
}

static __attribute__((noinline)) void outermost(void)
{
    innermost();
    __asm__ volatile("");
}

static void names_static_functions(void **state)
{
    struct symbols s;
    char text[SYMBOL_TEXT];
    outermost();
    assert_true(depth >= 3);
    assert_int_equal(symbols_begin(&s, &scope_root), 0);
    assert_ptr_equal(strstr(symbols_text(&s, stack[0], text), "innermost+0x"), text);
    assert_ptr_equal(strstr(symbols_text(&s, stack[1], text), "outermost+0x"), text);
    assert_ptr_equal(strstr(symbols_text(&s, stack[2], text), "names_static_functions+0x"), text);
    symbols_end(&s);
}

static void names_libraries_and_gives_addresses_else(void **state)
{
    struct symbols s;
    char text[SYMBOL_TEXT];
    assert_int_equal(symbols_begin(&s, &scope_root), 0);
    assert_non_null(strstr(symbols_text(&s, (uintptr_t)gnu_get_libc_version + 4, text), ".so"));
    assert_string_equal(symbols_text(&s, 0x10, text), "0x10");
    assert_string_equal(symbols_text(&s, UINTPTR_MAX, text), "0xffffffffffffffff");
    symbols_end(&s);
    assert_ptr_equal(strstr(symbols_text(&s, stack[0], text), "0x"), text);
    assert_null(strchr(text, '+'));
}

static void begin_and_end(void)
{
    struct symbols s;
    char text[SYMBOL_TEXT];
    symbols_begin(&s, &scope_root);
    assert_true(*symbols_text(&s, stack[0], text));
    symbols_end(&s);
}

static void survives_torture(void **state)
{
    TORTURE(begin_and_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_static_functions),
        TEST(names_libraries_and_gives_addresses_else),
        TEST(survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
