#include "codec/cri.h"

#include "unit.h"

#define T "2026-11-21T10:50:09.000000007Z "
enum { T_LEN = sizeof T - 1 };
static const int64_t time_of_t = 1795258209000000007;

static struct mark marks[64];
static const char *chunk;

static uint32_t mark(const char *text, uint32_t *consumed)
{
    chunk = text;
    memset(marks, 0xff, sizeof marks);
    return cri_mark(text, (uint32_t)strlen(text), marks, 64, consumed);
}

static void assert_mark(uint32_t i, uint16_t stream, uint16_t more, const char *text)
{
    assert_int_equal(marks[i].stream, stream);
    assert_int_equal(marks[i].more, more);
    assert_int_equal(marks[i].len, strlen(text));
    assert_memory_equal(chunk + marks[i].off, text, marks[i].len);
    assert_true(marks[i].time == (stream == WRAPPED_BARE ? WRAPPED_NO_TIME : time_of_t));
    assert_int_equal(chunk[marks[i].end - 1], '\n');
    assert_int_equal(marks[i].end, strchr(chunk + marks[i].off, '\n') + 1 - chunk);
}

static void lines_give_up_their_wrapping(void **state)
{
    uint32_t consumed;
    const char *text = T "stdout F a line\n" T "stderr F   indented \n" T "stdout F \n" T "stdout F\n" T "stdout F with\r\n";
    assert_int_equal(mark(text, &consumed), 5);
    assert_mark(0, WRAPPED_STDOUT, 0, "a line");
    assert_mark(1, WRAPPED_STDERR, 0, "  indented ");
    assert_mark(2, WRAPPED_STDOUT, 0, "");
    assert_mark(3, WRAPPED_STDOUT, 0, "");
    assert_mark(4, WRAPPED_STDOUT, 0, "with");
    assert_int_equal(consumed, strlen(text));
}

static void pieces_say_that_they_go_on(void **state)
{
    uint32_t consumed;
    assert_int_equal(mark(T "stdout P one \r\n" T "stderr F between\n" T "stdout P \n" T "stdout F two\n", &consumed), 4);
    assert_mark(0, WRAPPED_STDOUT, 1, "one \r");
    assert_mark(1, WRAPPED_STDERR, 0, "between");
    assert_mark(2, WRAPPED_STDOUT, 1, "");
    assert_mark(3, WRAPPED_STDOUT, 0, "two");
}

static void tags_behind_the_first_are_passed_over(void **state)
{
    uint32_t consumed;
    assert_int_equal(mark(T "stdout F:n:x F text\n" T "stdout P:last piece\n", &consumed), 2);
    assert_mark(0, WRAPPED_STDOUT, 0, "F text");
    assert_mark(1, WRAPPED_STDOUT, 1, "piece");
}

static void what_is_not_in_the_form_is_a_record_as_it_is(void **state)
{
    static const char *const bad[] = {"", "bare", "stdout F x", T "stdout", T "stdout ", T "stdin F x", T "stdouts F x", T "stdout X x",
                                      T "stdout Fx y", "2026-11-21T10:50:09Zstdout F x", "2026-11-21 10:50:09Z stdout F x", T, T " stdout F x"};
    char text[256];
    uint32_t consumed;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "%s\n", bad[i]);
        assert_int_equal(mark(text, &consumed), 1);
        assert_mark(0, WRAPPED_BARE, 0, bad[i]);
    }
}

static void what_has_no_end_is_left(void **state)
{
    uint32_t consumed;
    assert_int_equal(mark(T "stdout F one\n" T "stdout F tw", &consumed), 1);
    assert_int_equal(consumed, T_LEN + 13);
    assert_int_equal(cri_mark(T "stdout F 1\n" T "stdout F 2\n", 2 * (T_LEN + 11), marks, 1, &consumed), 1);
    assert_int_equal(consumed, T_LEN + 11);
}

static void a_form_is_guessed_by_its_first_byte(void **state)
{
    assert_int_equal(wrapping_guess("{\"log\":", 7), WRAPPED_JSON_FILE);
    assert_int_equal(wrapping_guess(T, T_LEN), WRAPPED_CRI);
    assert_int_equal(wrapping_guess("", 0), WRAPPED_CRI);
    for (int w = WRAPPED_NOT; w <= WRAPPED_CRI; w++)
        assert_int_equal(wrapping_of_name(wrapping_name(w)), w);
    assert_int_equal(wrapping_of_name("none"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_give_up_their_wrapping),
        TEST(pieces_say_that_they_go_on),
        TEST(tags_behind_the_first_are_passed_over),
        TEST(what_is_not_in_the_form_is_a_record_as_it_is),
        TEST(what_has_no_end_is_left),
        TEST(a_form_is_guessed_by_its_first_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
