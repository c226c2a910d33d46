#include "in/files/followed.h"

#include <errno.h>

#include "files_world.h"

#define T "2026-11-21T10:50:09."
#define J(text, stream, ns) "{\"log\":\"" text "\",\"stream\":\"" stream "\",\"time\":\"" T ns "Z\"}\n"

static const struct label labels[] = {{"container", "web"}};
static unsigned changes;
static char streams[64 * 1024]; /* "stdout 5 text|", times in ns behind the second */

static void changed(struct followed *fl, void *arg)
{
    changes++;
}

static void see(const struct lease *l)
{
    const struct batch *b = l->batch;
    size_t n = strlen(streams);
    for (uint32_t i = l->first; i < b->n; i++) {
        const struct mark *m = &b->marks[i];
        const char *stream = stream_value(b->streams[m->stream], "stream");
        assert_string_equal(stream_value(b->streams[m->stream], "container"), "web");
        if (i == l->first || !m[-1].more)
            n += (size_t)snprintf(streams + n, sizeof streams - n, "%s %lld ", stream ? stream : "-", (long long)(m->time % SECOND));
        n += (size_t)snprintf(streams + n, sizeof streams - n, "%.*s%s", (int)m->len, b->data + m->off, m->more ? "" : "|");
    }
}

static void begin_alone(struct world *w)
{
    prepare(w);
    w->config.files.n_groups = 0;
    w->seen = see;
    streams[0] = 0;
    changes = 0;
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    assert_true(begin_process(w));
    assert_int_equal(mkdir(at(w, "c"), 0755), 0);
}

static struct followed *follow(struct world *w, const char *name, enum wrapping wrapping)
{
    struct followed *fl;
    const struct follow what = {.path = at(w, name), .wrapping = wrapping, .labels = labels, .n_labels = 1, .runs = true, .changed = changed};
    assert_int_equal(followed_begin(&fl, w->files, &what), 0);
    return fl;
}

static enum followed_state state(struct followed *fl)
{
    struct followed_view view;
    followed_look(fl, &view);
    return view.state;
}

static void wait_for(struct world *w, struct followed *fl, enum followed_state want)
{
    for (int i = 0; i < 1000 && state(fl) != want; i++)
        turn(w, 10);
    assert_string_equal(followed_state_name(state(fl)), followed_state_name(want));
}

static void a_record_is_what_the_container_wrote(void **state_)
{
    struct world w;
    struct followed_view view;
    begin_alone(&w);
    struct followed *fl = follow(&w, "c/app-json.log", WRAPPED_JSON_FILE);
    assert_int_equal(state(fl), FOLLOWED_AWAITED);
    append(&w, "c/app-json.log", J("  a \\\"line\\\"\\n", "stdout", "1") J("an error\\n", "stderr", "000000002") "not JSON\n");
    expect(&w, "  a \"line\"\nan error\nnot JSON\n");
    assert_string_equal(streams, "stdout 100000000   a \"line\"|stderr 2 an error|- 3 not JSON|");
    wait_for(&w, fl, FOLLOWED_READ);
    followed_look(fl, &view);
    assert_int_equal(view.records, 3);
    assert_int_equal(view.bytes, 10 + 2 + 8 + 8 - 2);
    assert_int_equal(view.malformed, 1);
    assert_int_equal(view.unread, 0);
    assert_true(changes > 0);
    end(&w);
}

static void pieces_are_joined_in_each_stream(void **state_)
{
    struct world w;
    begin_alone(&w);
    w.config.files.partial_flush = 60 * SECOND;
    follow(&w, "c/0.log", WRAPPED_CRI);
    append(&w, "c/0.log", T "1Z stdout P one \n" T "2Z stderr P err \n" T "3Z stdout F two\n");
    turn(&w, 50);
    assert_string_equal(w.notes, ""); /* stderr's piece is open and began within it */
    append(&w, "c/0.log", T "4Z stderr F end\n" T "5Z stdout P half ");
    turn(&w, 20);
    append(&w, "c/0.log", "line\n" T "6Z stdout F whole\n");
    expect(&w, "one two\nerr end\nhalf linewhole\n");
    assert_string_equal(streams, "stdout 100000000 one two|stderr 200000000 err end|stdout 500000000 half linewhole|");
    end(&w);
}

static void what_is_not_finished_is_read_again_after_a_restart(void **state_)
{
    struct world w;
    begin_alone(&w);
    w.config.files.partial_flush = 60 * SECOND;
    follow(&w, "c/0.log", WRAPPED_CRI);
    append(&w, "c/0.log", T "1Z stdout F first\n" T "1Z stdout P one \n" T "2Z stderr F err\n");
    expect(&w, "first\n");
    end_process(&w);
    append(&w, "c/0.log", T "3Z stdout F two\n");
    assert_true(begin_process(&w));
    follow(&w, "c/0.log", WRAPPED_CRI);
    expect(&w, "first\nerr\none two\n");
    end(&w);
}

static void what_nobody_finishes_goes_after_a_while_or_when_it_stops(void **state_)
{
    struct world w;
    begin_alone(&w);
    struct followed *fl = follow(&w, "c/0.log", WRAPPED_CRI);
    append(&w, "c/0.log", T "1Z stdout P slow\n");
    expect(&w, "slow\n");
    w.config.files.partial_flush = 60 * SECOND;
    append(&w, "c/0.log", T "1Z stdout P stopped\n");
    turn(&w, 50);
    assert_string_equal(w.notes, "slow\n");
    followed_runs(fl, false);
    expect(&w, "slow\nstopped\n");
    wait_for(&w, fl, FOLLOWED_READ);
    end(&w);
}

/* conmon writes 128 parts at once, which end within a line: its beginning may stand there for as long as the disk is slow. */
static void half_a_line_waits_for_its_rest_while_its_writer_lives(void **state_)
{
    struct world w;
    struct followed_view view;
    begin_alone(&w);
    w.config.files.partial_flush = 100 * MILLISECOND;
    struct followed *fl = follow(&w, "c/0.log", WRAPPED_CRI);
    append(&w, "c/0.log", T "1Z stdout F a\n" T "2Z stdout P b\n" T "2Z stdout F ");
    turn(&w, 400);
    assert_string_equal(w.notes, "a\n");
    append(&w, "c/0.log", "c\n");
    expect(&w, "a\nbc\n");
    /* It stops, and writes again before anybody hears that it started. */
    w.config.files.partial_flush = 60 * SECOND;
    followed_runs(fl, false);
    turn(&w, 20);
    append(&w, "c/0.log", T "3Z stdout P d\n" T "3Z stdout F ");
    turn(&w, 100);
    assert_string_equal(w.notes, "a\nbc\n");
    append(&w, "c/0.log", "e\n");
    expect(&w, "a\nbc\nde\n");
    followed_look(fl, &view);
    assert_int_equal(view.malformed, 0);
    /* Nobody will finish it any more. */
    followed_runs(fl, true);
    append(&w, "c/0.log", T "4Z stderr F ha");
    for (int i = 0; i < 1000 && view.unread == 0; i++, followed_look(fl, &view))
        turn(&w, 10);
    followed_runs(fl, false);
    expect(&w, "a\nbc\nde\n" T "4Z stderr F ha\n");
    followed_look(fl, &view);
    assert_int_equal(view.malformed, 1);
    end(&w);
}

static void a_log_without_labels_is_held_until_it_has_them(void **state_)
{
    struct world w;
    struct followed *fl, *other;
    begin_alone(&w);
    const struct follow what = {.path = at(&w, "c/0.log"), .wrapping = WRAPPED_CRI, .runs = true};
    assert_int_equal(followed_begin(&fl, w.files, &what), 0);
    assert_int_equal(followed_begin(&other, w.files, &what), -EEXIST);
    append(&w, "c/0.log", T "1Z stdout F held\n");
    wait_for(&w, fl, FOLLOWED_HELD);
    assert_int_equal(remove(at(&w, "c/0.log")), 0);
    turn(&w, 700); /* longer than idle_close */
    assert_string_equal(w.notes, "");
    assert_int_equal(followed_label(fl, labels, 1), 0);
    followed_gone(fl);
    expect(&w, "held\n");
    wait_for(&w, fl, FOLLOWED_DONE);
    followed_end(fl);
    assert_int_equal(lost(&w), 0);
    end(&w);
}

/* An engine makes the directories one after the other, and removes them moments later. */
static void a_log_is_open_before_its_new_directories_are_gone(void **state_)
{
    struct world w;
    struct followed_view view;
    begin_alone(&w);
    w.config.files.scan_interval = 60 * SECOND;
    turn(&w, 200); /* the last scan before that */
    struct followed *fl = follow(&w, "c/id/userdata/ctr.log", WRAPPED_CRI), *other = follow(&w, "c/id/userdata/other.log", WRAPPED_CRI);
    followed_look(fl, &view);
    assert_false(view.found);
    assert_int_equal(mkdir(at(&w, "c/none"), 0755), 0);
    turn(&w, 20);
    assert_int_equal(mkdir(at(&w, "c/id"), 0755), 0);
    turn(&w, 20);
    assert_int_equal(mkdir(at(&w, "c/id/userdata"), 0755), 0);
    append(&w, "c/id/userdata/ctr.log", T "1Z stdout F a\n");
    expect(&w, "a\n");
    append(&w, "c/id/userdata/ctr.log", T "2Z stdout F b\n");
    assert_int_equal(remove(at(&w, "c/id/userdata/ctr.log")), 0);
    assert_int_equal(rmdir(at(&w, "c/id/userdata")), 0);
    assert_int_equal(rmdir(at(&w, "c/id")), 0);
    followed_gone(fl);
    followed_gone(other);
    wait_for(&w, fl, FOLLOWED_DONE);
    wait_for(&w, other, FOLLOWED_DONE);
    assert_string_equal(w.notes, "a\nb\n");
    followed_look(fl, &view);
    assert_true(view.found);
    followed_look(other, &view);
    assert_false(view.found);
    followed_end(fl);
    followed_end(other);
    end(&w);
}

static void what_is_gone_is_read_to_its_end_and_done_when_it_is_delivered(void **state_)
{
    struct world w;
    begin_alone(&w);
    struct followed *fl = follow(&w, "c/0.log", WRAPPED_CRI);
    append(&w, "c/0.log", T "1Z stdout F one\n");
    expect(&w, "one\n");
    w.hold = true;
    append(&w, "c/0.log", T "1Z stdout F two\n" T "1Z stdout P thr\n");
    assert_int_equal(remove(at(&w, "c/0.log")), 0);
    followed_gone(fl);
    turn(&w, 800);
    assert_int_not_equal(state(fl), FOLLOWED_DONE);
    w.hold = false;
    wait_for(&w, fl, FOLLOWED_DONE);
    assert_string_equal(w.notes, "one\ntwo\nthr\n");
    followed_end(fl);
    fl = follow(&w, "c/none.log", WRAPPED_CRI);
    followed_gone(fl);
    wait_for(&w, fl, FOLLOWED_DONE);
    end(&w);
}

/* Docker renames, makes a new one, and goes on in the middle of a message. */
static void rotated_files_are_read_in_their_order(void **state_)
{
    struct world w;
    begin_alone(&w);
    follow(&w, "c/a.log", WRAPPED_JSON_FILE);
    w.hold = true;
    append(&w, "c/a.log", J("1\\n", "stdout", "1"));
    move(&w, "c/a.log", "c/a.log.1");
    append(&w, "c/a.log", J("2\\n", "stdout", "2"));
    move(&w, "c/a.log.1", "c/a.log.2");
    move(&w, "c/a.log", "c/a.log.1");
    append(&w, "c/a.log", J("3\\n", "stdout", "3"));
    w.hold = false;
    expect(&w, "1\n2\n3\n");
    end_process(&w);
    /* Two rotations while nobody looks; the older one of the new files was never seen. */
    append(&w, "c/a.log", J("4\\n", "stdout", "4"));
    move(&w, "c/a.log.2", "c/a.log.4");
    move(&w, "c/a.log.1", "c/a.log.3");
    move(&w, "c/a.log", "c/a.log.2");
    append(&w, "c/a.log.1", J("5\\n", "stdout", "5"));
    append(&w, "c/a.log", J("6\\n", "stdout", "6"));
    assert_true(begin_process(&w));
    follow(&w, "c/a.log", WRAPPED_JSON_FILE);
    expect(&w, "1\n2\n3\n4\n5\n6\n");
    assert_int_equal(lost(&w), 0);
    end(&w);
}

/* The rest of a message is in the next file; what was delivered with it is not read there again. */
static void a_message_goes_on_behind_a_rotation(void **state_)
{
    struct world w;
    begin_alone(&w);
    w.config.files.partial_flush = 60 * SECOND;
    follow(&w, "c/0.log", WRAPPED_CRI);
    append(&w, "c/0.log", T "1Z stdout F a\n" T "1Z stdout P one \n" T "2Z stderr P err \n");
    expect(&w, "a\n");
    move(&w, "c/0.log", "c/0.log.20261121-105009");
    append(&w, "c/0.log", T "3Z stdout F two\n");
    turn(&w, 300);
    assert_string_equal(w.notes, "a\n"); /* stderr's is not over */
    append(&w, "c/0.log", T "4Z stderr F end\n" T "5Z stdout F b\n" T "6Z stdout P c\n");
    expect(&w, "a\none two\nerr end\nb\n");
    assert_string_equal(streams, "stdout 100000000 a|stdout 100000001 one two|stderr 200000000 err end|stdout 500000000 b|");
    /* Over a rotation and a restart, with nothing secured before. */
    w.hold = true;
    move(&w, "c/0.log", "c/0.log.20261121-115009");
    append(&w, "c/0.log", T "7Z stdout F d\n" T "8Z stdout F e\n");
    turn(&w, 400);
    end_process(&w);
    w.hold = false;
    assert_true(begin_process(&w));
    follow(&w, "c/0.log", WRAPPED_CRI);
    expect(&w, "a\none two\nerr end\nb\ncd\ne\n");
    end(&w);
}

#define TEN "xxxxxxxxxx"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
/* What went with the older file is known to the store as soon as that file's position is. */
static void where_the_next_file_begins_is_stored(void **state_)
{
    struct world w;
    struct stat st;
    uint64_t highest = 0;
    begin_alone(&w);
    w.config.files.partial_flush = 60 * SECOND;
    follow(&w, "c/0.log", WRAPPED_CRI);
    append(&w, "c/0.log", T "1Z stdout P one \n");
    turn(&w, 50);
    move(&w, "c/0.log", "c/0.log.1");
    append(&w, "c/0.log", T "3Z stdout P " HUNDRED HUNDRED HUNDRED "\n");
    turn(&w, 200); /* it is known, at its beginning, and nothing else makes it be stored again */
    append(&w, "c/0.log", T "3Z stdout F two\n");
    expect(&w, "one " HUNDRED HUNDRED HUNDRED "two\n");
    assert_int_equal(stat(at(&w, "c/0.log"), &st), 0);
    for (const struct past_source *p = w.past.all; p; p = p->next)
        if (p->at[0].position.offset > highest)
            highest = p->at[0].position.offset;
    assert_int_equal(highest, st.st_size);
    end(&w);
}

/* Nothing waits for ever for a rest that does not come. */
static void a_message_that_does_not_go_on_ends(void **state_)
{
    struct world w;
    begin_alone(&w);
    follow(&w, "c/a.log", WRAPPED_JSON_FILE);
    append(&w, "c/a.log", J("one ", "stdout", "1"));
    turn(&w, 30);
    move(&w, "c/a.log", "c/a.log.1");
    append(&w, "c/a.log", J("err\\n", "stderr", "2"));
    expect(&w, "one \nerr\n");
    end(&w);
}

static void lines_are_joined_in_each_stream(void **state_)
{
    struct world w;
    struct followed *fl;
    begin_alone(&w);
    const struct files_group rules = {.multiline = {"^[0-9]", 0, 100 * MILLISECOND}, .timestamp = {"^([0-9]+)", "%s"}};
    const struct follow what = {.path = at(&w, "c/a.log"), .wrapping = WRAPPED_JSON_FILE, .labels = labels, .n_labels = 1, .rules = &rules};
    append(&w, "c/a.log", J("1700000001 a\\r\\n", "stdout", "1") J("9 b\\n", "stderr", "2") J("  c\\n", "stdout", "3"));
    assert_int_equal(followed_begin(&fl, w.files, &what), 0);
    expect(&w, "1700000001 a\n  c\n9 b\n");
    followed_end(fl);
    struct files_group bad = rules;
    bad.multiline.start = "(";
    const struct follow refused = {.path = at(&w, "c/b.log"), .rules = &bad};
    assert_int_equal(followed_begin(&fl, w.files, &refused), -EINVAL);
    end(&w);
}

static void what_a_pattern_matches_too_is_read_as_the_log(void **state_)
{
    struct world w;
    begin_alone(&w);
    end_process(&w);
    w.config.files.n_groups = 1;
    w.seen = NULL;
    assert_true(begin_process(&w));
    append(&w, "c/a.log", "bare\n");
    expect(&w, "bare\n");
    struct followed *fl = follow(&w, "c/a.log", WRAPPED_CRI);
    append(&w, "c/a.log", T "1Z stdout F log\n");
    expect(&w, "bare\nlog\n");
    assert_int_equal(files_reload(w.files, &w.config), 0);
    append(&w, "c/a.log", T "1Z stdout F still\n");
    expect(&w, "bare\nlog\nstill\n");
    followed_end(fl);
    append(&w, "c/a.log", "again\n");
    expect(&w, "bare\nlog\nstill\nagain\n");
    end(&w);
}

static void a_message_larger_than_a_chunk_is_read_whole(void **state_)
{
    enum { PIECES = 40, PIECE = 4000 };
    struct world w;
    begin_alone(&w);
    w.config.files.max_line_bytes = PIECES * PIECE;
    w.seen = NULL;
    char *want = calloc(1, PIECES * PIECE + 100), line[PIECE + 100];
    struct followed *fl = follow(&w, "c/0.log", WRAPPED_CRI);
    for (int i = 0; i < 2 * PIECES; i++) { /* both streams, mixed */
        int n = snprintf(line, sizeof line, T "%dZ std%s %c ", i, i % 2 ? "err" : "out", i / 2 == PIECES - 1 ? 'F' : 'P');
        memset(line + n, i % 2 ? 'e' : 'o', PIECE);
        strcpy(line + n + PIECE, "\n");
        append(&w, "c/0.log", line);
    }
    for (int i = 0; i < 500 && w.noted < 2 * PIECES * PIECE + 2; i++)
        turn(&w, 10);
    memset(want, 'o', PIECES * PIECE);
    want[PIECES * PIECE] = '\n';
    assert_memory_equal(w.notes, want, PIECES * PIECE + 1);
    assert_int_equal(w.notes[2 * PIECES * PIECE + 1], '\n');
    struct followed_view view;
    followed_look(fl, &view);
    assert_int_equal(view.records, 2);
    assert_int_equal(view.torn, 0);
    free(want);
    end(&w);
}

static void torture_body(void)
{
    struct world w;
    prepare(&w);
    w.config.files.n_groups = 0;
    if (scope_begin(&w.scope, &scope_root, "world") == 0) {
        if (begin_process(&w)) {
            struct followed *fl = NULL;
            const struct follow what = {.path = at(&w, "a.log"), .wrapping = WRAPPED_CRI, .labels = labels, .n_labels = 1, .runs = true};
            append(&w, "a.log", T "1Z stdout P a\n" T "1Z stderr F b\n" T "1Z stdout F c\n");
            if (followed_begin(&fl, w.files, &what) == 0) {
                turn(&w, 10);
                followed_label(fl, labels, 1);
                followed_gone(fl);
                turn(&w, 10);
                followed_end(fl);
            }
        }
        end_process(&w);
    }
    clean(&w);
}

static void it_survives_torture(void **state_)
{
    TORTURE(torture_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_what_the_container_wrote),
        TEST(pieces_are_joined_in_each_stream),
        TEST(what_is_not_finished_is_read_again_after_a_restart),
        TEST(what_nobody_finishes_goes_after_a_while_or_when_it_stops),
        TEST(half_a_line_waits_for_its_rest_while_its_writer_lives),
        TEST(a_log_without_labels_is_held_until_it_has_them),
        TEST(a_log_is_open_before_its_new_directories_are_gone),
        TEST(what_is_gone_is_read_to_its_end_and_done_when_it_is_delivered),
        TEST(rotated_files_are_read_in_their_order),
        TEST(a_message_goes_on_behind_a_rotation),
        TEST(where_the_next_file_begins_is_stored),
        TEST(a_message_that_does_not_go_on_ends),
        TEST(lines_are_joined_in_each_stream),
        TEST(what_a_pattern_matches_too_is_read_as_the_log),
        TEST(a_message_larger_than_a_chunk_is_read_whole),
        TEST(it_survives_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
