/* What was sent and not acknowledged before a kill is read again as it was, whatever was configured since. */
#include "in/files/again.h"

#include <xxhash.h>
#include <zlib.h>

#include "files_world.h"
#include "in/files/followed.h"

enum { SPANS = 64, SLOTS = 16 };

/* Every batch of a process as the sink saw it: its labels, its bounds, each record with its time. */
static char seen[2][256 * 1024];
static size_t n_seen[2];
static int process;
static struct past_span *spans[SPANS];
static char span_keys[SPANS][IDENTITY_KEY];
static unsigned n_spans;
static struct world *the_world;

static void write_down(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void write_down(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    n_seen[process] += (size_t)vsnprintf(seen[process] + n_seen[process], sizeof seen[0] - n_seen[process], format, ap);
    va_end(ap);
    assert_true(n_seen[process] < sizeof seen[0]);
}

static void keep_span(const struct batch *b)
{
    struct scope *scope = &the_world->scope;
    struct past_span *span = scope_alloc(scope, sizeof *span);
    assert_true(span && n_spans < SPANS && b->recipe.settings);
    *span = (struct past_span){.from = b->from, .to = b->to, .recipe = b->recipe,
                               .settings = scope_strdup(scope, b->recipe.settings->text)};
    snprintf(span_keys[n_spans], sizeof *span_keys, "%s", b->source->key);
    spans[n_spans++] = span;
}

static void see(const struct lease *l)
{
    const struct batch *b = l->batch;
    if (!b->n)
        return;
    write_down("%llu-%llu", (unsigned long long)b->from, (unsigned long long)b->to);
    for (uint32_t i = 0; i < b->streams[0]->n; i++)
        write_down(" %s=%s", b->streams[0]->labels[i].name, b->streams[0]->labels[i].value);
    write_down("\n");
    for (uint32_t i = 0; i < b->n; i++)
        write_down("  %lld %.*s\n", (long long)b->marks[i].time, (int)b->marks[i].len, b->data + b->marks[i].off);
    if (process == 0)
        keep_span(b);
}

/* The first process, in which every batch is sent and none acknowledged. */
static void first_process(struct world *w)
{
    prepare(w);
    the_world = w;
    w->seen = see;
    process = 0;
    n_spans = 0;
    n_seen[0] = n_seen[1] = 0;
}

static void start(struct world *w)
{
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    assert_true(begin_process(w));
}

/* Killed: nothing is secured. from: the intents before it could not be stored. */
static void kill_it(struct world *w, unsigned from)
{
    static struct past_source *slots[SLOTS];
    end_process(w);
    memset(slots, 0, sizeof slots);
    for (struct past_source *p = w->past.all; p; p = p->next) {
        uint64_t at = XXH3_64bits(p->key, strlen(p->key)) % SLOTS;
        while (slots[at])
            at = (at + 1) % SLOTS;
        slots[at] = p;
        p->at[0].position = (struct position){0};
        p->at[0].known = true;
        p->spans = NULL;
        for (unsigned i = n_spans; i-- > from;)
            if (strcmp(span_keys[i], p->key) == 0) {
                spans[i]->next = p->spans;
                p->spans = spans[i];
            }
    }
    w->past.slots = slots;
    w->past.mask = SLOTS - 1;
    w->past.has_spans = true;
    process = 1;
    w->noted = 0;
    w->notes[0] = 0;
}

static void wait_for_notes(struct world *w, size_t n)
{
    for (int i = 0; i < 400 && w->noted < n; i++)
        turn(w, 5);
    turn(w, 50);
}

/* Other settings of each kind. */
static void reconfigure(struct world *w)
{
    static struct label label = {"job", "another"};
    w->group.labels = (struct label_list){&label, 1};
    w->group.multiline = (struct multiline_config){.start = "^two", .max_lines = 2, .timeout = 50 * MILLISECOND};
    w->group.timestamp = (struct timestamp_config){"^(\\d+)", "%s"};
    w->group.long_lines = w->group.long_lines == LONG_CUT ? LONG_SPLIT : LONG_CUT;
    w->config.files.max_line_bytes = 16;
    w->config.host = "there";
}

static void lines_have_the_times_and_labels_they_had(void **state)
{
    struct world w;
    first_process(&w);
    start(&w);
    append(&w, "a.log", "one\ntwo\n");
    expect(&w, "one\ntwo\n");
    append(&w, "a.log", "three\npart");
    expect(&w, "one\ntwo\nthree\npart\n"); /* after partial_flush */
    kill_it(&w, 0);
    append(&w, "a.log", "ial\n");
    reconfigure(&w);
    assert_true(begin_process(&w));
    wait_for_notes(&w, 23);
    assert_true(n_seen[1] > n_seen[0]);
    assert_memory_equal(seen[0], seen[1], n_seen[0]);
    assert_non_null(strstr(seen[1] + n_seen[0], "instance=there"));
    assert_non_null(strstr(seen[1] + n_seen[0], " ial\n"));
    end(&w);
}

static void records_are_joined_and_timed_as_they_were(void **state)
{
    struct world w;
    first_process(&w);
    w.group.multiline = (struct multiline_config){.start = "^\\d", .max_lines = 3, .timeout = 50 * MILLISECOND};
    w.group.timestamp = (struct timestamp_config){"^(\\S+)", "auto"};
    start(&w);
    append(&w, "a.log", "2026-11-21T08:00:00Z a\n b\n c\n d\n2026-11-21T08:00:00Z a\n2026-11-21T08:00:00Z a\n no time\n");
    turn(&w, 200);
    append(&w, "a.log", "2026-11-21T08:00:00Z again\n");
    turn(&w, 200);
    size_t all = w.noted;
    assert_true(n_spans >= 2);
    kill_it(&w, 0);
    reconfigure(&w);
    assert_true(begin_process(&w));
    wait_for_notes(&w, all);
    assert_string_equal(seen[0], seen[1]);
    end(&w);
}

static void lines_go(enum long_lines how)
{
    struct world w;
    char line[5001] = "";
    first_process(&w);
    w.group.long_lines = how;
    w.config.files.max_line_bytes = 1024;
    start(&w);
    for (int i = 0; i < 5000; i++)
        line[i] = (char)('a' + i % 26);
    append(&w, "a.log", "short\n");
    append(&w, "a.log", line);
    turn(&w, 100);
    append(&w, "a.log", line); /* it is longer than was known when its head was sent */
    append(&w, "a.log", "\nend\n");
    turn(&w, 100);
    size_t all = w.noted;
    assert_non_null(strstr(w.notes, "end\n"));
    kill_it(&w, 0);
    reconfigure(&w);
    assert_true(begin_process(&w));
    wait_for_notes(&w, all);
    assert_string_equal(seen[0], seen[1]);
    end(&w);
}

static void long_lines_are_torn_where_they_were(void **state)
{
    lines_go(LONG_SPLIT);
    lines_go(LONG_CUT);
}

/* What comes before a span, unsent or sent without an intent, ends where the span begins. */
static void what_lies_before_a_span_does_not_reach_into_it(void **state)
{
    struct world w;
    first_process(&w);
    start(&w);
    append(&w, "a.log", "zero\none\n");
    turn(&w, 50);
    append(&w, "a.log", "two\nthree\n");
    turn(&w, 50);
    assert_int_equal(n_spans, 2);
    kill_it(&w, 1);
    w.group.multiline = (struct multiline_config){.start = "^zero", .max_lines = 100, .timeout = 50 * MILLISECOND};
    assert_true(begin_process(&w));
    wait_for_notes(&w, 19);
    const char *second = strstr(seen[0], "9-19 ");
    assert_non_null(second);
    assert_non_null(strstr(seen[1], second));
    assert_non_null(strstr(seen[1], " zero\none\n9-19 "));
    end(&w);
}

static void gzip_it(struct world *w)
{
    char buf[4096];
    int in = open(at(w, "a.log"), O_RDONLY);
    ssize_t n = read(in, buf, sizeof buf);
    gzFile out = gzopen(at(w, "a.log.1.gz"), "wb");
    assert_int_equal(gzwrite(out, buf, (unsigned)n), n);
    gzclose(out);
    close(in);
    unlink(at(w, "a.log"));
}

static void rename_it(struct world *w)
{
    move(w, "a.log", "old.log"); /* which the pattern matches too */
}

static void copytruncate_it(struct world *w)
{
    copy(w, "a.log", "a.log.1");
    assert_int_equal(truncate(at(w, "a.log"), 0), 0);
}

static void rotated_by(void (*rotate)(struct world *))
{
    struct world w;
    first_process(&w);
    start(&w);
    append(&w, "a.log", "one\ntwo\n");
    turn(&w, 50);
    append(&w, "a.log", "three\n");
    turn(&w, 50);
    assert_int_equal(n_spans, 2);
    kill_it(&w, 0);
    append(&w, "a.log", "four\nfive\n");
    rotate(&w);
    reconfigure(&w);
    w.group.multiline.start = "";
    append(&w, "a.log", "new\n");
    assert_true(begin_process(&w));
    wait_for_notes(&w, 28);
    assert_int_equal(w.noted, 28);
    char *second = strstr(seen[0], "8-14 "); /* what is new may lie between the two */
    assert_non_null(second);
    assert_non_null(strstr(seen[1], second));
    *second = 0;
    assert_non_null(strstr(seen[1], seen[0]));
    assert_int_equal(lost(&w), 0);
    end(&w);
}

static void a_rotated_file_is_read_again_as_it_was(void **state)
{
    rotated_by(rename_it);
    rotated_by(gzip_it);
    rotated_by(copytruncate_it);
}

/* A container's log: two streams, a message in pieces between others, and one whose rest is in the next file. */
static void containers_logs_are_read_again_as_they_were(void **state)
{
#define T "2026-11-21T10:50:09."
    static const struct label label = {"container", "web"};
    struct world w;
    struct followed *fl;
    first_process(&w);
    w.config.files.n_groups = 0;
    w.config.files.partial_flush = 60 * SECOND;
    start(&w);
    const char *path = strdup(at(&w, "0.log"));
    const struct follow what = {.path = path, .wrapping = WRAPPED_CRI, .labels = &label, .n_labels = 1, .runs = true};
    assert_int_equal(followed_begin(&fl, w.files, &what), 0);
    append(&w, "0.log", T "1Z stdout P one \n" T "2Z stderr F err\n" T "1Z stdout F two\n" T "1Z stdout F three\n" T "3Z stdout P fo\n");
    expect(&w, "err\none two\nthree\n");
    move(&w, "0.log", "0.log.20261121-105009");
    append(&w, "0.log", T "4Z stderr F err\n" T "5Z stdout F ur\n" T "5Z stdout F five\n");
    expect(&w, "err\none two\nthree\nerr\nfour\nfive\n");
    kill_it(&w, 0);
    append(&w, "0.log", T "6Z stdout F six\n");
    w.config.files.max_line_bytes = 64;
    assert_true(begin_process(&w));
    assert_int_equal(followed_begin(&fl, w.files, &what), 0);
    expect(&w, "err\none two\nthree\nerr\nfour\nfive\nsix\n");
    assert_memory_equal(seen[0], seen[1], n_seen[0]);
    free((char *)path);
    end(&w);
#undef T
}

/* Bytes that are gone cannot be sent again: what is there now is new. */
static void a_span_whose_bytes_are_gone_is_forgotten(void **state)
{
    struct world w;
    first_process(&w);
    start(&w);
    append(&w, "a.log", "one\ntwo\nthree\n");
    turn(&w, 50);
    assert_int_equal(n_spans, 1);
    kill_it(&w, 0);
    assert_int_equal(truncate(at(&w, "a.log"), 4), 0);
    assert_true(begin_process(&w));
    turn(&w, 200);
    assert_string_equal(w.notes, "one\n");
    assert_null(w.past.all->spans);
    append(&w, "a.log", "more\n");
    expect(&w, "one\nmore\n");
    end(&w);
}

static void settings_that_are_not_understood_do_not_stop_the_file(void **state)
{
    static const char *const texts[] = {"", "{", "[]", "{\"a\":1}", "{\"later\":\"x\",\"max_line_bytes\":\"9\"}",
                                        "{\"max_line_bytes\":\"0\"}", "{\"max_line_bytes\":\"99999999999\"}",
                                        "{\"max_line_bytes\":\"9\",\"multiline.start\":\"(\"}",
                                        "{\"max_line_bytes\":\"9\"} x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct world w;
        first_process(&w);
        start(&w);
        append(&w, "a.log", "one\ntwo\n");
        turn(&w, 50);
        kill_it(&w, 0);
        spans[0]->settings = texts[i];
        assert_true(begin_process(&w));
        turn(&w, 100);
        assert_string_equal(w.notes, "one\ntwo\n");
        end(&w);
    }
}

static void some_settings(void)
{
    struct scope scope = {0};
    struct label label = {"a", "quote \" and \n"};
    struct files_group group = {.multiline = {"^\\d\"", 7, 0}, .timestamp = {"(.*)", "%s"}, .long_lines = LONG_CUT};
    if (scope_begin(&scope, &scope_root, "test") < 0)
        return;
    if (streams_begin(&scope) == 0) {
        struct stream *stream = stream_get(&label, 1);
        struct settings *s = stream ? again_settings(&scope, stream, &group, 1000, NULL) : NULL;
        struct again again;
        if (s && again_begin(&again, &scope, s->text) == 0) {
            assert_ptr_equal(again.outlets.of[WRAPPED_BARE], stream);
            assert_string_equal(again.group.multiline.start, group.multiline.start);
            assert_int_equal(again.group.multiline.max_lines, 7);
            assert_string_equal(again.group.timestamp.format, "%s");
            assert_true(again.group.long_lines == LONG_CUT && again.max_line_bytes == 1000);
            again_end(&again);
        }
        settings_unref(s);
        stream_unref(stream);
        streams_end();
    }
    scope_end(&scope);
}

static void torture(void **state)
{
    TORTURE(some_settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_have_the_times_and_labels_they_had),
        TEST(records_are_joined_and_timed_as_they_were),
        TEST(long_lines_are_torn_where_they_were),
        TEST(what_lies_before_a_span_does_not_reach_into_it),
        TEST(a_rotated_file_is_read_again_as_it_was),
        TEST(containers_logs_are_read_again_as_they_were),
        TEST(a_span_whose_bytes_are_gone_is_forgotten),
        TEST(settings_that_are_not_understood_do_not_stop_the_file),
        TEST(torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
