#include "codec/frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#define T "2026-11-21T10:50:09.000000007Z "
static const int64_t time_of_t = 1795258209000000007;
#define FRAMES (&(struct frames){.max_frame = 1024 * 1024})
#define TTY (&(struct frames){.tty = true})

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

static void frames_are_marked(void **state)
{
    uint32_t consumed;
    int error;
    const char *one = T "one\n", *two = T "  two";
    used = 0;
    frame(1, one, strlen(one));
    uint32_t first = used;
    frame(2, two, strlen(two));
    frame(1, "", 0);
    assert_int_equal(frames_mark(FRAMES, chunk, used, marks, 64, &consumed, &error), 2);
    assert_int_equal(error, 0);
    assert_int_equal(consumed, used);
    assert_mark(0, WRAPPED_STDOUT, 0, "one");
    assert_mark(1, WRAPPED_STDERR, 1, "  two");
    assert_int_equal(marks[0].end, first);
}

/* Adds what is marked to `out`: "1:text" and '+' for what goes on in the next message. */
static void note(const char *data, uint32_t n, bool on, bool goes_on, char *out)
{
    out += strlen(out);
    for (uint32_t i = 0; i < n; i++) {
        if (i || !on)
            out += sprintf(out, "|%d:", marks[i].stream == WRAPPED_STDERR ? 2 : marks[i].stream == WRAPPED_STDOUT);
        out += sprintf(out, "%.*s", (int)marks[i].len, data + marks[i].off);
        if (marks[i].more && (i + 1 < n || !goes_on))
            out += sprintf(out, "+");
    }
}

/* Read in two parts, what is left of the first with the second: the same at each place where it may be split. */
static void assert_any_split(bool is_tty, const char *expected)
{
    char out[512];
    for (uint32_t at = 0; at <= used; at++) {
        struct frames f = {.tty = is_tty, .max_frame = 1024};
        uint32_t consumed, from = 0;
        int error;
        out[0] = 0;
        for (int part = 0; part < 2; part++, from += consumed) {
            bool on = f.goes_on;
            uint32_t n = frames_mark(&f, chunk + from, (part ? used : at) - from, marks, 64, &consumed, &error);
            assert_int_equal(error, 0);
            note(chunk + from, n, on, f.goes_on, out);
        }
        assert_string_equal(out, expected);
        assert_int_equal(from, used);
        assert_int_equal(f.left, 0);
    }
}

static void where_bytes_are_split_makes_no_difference(void **state)
{
    used = 0;
    for (int i = 0; i < 2; i++) {
        const char *lines = T "a\nof many lines, so that it is longer than a time\r\n\nof which one is longer than others\r\nand the last has no end\r";
        frame(1, lines, strlen(lines));
        frame(2, "", 0);
        frame(2, T, sizeof T - 1);
        frame(1, T "\n", sizeof T);
    }
#define ONCE "|1:a|1:of many lines, so that it is longer than a time|1:|1:of which one is longer than others|1:and the last has no end\r+|2:+|1:"
    assert_any_split(false, ONCE ONCE);
    used = (uint32_t)(stpcpy(chunk, T "one\r\n" T "\n" T "two\n") - chunk);
    assert_any_split(true, "|1:one|1:|1:two");
}

static void what_is_there_of_a_long_frame_is_marked(void **state)
{
    struct frames f = {.max_frame = 1024 * 1024};
    uint32_t consumed;
    int error;
    static char text[40000];
    memset(text, 'x', sizeof text);
    memcpy(text, T, sizeof T - 1);
    text[sizeof text - 1] = '\n';
    used = 0;
    frame(2, text, sizeof text);
    assert_int_equal(frames_mark(&f, chunk, FRAMES_HEADER + FRAMES_STAMP - 1, marks, 64, &consumed, &error), 0);
    assert_int_equal(consumed, 0);
    assert_int_equal(frames_mark(&f, chunk, 10000, marks, 64, &consumed, &error), 1);
    assert_int_equal(consumed, 10000);
    assert_true(marks[0].more && f.goes_on && f.left == used - 10000);
    assert_int_equal(frames_mark(&f, chunk + 10000, used - 10000, marks, 64, &consumed, &error), 1);
    assert_int_equal(marks[0].stream, WRAPPED_STDERR);
    assert_int_equal(marks[0].len, used - 10000 - 1);
    assert_true(marks[0].time == time_of_t && !marks[0].more && !f.goes_on && !f.left);
}

/* Torn anywhere behind its time it is given as far as it goes; before, there is no text of it. */
static void what_is_there_of_a_short_frame_is_marked_when_nothing_follows(void **state)
{
    enum { TEXT = FRAMES_HEADER + sizeof T - 1 };
    uint32_t consumed;
    int error;
    used = 0;
    frame(2, T "a few words\r\n", sizeof T - 1 + 13);
    for (uint32_t n = 0; n < used; n++) {
        struct frames f = {.max_frame = 1024};
        assert_int_equal(frames_mark(&f, chunk, n, marks, 64, &consumed, &error), 0);
        assert_int_equal(consumed, 0);
        f.is_over = true;
        assert_int_equal(frames_mark(&f, chunk, n, marks, 64, &consumed, &error), n > TEXT);
        assert_int_equal(error, 0);
        if (n <= TEXT)
            continue;
        char text[16] = {0};
        memcpy(text, chunk + TEXT, n - TEXT - (n == used - 1));
        assert_mark(0, WRAPPED_STDERR, 1, text);
    }
    used = 0;
    frame(3, "Error grabbing logs", 19);
    assert_int_equal(frames_mark(&(struct frames){.max_frame = 1024, .is_over = true}, chunk, used - 1, marks, 64, &consumed, &error), 1);
    assert_mark(0, WRAPPED_BARE, 1, "Error grabbing log");
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
        assert_int_equal(frames_mark(FRAMES, chunk, used, marks, 64, &consumed, &error), 1);
        assert_int_equal(marks[0].len, len - 1);
        assert_int_equal(consumed, used);
    }
    used = 0;
    memset(text, 'x', sizeof text);
    memcpy(text, T, sizeof T - 1);
    frame(1, text, 0x0A0A); /* a length of newlines */
    assert_int_equal(frames_mark(FRAMES, chunk, used, marks, 64, &consumed, &error), 1);
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
        assert_int_equal(frames_mark(FRAMES, chunk, first + FRAMES_HEADER, marks, 64, &consumed, &error), 1);
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
    assert_int_equal(frames_mark(FRAMES, chunk, used, marks, 64, &consumed, &error), 3);
    assert_mark(0, WRAPPED_BARE, 0, "no time");
    assert_mark(1, WRAPPED_BARE, 1, "Error grabbing logs");
    assert_mark(2, WRAPPED_STDOUT, 0, "in");
}

static void what_the_daemon_says_is_not_cut(void **state)
{
    static const char says[] = "Error grabbing logs: error decoding a message at offset 1234567 of a file of some name: unexpected EOF";
    struct frames f = {.max_frame = 1024};
    uint32_t consumed;
    int error;
    used = 0;
    frame(3, says, sizeof says - 1);
    assert_int_equal(frames_mark(&f, chunk, used - 1, marks, 64, &consumed, &error), 0);
    assert_int_equal(consumed, 0);
    assert_int_equal(frames_mark(&f, chunk, used, marks, 64, &consumed, &error), 1);
    assert_mark(0, WRAPPED_BARE, 1, says);
}

static void one_frame_is_told_from_what_follows(void **state)
{
    struct frames f = {.max_frame = 1024};
    used = 0;
    frame(1, T "one\n", sizeof T + 3);
    uint32_t first = used;
    frame(1, T "two\n", sizeof T + 3);
    assert_int_equal(frames_one(&f, chunk, used), first);
    assert_int_equal(frames_one(&f, chunk, first - 1), first - 1);
    assert_int_equal(frames_one(&f, chunk, FRAMES_HEADER - 1), FRAMES_HEADER - 1);
    f.left = 3;
    assert_int_equal(frames_one(&f, chunk + first - 3, 3 + used - first), 3);
    assert_int_equal(frames_one(TTY, chunk, used), used);
}

static void lines_of_one_message_share_its_time(void **state)
{
    uint32_t consumed;
    int error;
    used = 0;
    frame(2, T "a\n\nb\n", sizeof T + 4);
    frame(2, T "c\nd", sizeof T + 2);
    assert_int_equal(frames_mark(FRAMES, chunk, used, marks, 64, &consumed, &error), 5);
    assert_mark(0, WRAPPED_STDERR, 0, "a");
    assert_mark(1, WRAPPED_STDERR, 0, "");
    assert_mark(2, WRAPPED_STDERR, 0, "b");
    assert_mark(3, WRAPPED_STDERR, 0, "c");
    assert_mark(4, WRAPPED_STDERR, 1, "d");
    /* More than there are marks for: a line is marked whole, or left. */
    struct frames f = {.max_frame = 1024};
    assert_int_equal(frames_mark(&f, chunk, used, marks, 2, &consumed, &error), 2);
    assert_mark(1, WRAPPED_STDERR, 0, "");
    assert_int_equal(f.left, 2);
    assert_false(f.goes_on);
    uint32_t first = consumed;
    assert_int_equal(frames_mark(&f, chunk + first, used - first, marks, 2, &consumed, &error), 2);
    assert_memory_equal(chunk + first + marks[0].off, "b", 1);
    assert_memory_equal(chunk + first + marks[1].off, "c", 1);
    assert_int_equal(first + consumed, used - 1);
}

static void a_tty_has_lines(void **state)
{
    uint32_t consumed;
    int error;
    memset(marks, 0xff, sizeof marks);
    strcpy(chunk, T "  one\r\n" T "\r\nno time\r\n" T "tw");
    assert_int_equal(frames_mark(TTY, chunk, (uint32_t)strlen(chunk), marks, 64, &consumed, &error), 3);
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
    assert_int_equal(frames_mark(TTY, chunk, (uint32_t)(p - chunk), marks, 64, &consumed, &error), 3);
    assert_int_equal(consumed, p - chunk);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(marks[i].len, i < 2 ? FRAMES_PIECE : 10);
        assert_int_equal(marks[i].more, i < 2);
        assert_int_equal(chunk[marks[i].off], 'a' + (int)i);
        assert_true(marks[i].time == time_of_t);
    }
}

static void of_a_tty_s_endless_line_little_is_kept(void **state)
{
    struct frames f = {.tty = true};
    struct mark rest;
    uint32_t consumed, kept = 0;
    int error;
    memset(chunk, 'x', sizeof chunk);
    memcpy(chunk, T, sizeof T - 1);
    while (frames_mark(&f, chunk, kept, marks, 64, &consumed, &error) == 0)
        kept++;
    assert_true(kept <= FRAMES_KEPT);
    assert_int_equal(consumed, kept);
    assert_true(f.goes_on && marks[0].more);
    assert_int_equal(marks[0].len, kept - (sizeof T - 1));
    strcpy(chunk, "and on\r\n" T "no end");
    assert_int_equal(frames_mark(&f, chunk, (uint32_t)strlen(chunk), marks, 64, &consumed, &error), 1);
    assert_mark(0, WRAPPED_STDOUT, 0, "and on");
    assert_string_equal(chunk + consumed, T "no end");
    assert_true(frames_rest(&f, chunk + consumed, (uint32_t)strlen(chunk + consumed), &rest));
    assert_int_equal(rest.len, strlen("no end"));
    assert_true(rest.more && rest.stream == WRAPPED_STDOUT && rest.time == time_of_t);
    assert_false(frames_rest(FRAMES, chunk, 10, &rest));
}

static void a_tty_s_rest_is_text_not_a_time(void **state)
{
    struct mark rest;
    for (uint32_t n = 1; n < sizeof T; n++)
        assert_false(frames_rest(TTY, T, n, &rest));
    assert_true(frames_rest(TTY, T "2", sizeof T, &rest));
    assert_true(rest.len == 1 && rest.time == time_of_t);
    assert_true(frames_rest(TTY, "Error", 5, &rest));
    assert_int_equal(rest.stream, WRAPPED_BARE);
    memset(chunk, 'x', sizeof chunk);
    memcpy(chunk, T, sizeof T - 1);
    const uint32_t piece = sizeof T - 1 + FRAMES_PIECE;
    memcpy(chunk + piece, T, sizeof T - 1);
    for (uint32_t n = 0; n < sizeof T - 1; n++) { /* of the next piece */
        assert_true(frames_rest(TTY, chunk, piece + n, &rest));
        assert_int_equal(rest.len, FRAMES_PIECE);
    }
    memset(chunk + piece, 'x', sizeof T);
    assert_true(frames_rest(TTY, chunk, piece + 5, &rest));
    assert_int_equal(rest.len, FRAMES_PIECE + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_are_marked),
        TEST(where_bytes_are_split_makes_no_difference),
        TEST(what_is_there_of_a_long_frame_is_marked),
        TEST(what_is_there_of_a_short_frame_is_marked_when_nothing_follows),
        TEST(a_length_may_have_any_byte),
        TEST(absurd_lengths_and_headers_are_refused),
        TEST(what_has_no_time_is_bare),
        TEST(what_the_daemon_says_is_not_cut),
        TEST(one_frame_is_told_from_what_follows),
        TEST(lines_of_one_message_share_its_time),
        TEST(a_tty_has_lines),
        TEST(pieces_of_a_tty_are_known_by_their_length),
        TEST(of_a_tty_s_endless_line_little_is_kept),
        TEST(a_tty_s_rest_is_text_not_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
