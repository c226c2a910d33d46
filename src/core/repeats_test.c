#include "core/repeats.h"

#include "base/clock.h"
#include "core/dispatcher.h"
#include "unit.h"

enum { WINDOW = 100 };

static int keep_start(struct sink *s)
{
    return 0;
}

/* A sink whose leases the test takes from its queue; no thread runs. */
static const struct sink_type keep_type = {.name = "keep", .start = keep_start};

struct world {
    struct scope scope;
    struct pool pool;
    struct sink_config config;
    struct sink sink, *list[1];
    struct dispatcher dispatcher;
    struct source *source, *other;
    struct stream *stream, *other_stream;
    struct repeats repeats;
    _Atomic uint64_t forgotten;
};

static bool begin(struct world *w, uint32_t limit)
{
    *w = (struct world){.config = {.name = "keep", .queue_size = 1 << 20}};
    w->list[0] = &w->sink;
    w->dispatcher = (struct dispatcher){w->list, 0, &w->pool};
    if (scope_begin(&w->scope, &scope_root, "world") < 0 || streams_begin(&w->scope) < 0 ||
        pool_begin(&w->pool, &w->scope, 16 << 20) < 0 ||
        sink_begin(&w->sink, &w->scope, 0, &w->config, NULL, &keep_type, &w->pool) < 0)
        return false;
    w->dispatcher.n_sinks = 1;
    return sources_begin(&w->scope, w->list, 1) == 0 && (w->source = source_obtain(SOURCE_FILE, "file:1", "a")) &&
           (w->other = source_obtain(SOURCE_FILE, "file:2", "b")) &&
           (w->stream = stream_get(&(struct label){"job", "a"}, 1)) &&
           (w->other_stream = stream_get(&(struct label){"job", "b"}, 1)) &&
           repeats_begin(&w->repeats, &w->scope, &w->pool, WINDOW, limit, &w->forgotten) == 0;
}

static void end(struct world *w)
{
    repeats_end(&w->repeats);
    stream_unref(w->stream);
    stream_unref(w->other_stream);
    source_unref(w->source);
    source_unref(w->other);
    if (w->dispatcher.n_sinks)
        sink_end(&w->sink);
    sources_end();
    if (thing_alive(&w->pool.scope.thing)) {
        assert_int_equal(atomic_load(&w->pool.used), 0);
        pool_end(&w->pool);
    }
    streams_end();
    scope_end(&w->scope);
}

/* A batch of lines of one byte each, '+' before one that is joined to the next: 1 ns apart from `time` on. */
static struct batch *make(struct world *w, struct source *source, uint64_t from, const char *lines, int64_t time)
{
    struct batch *b = batch_new(&w->pool, source, 256, 256);
    if (!b)
        return NULL;
    batch_stream(b, w->stream);
    batch_stream(b, w->other_stream);
    b->from = from;
    bool more = false;
    for (const char *c = lines; *c; c++) {
        if (*c == '+') {
            more = true;
            continue;
        }
        b->data[b->used++] = *c;
        bool second = *c >= 'A' && *c <= 'Z';
        if (second)
            b->data[b->used - 1] += 'a' - 'A';
        batch_mark(b, (struct mark){.off = b->used - 1, .len = 1, .end = b->used, .stream = second, .more = more, .time = time});
        time += time < INT64_MAX;
        more = false;
    }
    b->to = from + b->used;
    return b;
}

static struct lease *give(struct world *w, struct batch *b)
{
    dispatch(&w->dispatcher, b);
    struct qnode *n = queue_pop(&w->sink.queue);
    return n ? container_of(n, struct lease, node) : NULL;
}

/* What the sink would send, as make() has it. */
static const char *has(const struct lease *l)
{
    static char out[600];
    char *at = out;
    const struct batch *b = l->batch;
    for (uint32_t i = l->first, next; lease_next(l, &i, &next); i = next)
        for (uint32_t m = i; m < next; m++) {
            if (b->marks[m].more)
                *at++ = '+';
            *at++ = b->data[b->marks[m].off] - (b->marks[m].stream ? 'a' - 'A' : 0);
        }
    *at = 0;
    return out;
}

static struct counts counts_of(struct world *w, struct source *source)
{
    struct counts c;
    struct position p;
    char cursor[POSITION_CURSOR], why[200];
    account_read(&source->first[0], &p, cursor, &c);
    if (!counts_check(&c, why, sizeof why))
        fail_msg("%s", why);
    return c;
}

static void expect(struct world *w, struct source *source, uint64_t from, int64_t time, const char *lines, const char *left)
{
    struct lease *l = give(w, make(w, source, from, lines, time));
    repeats_look(&w->repeats, l);
    assert_string_equal(has(l), left);
    lease_secured(l, NULL);
}

static void what_repeats_is_left_out_and_counted(void **state)
{
    struct world w;
    assert_true(begin(&w, 100));
    expect(&w, w.source, 0, 0, "abaca", "abc");
    struct counts c = counts_of(&w, w.source);
    assert_int_equal(c.delivered.records, 3);
    assert_int_equal(c.dropped[DROP_DUPLICATE].records, 2);
    assert_int_equal(c.dropped[DROP_DUPLICATE].bytes, 2);
    expect(&w, w.source, 5, 10, "cbad", "d");
    expect(&w, w.source, 9, 20, "abcd", ""); /* a lease with nothing in it moves the position all the same */
    assert_int_equal(w.source->first[0].position.offset, 13);
    c = counts_of(&w, w.source);
    assert_int_equal(c.taken.records, 13);
    assert_int_equal(c.delivered.records, 4);
    assert_int_equal(c.dropped[DROP_DUPLICATE].records, 9);
    assert_int_equal(atomic_load(&w.forgotten), 0);
    end(&w);
}

static void another_source_or_stream_is_another_line(void **state)
{
    struct world w;
    assert_true(begin(&w, 100));
    expect(&w, w.source, 0, 0, "aAa", "aA");
    expect(&w, w.other, 0, 10, "aAA", "aA");
    end(&w);
}

static void one_is_let_through_each_window(void **state)
{
    struct world w;
    assert_true(begin(&w, 100));
    expect(&w, w.source, 0, 0, "a", "a");
    expect(&w, w.source, 1, WINDOW - 1, "a", "");
    expect(&w, w.source, 2, WINDOW, "a", "a");
    expect(&w, w.source, 3, 2 * WINDOW - 1, "a", "");
    expect(&w, w.source, 4, 2 * WINDOW, "a", "a");
    expect(&w, w.source, 5, WINDOW, "a", "a"); /* a time far behind is another window, too */
    expect(&w, w.source, 6, INT64_MIN, "a", "a");
    expect(&w, w.source, 7, INT64_MAX, "a", "a");
    end(&w);
}

static void lines_of_several_pieces_are_compared_whole(void **state)
{
    struct world w;
    assert_true(begin(&w, 100));
    expect(&w, w.source, 0, 0, "+a+bc a+a+bc+bc+bc", "+a+bc a+bc");
    struct counts c = counts_of(&w, w.source);
    assert_int_equal(c.dropped[DROP_DUPLICATE].records, 2);
    assert_int_equal(c.dropped[DROP_DUPLICATE].bytes, 5);
    end(&w);
}

static void what_is_given_again_is_no_repeat_of_itself(void **state)
{
    struct world w;
    assert_true(begin(&w, 100));
    struct lease *l = give(&w, make(&w, w.source, 0, "abab", 0));
    struct lease *later = give(&w, make(&w, w.source, 4, "ac", WINDOW + 50));
    for (int i = 0; i < 3; i++) {
        repeats_look(&w.repeats, l);
        assert_string_equal(has(l), "ab");
        repeats_look(&w.repeats, later);
        assert_string_equal(has(later), "ac");
        repeats_forget(l);
        repeats_forget(later);
        assert_string_equal(has(l), "abab");
        assert_int_equal(lease_amount(l).records, 4);
    }
    lease_returned(l);
    lease_returned(later);
    assert_int_equal(counts_of(&w, w.source).taken.records, 0);
    account_place(&w.source->first[0], &(struct position){0});
    expect(&w, w.source, 0, 0, "abab", "ab");
    expect(&w, w.source, 4, WINDOW + 50, "ac", "ac");
    end(&w);
}

static void a_truncated_source_begins_anew(void **state)
{
    struct world w;
    assert_true(begin(&w, 100));
    expect(&w, w.source, 1000, 0, "ab", "ab");
    account_place(&w.source->first[0], &(struct position){0});
    expect(&w, w.source, 0, 10, "aba", "ab");
    end(&w);
}

static void beyond_the_limit_the_oldest_is_forgotten(void **state)
{
    struct world w;
    assert_true(begin(&w, 3));
    expect(&w, w.source, 0, 0, "abcabc", "abc");
    assert_int_equal(atomic_load(&w.forgotten), 0);
    expect(&w, w.source, 6, 10, "dbcd", "d");
    assert_int_equal(atomic_load(&w.forgotten), 1);
    expect(&w, w.source, 10, 20, "acd", "a");                 /* instead of b */
    expect(&w, w.source, 13, 20 + 2 * WINDOW, "xyz", "xyz"); /* those of before are over anyway */
    assert_int_equal(atomic_load(&w.forgotten), 2);
    end(&w);
}

/* Against a list that is walked from its end. */
static void random_lines_are_judged_as_a_list_would(void **state)
{
    enum { LINES = 20000, BATCH = 50, LIMIT = 20 };
    static struct { char line; bool through; int64_t time; } all[LINES];
    struct world w;
    uint32_t random = 1;
    uint64_t left = 0;
    assert_true(begin(&w, LIMIT));
    for (uint32_t n = 0; n < LINES; n += BATCH) {
        char lines[BATCH + 1] = "", expected[BATCH + 1], *at = expected;
        for (uint32_t i = 0; i < BATCH; i++) {
            random = random * 1103515245 + 12345;
            uint32_t r = random >> 16;
            all[n + i].line = lines[i] = (char)('a' + r % (r >> 5 & 1 ? 26 : 4));
            all[n + i].time = n + i;
            all[n + i].through = true;
            /* Those that were let through last, no more than LIMIT of them, each line once. */
            bool known[128] = {0};
            int others = 0;
            for (uint32_t k = n + i; k-- > 0 && others < LIMIT && all[n + i].through;) {
                if (!all[k].through || known[(int)all[k].line])
                    continue;
                known[(int)all[k].line] = true;
                others++;
                if (all[k].line == all[n + i].line) {
                    all[n + i].through = all[n + i].time - all[k].time >= WINDOW;
                    break;
                }
            }
            if (all[n + i].through)
                *at++ = all[n + i].line;
            else
                left++;
        }
        *at = 0;
        expect(&w, w.source, n, n, lines, expected);
    }
    assert_int_equal(counts_of(&w, w.source).dropped[DROP_DUPLICATE].records, left);
    assert_true(left > LINES / 10 && left < LINES && atomic_load(&w.forgotten) > 0);
    end(&w);
}

static void use_it(void)
{
    struct world w;
    if (begin(&w, 100)) {
        struct batch *b = make(&w, w.source, 0, "abab", 0);
        struct lease *l = b ? give(&w, b) : NULL;
        if (l) {
            repeats_look(&w.repeats, l);
            assert_true(strncmp(has(l), "ab", 2) == 0); /* without memory nothing is left out */
            lease_secured(l, NULL);
            counts_of(&w, w.source);
        }
    }
    end(&w);
}

static void any_call_may_fail(void **state)
{
    TORTURE(use_it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_repeats_is_left_out_and_counted),
        TEST(another_source_or_stream_is_another_line),
        TEST(one_is_let_through_each_window),
        TEST(lines_of_several_pieces_are_compared_whole),
        TEST(what_is_given_again_is_no_repeat_of_itself),
        TEST(a_truncated_source_begins_anew),
        TEST(beyond_the_limit_the_oldest_is_forgotten),
        TEST(random_lines_are_judged_as_a_list_would),
        TEST(any_call_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
