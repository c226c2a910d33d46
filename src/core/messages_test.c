#include "core/messages.h"

#include <stdio.h>

#include "codec/wrapped.h"
#include "core/source.h"
#include "unit.h"

/* Of the lines of a text, by its first character a line: o, e: stdout, stderr; O, E: a piece; b: bare. */
static struct world {
    struct scope scope;
    struct pool pool;
    struct source *source;
    struct buf error;
    struct files_group group;
    struct pipeline *pipeline;
    struct pipeline_tie tie;
    struct messages m;
    struct batch *b;
} w;

static bool begin(const char *start)
{
    w = (struct world){.group = {.multiline = {.start = start}, .timestamp = {.regex = "", .format = "auto"}}, .m.max_bytes = 100};
    if (scope_begin(&w.scope, &scope_root, "world") < 0)
        return false;
    sources_begin(&w.scope, NULL, 0);
    return buf_begin(&w.error, &w.scope, "error", 4096) == 0 && pool_begin(&w.pool, &w.scope, 1 << 20) == 0 &&
           (w.source = source_obtain(SOURCE_FILE, "k", "n")) && (w.pipeline = pipeline_new(&w.scope, &w.group, &w.error));
}

static void end(void)
{
    source_unref(w.source);
    sources_end();
    if (thing_alive(&w.pool.scope.thing))
        pool_end(&w.pool);
    scope_end(&w.scope);
}

/* Each line's time is its first byte's place. */
static int make(const char *text, enum messages_end how)
{
    w.b = batch_new(&w.pool, w.source, 16384, 64);
    if (!w.b)
        return -ENOMEM;
    strcpy(w.b->data, text);
    for (const char *line = text, *nl; (nl = strchr(line, '\n')); line = nl + 1) {
        char c = *line | 0x20;
        uint16_t stream = c == 'o' ? WRAPPED_STDOUT : c == 'e' ? WRAPPED_STDERR : WRAPPED_BARE;
        batch_mark(w.b, (struct mark){.off = (uint32_t)(line + 1 - text), .len = (uint32_t)(nl - line - 1), .stream = stream,
                                      .more = *line < 'a', .end = (uint32_t)(nl + 1 - text),
                                      .time = stream == WRAPPED_BARE ? WRAPPED_NO_TIME : line - text + 1000});
    }
    w.m.end = how;
    return messages_make(&w.m, w.pipeline, w.b, &w.scope, 5, &w.tie);
}

/* The records as "o1003 text|", pieces apart by '+', newlines as '/'. */
static const char *records(void)
{
    static char out[8192];
    char *p = out;
    uint32_t last = 0;
    for (uint32_t i = 0; i < w.b->n; i++) {
        const struct mark *m = &w.b->marks[i];
        assert_true(m->end >= last && m->end <= w.m.to);
        last = m->end;
        if (i == 0 || !m[-1].more)
            p += sprintf(p, "%c%lld ", "oeb"[m->stream], (long long)m->time);
        else
            assert_true(m->time == m[-1].time && m->stream == m[-1].stream);
        for (uint32_t k = 0; k < m->len; k++)
            *p++ = w.b->data[m->off + k] == '\n' ? '/' : w.b->data[m->off + k];
        *p++ = m->more ? '+' : '|';
    }
    *p = 0;
    batch_drop(w.b);
    w.tie = (struct pipeline_tie){0};
    return out;
}

#define EXPECT(text, how, want, until)                                                                                            \
    do {                                                                                                                               \
        assert_int_equal(make(text, how), 0);                                                                                         \
        assert_string_equal(records(), want);                                                                                        \
        assert_int_equal(w.m.to, until);                                                                                             \
    } while (0)

static void lines_are_records_with_their_own_times(void **state)
{
    assert_true(begin(""));
    EXPECT("oa\neb\no\n", MESSAGES_WAIT, "o1000 a|e1003 b|o1006 |", 8);
    assert_false(w.m.waits || w.m.changed);
    EXPECT("", MESSAGES_WAIT, "", 0);
    end();
}

static void equal_times_are_told_apart(void **state)
{
    assert_true(begin(""));
    w.tie = (struct pipeline_tie){1000, 6};
    EXPECT("oa\nbbare\nbx\n", MESSAGES_WAIT, "o1007 a|b1008 bare|b1009 x|", 12); /* what has no time gets the one before it */
    assert_int_equal(w.m.malformed, 2);
    w.tie = (struct pipeline_tie){0};
    EXPECT("bx\n", MESSAGES_WAIT, "b6 x|", 3); /* or the anchor */
    end();
}

static void pieces_are_joined_in_each_stream(void **state)
{
    assert_true(begin(""));
    EXPECT("Oa\nOb\noc\nox\n", MESSAGES_WAIT, "o1000 a+b+c|o1009 x|", 12);
    EXPECT("O\ney\noa\n", MESSAGES_WAIT, "e1002 y|o1000 +a|", 8); /* one without text */
    EXPECT("Oa\ney\nOb\nEp\noc\neq\nb!\n", MESSAGES_WAIT, "e1003 y|o1000 a+b+c|e1009 p+q|b1010 !|", 21);
    end();
}

static void a_batch_ends_where_no_record_lies_across(void **state)
{
    assert_true(begin(""));
    EXPECT("ox\nOa\ney\n", MESSAGES_WAIT, "o1000 x|", 3);
    assert_true(w.m.waits && !w.m.for_lines);
    EXPECT("Oa\nEp\nob\n", MESSAGES_WAIT, "", 0); /* stderr's piece lies within stdout's record, and is open */
    EXPECT("Oa\nEp\nob\n", MESSAGES_MORE, "", 0);
    EXPECT("Oa\nEp\nob\n", MESSAGES_FLUSH, "o1000 a+b|e1003 p|", 9);
    assert_int_equal(w.m.torn, 0);
    EXPECT("Oa\nEp\nob\n", MESSAGES_FORCE, "o1000 a+b|e1003 p|", 9);
    assert_int_equal(w.m.torn, 1);
    EXPECT("ox\nOa\nob\nEp\nOc\n", MESSAGES_FORCE, "o1000 x|o1003 a+b|", 9); /* no need to tear */
    assert_int_equal(w.m.torn, 0);
    end();
}

static void no_further_than_to_the_first_place_that_will_do(void **state)
{
    assert_true(begin(""));
    w.m.least = 3;
    EXPECT("Oa\ney\nob\noc\n", MESSAGES_MORE, "e1003 y|o1000 a+b|", 9);
    EXPECT("Oa\ney\n", MESSAGES_MORE, "", 0);
    end();
}

static void lines_are_joined_in_each_stream(void **state)
{
    assert_true(begin("^[0-9]"));
    EXPECT("o1\no a\no b\no2\n", MESSAGES_WAIT, "o1000 1/+ a/+ b|", 11);
    assert_true(w.m.waits && w.m.for_lines && !w.m.changed);
    EXPECT("o1\ne8\no a\ne c\no2\ne9\n", MESSAGES_FLUSH, "o1000 1/+ a|e1003 8/+ c|o1014 2|e1017 9|", 20);
    EXPECT("o1\ne8\no a\ne c\no2\ne9\n", MESSAGES_WAIT, "", 0);
    EXPECT("o1\ne8\no a\ne c\no2\ne9\n", MESSAGES_MORE, "o1000 1/+ a|e1003 8/+ c|o1014 2|e1017 9|", 20); /* all have their line ends */
    EXPECT("o1\nO a\nob\n", MESSAGES_FLUSH, "o1000 1/+ a+b|", 10);
    end();
}

static void a_newline_takes_the_place_of_what_was_there(void **state)
{
    assert_true(begin("^[0-9]"));
    w.b = batch_new(&w.pool, w.source, 16384, 64);
    assert_non_null(w.b);
    memcpy(w.b->data, "1\r\n a\r\n", 7);
    batch_mark(w.b, (struct mark){.len = 1, .end = 3, .time = 1000});
    batch_mark(w.b, (struct mark){.off = 3, .len = 2, .end = 7, .time = 1003});
    w.m.end = MESSAGES_FLUSH;
    assert_int_equal(messages_make(&w.m, w.pipeline, w.b, &w.scope, 5, &w.tie), 0);
    assert_true(w.m.changed);
    assert_string_equal(records(), "o1000 1/+ a|");
    end();
}

static void long_records_become_several_or_shorter(void **state)
{
    assert_true(begin(""));
    w.m.max_bytes = 4;
    EXPECT("Oab\nOcd\noef\nox\n", MESSAGES_WAIT, "o1000 ab+cd|o1001 ef|o1012 x|", 15);
    assert_int_equal(w.m.torn, 1);
    EXPECT("Oabc\no\xC3\xA4!\nb1234567890\n", MESSAGES_WAIT, "o1000 abc|o1001 \xC3\xA4!|b1001 1234|b1002 5678|b1003 90|", 22);
    w.m.cut_long = true;
    assert_int_equal(make("Oabc\nOdef\noghi\nox\n", MESSAGES_WAIT), 0);
    assert_int_equal(w.b->cut_bytes, 5);
    assert_string_equal(records(), "o1000 abc+d|o1015 x|");
    end();
}

static void torture_body(void)
{
    int r = begin("") ? make("Oa\ney\nob\n", MESSAGES_WAIT) : -ENOMEM;
    if (r == 0)
        assert_string_equal(records(), "e1003 y|o1000 a+b|");
    else if (w.b) {
        assert_int_equal(w.b->n, 3);
        assert_int_equal(w.b->marks[0].stream, WRAPPED_STDOUT);
        batch_drop(w.b);
    }
    end();
}

static void without_memory_nothing_is_changed(void **state)
{
    TORTURE(torture_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_records_with_their_own_times),
        TEST(equal_times_are_told_apart),
        TEST(pieces_are_joined_in_each_stream),
        TEST(a_batch_ends_where_no_record_lies_across),
        TEST(no_further_than_to_the_first_place_that_will_do),
        TEST(lines_are_joined_in_each_stream),
        TEST(a_newline_takes_the_place_of_what_was_there),
        TEST(long_records_become_several_or_shorter),
        TEST(without_memory_nothing_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
