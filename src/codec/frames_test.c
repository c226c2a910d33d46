#include "codec/frames.h"

#include <errno.h>
#include <stdlib.h>

#include "unit.h"

#define T "2026-11-21T10:50:09.000000007Z "
static const int64_t time_of_t = 1795258209000000007;
static const struct frames frames = {.max_frame = 1024 * 1024}, tty = {.tty = true, .max_frame = 1024 * 1024};

static char chunk[64 * 1024];
static uint32_t used;
static struct mark marks[64];

static void frame(int type, const char *text, size_t len)
{
    const unsigned char header[FRAMES_HEADER] = {(unsigned char)type, 0, 0, 0, (unsigned char)(len >> 24), (unsigned char)(len >> 16),
                                                 (unsigned char)(len >> 8), (unsigned char)len};
    memcpy(chunk + used, header, sizeof header);
    memcpy(chunk + used + sizeof header, text, len);
    used += (uint32_t)(sizeof header + len);
}

static void assert_mark(uint32_t i, uint16_t stream, uint16_t more, const char *text)
{
    assert_int_equal(marks[i].stream, stream);
    assert_int_equal(marks[i].more, more);
    assert_int_equal(marks[i].len, strlen(text));
    assert_memory_equal(chunk + marks[i].off, text, marks[i].len);
    assert_true(marks[i].time == (stream == WRAPPED_BARE ? WRAPPED_NO_TIME : time_of_t));
}

static void a_frame_is_marked_when_it_is_whole(void **state)
{
    uint32_t consumed;
    int error;
    const char *one = T "one\n", *two = T "  two";
    used = 0;
    frame(1, one, strlen(one));
    uint32_t first = used;
    frame(2, two, strlen(two));
    frame(1, "", 0);
    for (uint32_t n = 0; n <= used; n++) { /* any split */
        uint32_t whole = (n >= first) + (n >= used - FRAMES_HEADER);
        assert_int_equal(frames_mark(&frames, chunk, n, marks, 64, &consumed, &error), whole);
        assert_int_equal(error, 0);
        assert_int_equal(consumed, whole == 0 ? 0 : whole == 1 ? first : n == used ? used : used - FRAMES_HEADER);
    }
    assert_mark(0, WRAPPED_STDOUT, 0, "one");
    assert_mark(1, WRAPPED_STDERR, 1, "  two");
    assert_int_equal(marks[0].end, first);
}

static void a_length_may_have_any_byte(void **state)
{
    uint32_t consumed;
    int error;
    char text[3000];
    for (size_t len = 2; len < 2700; len += len < 20 ? 1 : 255) {
        used = 0;
        memset(text, 'x', sizeof text);
        text[len - 1] = '\n';
        frame(1, text, len);
        assert_int_equal(frames_mark(&frames, chunk, used, marks, 64, &consumed, &error), 1);
        assert_int_equal(marks[0].len, len - 1);
        assert_int_equal(consumed, used);
    }
    used = 0;
    memset(text, 'x', sizeof text);
    memcpy(text, T, sizeof T - 1);
    frame(1, text, 0x0A0A); /* a length of newlines */
    assert_int_equal(frames_mark(&frames, chunk, used, marks, 64, &consumed, &error), 1);
    assert_int_equal(marks[0].len, 0x0A0A - (sizeof T - 1));
    assert_int_equal(marks[0].more, 1);
}

static void absurd_lengths_and_headers_are_refused(void **state)
{
    uint32_t consumed;
    int error;
    used = 0;
    frame(1, T "a\n", sizeof T + 1);
    uint32_t first = used;
    static const struct { char header[FRAMES_HEADER]; int error; } bad[] = {
        {{1, 0, 0, 0, 0x7f, '\xff', '\xff', '\xff'}, -EMSGSIZE}, {{1, 0, 0, 0, 0, 0x10, 0, 1}, -EMSGSIZE},
        {{4, 0, 0, 0, 0, 0, 0, 1}, -EBADMSG}, {{1, 0, 1, 0, 0, 0, 0, 1}, -EBADMSG}, {{'2', '0', '2', '6', '-', '1', '1', '-'}, -EBADMSG}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(chunk + first, bad[i].header, FRAMES_HEADER);
        assert_int_equal(frames_mark(&frames, chunk, first + FRAMES_HEADER, marks, 64, &consumed, &error), 1);
        assert_int_equal(error, bad[i].error);
        assert_int_equal(consumed, first);
    }
}

static void what_has_no_time_is_bare(void **state)
{
    uint32_t consumed;
    int error;
    used = 0;
    frame(1, "no time\n", 8);
    frame(3, "Error grabbing logs", 19);
    frame(0, T "in\n", sizeof T + 2);
    assert_int_equal(frames_mark(&frames, chunk, used, marks, 64, &consumed, &error), 3);
    assert_mark(0, WRAPPED_BARE, 0, "no time");
    assert_mark(1, WRAPPED_BARE, 0, "Error grabbing logs");
    assert_mark(2, WRAPPED_STDOUT, 0, "in");
}

static void lines_of_one_message_share_its_time(void **state)
{
    uint32_t consumed;
    int error;
    used = 0;
    frame(2, T "a\n\nb\n", sizeof T + 4);
    frame(2, T "c\nd", sizeof T + 2);
    assert_int_equal(frames_mark(&frames, chunk, used, marks, 64, &consumed, &error), 5);
    assert_mark(0, WRAPPED_STDERR, 0, "a");
    assert_mark(1, WRAPPED_STDERR, 0, "");
    assert_mark(2, WRAPPED_STDERR, 0, "b");
    assert_mark(3, WRAPPED_STDERR, 0, "c");
    assert_mark(4, WRAPPED_STDERR, 1, "d");
    /* A frame is marked whole, or left; the first one goes into the marks there are. */
    assert_int_equal(frames_mark(&frames, chunk, used, marks, 4, &consumed, &error), 3);
    assert_int_equal(consumed, FRAMES_HEADER + sizeof T + 4);
    assert_int_equal(frames_mark(&frames, chunk, used, marks, 2, &consumed, &error), 2);
    assert_mark(1, WRAPPED_STDERR, 0, "\nb");
    assert_int_equal(consumed, FRAMES_HEADER + sizeof T + 4);
}

static void a_tty_has_lines(void **state)
{
    uint32_t consumed;
    int error;
    memset(marks, 0xff, sizeof marks);
    strcpy(chunk, T "  one\r\n" T "\r\nno time\r\n" T "tw");
    assert_int_equal(frames_mark(&tty, chunk, (uint32_t)strlen(chunk), marks, 64, &consumed, &error), 3);
    assert_mark(0, WRAPPED_STDOUT, 0, "  one");
    assert_mark(1, WRAPPED_STDOUT, 0, "");
    assert_mark(2, WRAPPED_BARE, 0, "no time");
    assert_string_equal(chunk + consumed, T "tw");
}

/* The daemon writes a long message in pieces of 16 KiB, each with its time, and nothing between them. */
static void pieces_of_a_tty_are_known_by_their_length(void **state)
{
    enum { STAMP = sizeof T - 1 };
    uint32_t consumed;
    int error;
    char *p = chunk;
    for (int i = 0; i < 3; i++) {
        p = mempcpy(p, T, STAMP);
        memset(p, 'a' + i, FRAMES_PIECE);
        p += i < 2 ? FRAMES_PIECE : 10;
    }
    *p++ = '\n';
    assert_int_equal(frames_mark(&tty, chunk, (uint32_t)(p - chunk), marks, 64, &consumed, &error), 3);
    assert_int_equal(consumed, p - chunk);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(marks[i].len, i < 2 ? FRAMES_PIECE : 10);
        assert_int_equal(marks[i].more, i < 2);
        assert_int_equal(chunk[marks[i].off], 'a' + (int)i);
        assert_true(marks[i].time == time_of_t);
    }
    /* What never ends becomes pieces of max_frame. */
    const struct frames small = {.tty = true, .max_frame = 5000};
    assert_int_equal(frames_mark(&small, chunk, 12000, marks, 64, &consumed, &error), 2);
    assert_int_equal(marks[0].len, 5000);
    assert_int_equal(marks[0].more, 1);
    assert_int_equal(consumed, marks[1].end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_frame_is_marked_when_it_is_whole),
        TEST(a_length_may_have_any_byte),
        TEST(absurd_lengths_and_headers_are_refused),
        TEST(what_has_no_time_is_bare),
        TEST(lines_of_one_message_share_its_time),
        TEST(a_tty_has_lines),
        TEST(pieces_of_a_tty_are_known_by_their_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
