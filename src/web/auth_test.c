#include "web/auth.h"

#include "unit.h"

static const struct http_config none = {.token = "", .token_file = "", .username = "", .password = "", .password_file = ""};

static void a_token_is_asked_for(void **state)
{
    struct http_config c = none;
    struct auth a = {0};
    c.token = "t0ken";
    assert_int_equal(auth_begin(&a, &scope_root, &c), 0);
    assert_true(auth_is_configured(&c));
    assert_true(auth_allows(&a, "Bearer t0ken"));
    assert_true(auth_allows(&a, "bearer  t0ken"));
    assert_true(auth_allows(&a, "Basic eDp0MGtlbg==")); /* x:t0ken */
    assert_true(auth_allows(&a, "Basic OnQwa2Vu"));     /* :t0ken */
    static const char *const wrong[] = {NULL, "", "t0ken", "Bearer", "Bearer ", "Bearer t0ke", "Bearer t0kent0ken", "Bearer t0ken ",
                                        "Basic dDBrZW4=" /* t0ken */, "Basic dDBrZW46" /* t0ken: */, "Basic !", "Digest t0ken"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(auth_allows(&a, wrong[i]));
    auth_end(&a);
}

static void a_name_and_its_password_are_asked_for(void **state)
{
    struct http_config c = none;
    struct auth a = {0};
    c.username = "me";
    c.password = "secret";
    assert_int_equal(auth_begin(&a, &scope_root, &c), 0);
    assert_true(auth_allows(&a, "Basic bWU6c2VjcmV0"));
    assert_false(auth_allows(&a, "Bearer secret"));
    assert_false(auth_allows(&a, "Bearer "));
    assert_false(auth_allows(&a, "Basic eDpzZWNyZXQ=")); /* x:secret */
    assert_false(auth_allows(&a, "Basic bWU6"));         /* me: */
    assert_false(auth_allows(&a, "Basic bWU6c2VjcmV0AA==")); /* a NUL behind */
    auth_end(&a);
}

static void nothing_configured_lets_nobody_in(void **state)
{
    struct auth a = {0};
    assert_int_equal(auth_begin(&a, &scope_root, &none), 0);
    assert_false(auth_is_configured(&none));
    assert_false(auth_allows(&a, "Bearer "));
    assert_false(auth_allows(&a, "Basic Og==")); /* : */
    assert_false(auth_allows(&a, NULL));
    auth_end(&a);
}

static void a_file_that_is_not_there_lets_nobody_in(void **state)
{
    struct http_config c = none;
    struct auth a = {0};
    c.token_file = "/nowhere/token";
    assert_int_equal(auth_begin(&a, &scope_root, &c), 0);
    assert_true(auth_is_configured(&c));
    assert_false(auth_allows(&a, "Bearer "));
    auth_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_asked_for),
        TEST(a_name_and_its_password_are_asked_for),
        TEST(nothing_configured_lets_nobody_in),
        TEST(a_file_that_is_not_there_lets_nobody_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
