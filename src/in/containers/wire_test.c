/* What a stream tells, however it breaks: each byte that came is given once. Connections are tried with engines (test/scenario/containers*.test.mjs). */
#include "in/containers/wire_internal.h"

#include "unit.h"

#define T "2026-11-21T10:50:0"
#define TAIL ".000000007Z "

enum { MOST = 256 << 10 };

static struct config config = {.host = "here", .files.max_line_bytes = 64 << 10};
static struct loop loop;
static struct pool pool;
static struct tap tap;
static struct dispatcher dispatcher = {.pool = &pool};
static struct containers monitor = {.loop = &loop, .config = &config, .options = &config.containers, .dispatcher = &dispatcher};
static struct engine engine = {.monitor = &monitor};
static struct container container;
static struct wire *const w = &container.wire;

static char chunk[MOST];
static uint32_t used;
static char out[MOST], err[MOST]; /* records, each with '|' behind it; who says capitals says them to stderr */

/* ---- the world ---- */

static void nothing(struct timer *t)
{
}

static void never(struct nudge *n)
{
}

static void begin(bool tty)
{
    container = (struct container){.engine = &engine, .tty = tty, .name = "web", .image = "", .project = "", .service = "", .log_path = ""};
    memset(container.id, 'a', FACTS_ID);
    monitor.memory = (struct pool_waiter){.wake = &monitor.work};
    monitor.blocked = monitor.filled = NULL;
    pthread_mutex_init(&monitor.lock, NULL);
    assert_int_equal(streams_begin(&scope_root), 0);
    assert_int_equal(pool_begin(&pool, &scope_root, 64 << 20), 0);
    assert_int_equal(sources_begin(&scope_root, NULL, 0), 0);
    assert_int_equal(loop_begin(&loop, &scope_root, "loop"), 0);
    assert_int_equal(timer_begin(&monitor.look, &loop.scope, &loop, "look", nothing), 0);
    assert_int_equal(nudge_begin(&monitor.work, &loop.scope, &loop, "work", never), 0);
    assert_int_equal(nudge_begin(&monitor.flush, &loop.scope, &loop, "flush", never), 0);
    assert_int_equal(scope_begin(&container.scope, &scope_root, "container"), 0);
    assert_int_equal(wire_begin(w, &container), 0);
    tap_begin(&tap);
    assert_int_equal(tap_open(&tap, &scope_root, &dispatcher), 0);
    out[0] = err[0] = 0;
}

static void end(void)
{
    wire_end(w);
    pool_wait_cancel(&pool, &monitor.memory);
    assert_int_equal(monitor.held, 0);
    assert_int_equal(atomic_load(&pool.used), 0);
    tap_close(&tap, &dispatcher);
    tap_end(&tap);
    scope_end(&container.scope);
    loop_end(&loop);
    sources_end();
    pool_end(&pool);
    streams_end();
    pthread_mutex_destroy(&monitor.lock);
}

static void unblock(void)
{
    assert_ptr_equal(monitor.blocked, w);
    monitor.blocked = NULL;
    w->is_blocked = false;
    wire_unblock(w);
}

/* Another stream of the same log, or the first one. */
static void open_stream(void)
{
    w->is_fresh = true;
    while (wire_begin_memory(w) < 0)
        continue;
}

static void feed(const char *data, size_t n)
{
    enum http_piece what = HTTP_LATER;
    while (n && (what = wire_piece(&w->request, data, n)) == HTTP_LATER)
        unblock();
    assert_true(!n || what == HTTP_TAKEN);
}

static void give_rest(void)
{
    while (!wire_give_rest(w))
        unblock();
}

static void look(void)
{
    struct tap_counts counts;
    uint32_t n, at = 0;
    wire_flush(w);
    const char *data = tap_take(&tap, &n, &counts);
    for (const struct tapped *r; (r = tap_next(data, n, &at));) {
        const char *text = tapped_text(r);
        assert_int_equal(r->n, r->whole);
        char *to = r->n && text[0] >= 'A' && text[0] <= 'Z' ? err : out;
        sprintf(to + strlen(to), "%.*s|", (int)r->n, text);
    }
    assert_int_equal(counts.missed, 0);
}

static void assert_records(const char *to_stdout, const char *to_stderr)
{
    look();
    assert_string_equal(out, to_stdout);
    assert_string_equal(err, to_stderr);
}

/* ---- what a log holds ---- */

static struct message {
    int second;
    char type;
    const char *text;
    const char *end; /* "": it goes on in the next */
} log_of[8];
static unsigned n_messages;

static void put_message(const struct message *m, bool tty)
{
    char text[256];
    int n = snprintf(text, sizeof text, T "%d" TAIL "%s%s", m->second, m->text, m->end);
    const char header[FRAMES_HEADER] = {m->type, 0, 0, 0, 0, 0, 0, (char)n};
    if (!tty) {
        memcpy(chunk + used, header, sizeof header);
        used += FRAMES_HEADER;
    }
    memcpy(chunk + used, text, (size_t)n);
    used += (uint32_t)n;
}

static void put_log(bool tty)
{
    used = 0;
    for (unsigned i = 0; i < n_messages; i++)
        put_message(&log_of[i], tty);
}

#define LOG(...) (n_messages = sizeof((struct message[]){__VA_ARGS__}) / sizeof(struct message), \
                  memcpy(log_of, (struct message[]){__VA_ARGS__}, sizeof((struct message[]){__VA_ARGS__})))

/* The records of its first n bytes. */
static void expect(uint32_t n, bool tty, char *to_stdout, char *to_stderr)
{
    const uint32_t before = sizeof T + sizeof TAIL - 1 + (tty ? 0 : FRAMES_HEADER);
    bool open[2] = {false, false};
    char *to[2] = {to_stdout, to_stderr};
    *to_stdout = *to_stderr = 0;
    for (unsigned i = 0; i < n_messages; i++) {
        const struct message *m = &log_of[i];
        uint32_t len = (uint32_t)strlen(m->text), ends = (uint32_t)strlen(m->end), s = m->type == 2;
        uint32_t there = n < before ? 0 : n - before < len ? n - before : len;
        sprintf(to[s] + strlen(to[s]), "%.*s", (int)there, m->text);
        bool whole = n >= before + len + ends;
        open[s] = (open[s] || there) && !(whole && ends);
        if (whole && ends)
            strcat(to[s], "|");
        if (!whole)
            break;
        n -= before + len + ends;
    }
    for (int s = 0; s < 2; s++)
        if (open[s])
            strcat(to[s], "|");
}

static void mixed_log(void)
{
    LOG({0, 1, "one", "\n"}, {1, 2, "THE FIRST ", ""}, {1, 1, "two, which is longer than any time is, even one that has all of its digits ", ""},
        {1, 2, "AND THE SECOND PIECE", "\n"}, {1, 1, "and goes on", "\n"}, {1, 1, "three", "\r\n"}, {2, 2, "THE LAST", ""});
}

static void tty_log(void)
{
    LOG({0, 1, "one", "\r\n"}, {1, 1, "two", "\r\n"}, {1, 1, "three", "\r\n"}, {3, 1, "the last words", ""});
}

/* ---- tests ---- */

/* The stream breaks after `first` bytes; the next one tells `again` of them; then the container is gone. */
static void assert_all_came(bool tty, uint32_t first, uint32_t again)
{
    char to_stdout[512], to_stderr[512];
    expect(first > again ? first : again, tty, to_stdout, to_stderr);
    begin(tty);
    open_stream();
    feed(chunk, first);
    open_stream();
    feed(chunk, again);
    give_rest();
    look();
    for (char *p = out; (p = strchr(p, '\r'));) /* half of the end of a TTY's line */
        memmove(p, p + 1, strlen(p));
    if (strcmp(out, to_stdout) != 0 || strcmp(err, to_stderr) != 0)
        fail_msg("after %u and %u bytes: \"%s\" and \"%s\", not \"%s\" and \"%s\"", first, again, out, err, to_stdout, to_stderr);
    end();
}

static void wherever_a_stream_breaks_what_came_is_given_once(void **state)
{
    for (int tty = 0; tty < 2; tty++) {
        tty ? tty_log() : mixed_log();
        put_log(tty);
        for (uint32_t first = 0; first <= used; first++) {
            assert_all_came(tty, first, 0);
            assert_all_came(tty, first, used);
        }
        for (uint32_t first = 3; first <= used; first += 7)
            for (uint32_t again = 1; again <= used; again += 5)
                assert_all_came(tty, first, again);
    }
}

/* The engine rotated its log: what is known of the line is given before what is there now. */
static void a_line_whose_beginning_is_not_told_again_is_given(void **state)
{
    begin(false);
    LOG({0, 1, "one", "\n"}, {1, 1, "two, of which ", ""}, {1, 2, "A WORD ", ""});
    put_log(false);
    open_stream();
    feed(chunk, used);
    LOG({2, 1, "three", "\n"}, {1, 2, "A WORD ", ""}, {2, 2, "AND ITS END", "\n"});
    put_log(false);
    open_stream();
    feed(chunk, used);
    assert_records("one|two, of which |three|", "A WORD AND ITS END|");
    end();
}

/* Behind a piece of a TTY stands the time of the next one: when that is torn it is not of the line. */
static void a_time_that_is_torn_is_no_text(void **state)
{
    enum { STAMP = sizeof T + sizeof TAIL - 1 };
    static char piece[FRAMES_PIECE + 1];
    struct tap_counts counts;
    uint32_t n, at = 0;
    memset(piece, 'p', FRAMES_PIECE);
    used = (uint32_t)sprintf(chunk, T "1" TAIL "%s" T "2" TAIL "and its end\r\n", piece);
    begin(true);
    open_stream();
    feed(chunk, STAMP + FRAMES_PIECE + 10);
    open_stream();
    feed(chunk, used);
    wire_flush(w);
    const struct tapped *r = tap_next(tap_take(&tap, &n, &counts), n, &at);
    assert_non_null(r);
    assert_int_equal(r->whole, FRAMES_PIECE + strlen("and its end"));
    end();
}

/* What came of a line outlives a reload, also one that lets lines be longer, or shorter, than when the line began. */
static void a_line_grows_to_what_the_configuration_allows_now(void **state)
{
    enum { SHORT = 1 << 10, LONG = 1 << 20, PIECE = 16 << 10, PIECES = 40 };
    static char piece[PIECE + 1];
    const uint64_t before = config.files.max_line_bytes;
    const uint32_t size = PIECE + sizeof T + sizeof TAIL - 1;
    const char header[FRAMES_HEADER] = {1, 0, 0, 0, 0, 0, (char)(size >> 8), (char)size};
    memset(piece, 'p', PIECE);
    memcpy(chunk, header, sizeof header);
    used = FRAMES_HEADER + (uint32_t)sprintf(chunk + FRAMES_HEADER, T "1" TAIL "%s", piece);
    config.files.max_line_bytes = SHORT;
    begin(false);
    open_stream();
    config.files.max_line_bytes = LONG;
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(wire_piece(&w->request, chunk, used), HTTP_TAKEN);
    assert_int_equal(w->line[0].text.len, PIECES * PIECE);
    config.files.max_line_bytes = SHORT;
    assert_int_equal(wire_piece(&w->request, chunk, used), HTTP_TAKEN);
    assert_int_equal(w->line[0].text.len, SHORT);
    give_rest();
    wire_flush(w);
    assert_int_equal(container.records, (PIECES + 1) * PIECE / SHORT);
    assert_int_equal(container.bytes, (PIECES + 1) * PIECE);
    end();
    config.files.max_line_bytes = before;
}

/* Whichever call finds no memory: it is waited for, and nothing is missing or twice. */
static void no_memory_is_waited_for(void **state)
{
    bool fired = true;
    for (uint64_t k = 1; fired; k += TORTURE_STEP)
        for (int tty = 0; tty < 2; tty++) {
            char to_stdout[512], to_stderr[512];
            tty ? tty_log() : mixed_log();
            put_log(tty);
            expect(used, tty, to_stdout, to_stderr);
            begin(tty);
            fault_arm(k, ENOMEM);
            open_stream();
            for (uint32_t at = 0, n; at < used - 100; at += n)
                feed(chunk + at, n = used - 100 - at < 60 ? used - 100 - at : 60);
            open_stream();
            feed(chunk, used);
            give_rest();
            wire_flush(w);
            fired = fault_fired();
            fault_arm(0, 0);
            assert_records(to_stdout, to_stderr);
            end();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wherever_a_stream_breaks_what_came_is_given_once),
        TEST(a_line_whose_beginning_is_not_told_again_is_given),
        TEST(a_time_that_is_torn_is_no_text),
        TEST(a_line_grows_to_what_the_configuration_allows_now),
        TEST(no_memory_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
