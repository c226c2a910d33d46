#include "out/stdout.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/dispatcher.h"
#include "core/source.h"
#include "unit.h"

/* The sink on its own thread, with descriptor 1 replaced by what the test reads. */
struct world {
    struct scope scope;
    struct sink_config config;
    struct pool pool;
    struct sink sink;
    struct sink *list[1];
    struct dispatcher dispatcher;
    struct source *source;
    struct stream *stream;
    int saved, reader;
    uint64_t at;
};

static void begin(struct world *w, enum sink_format format)
{
    int ends[2];
    *w = (struct world){.config = {.name = "out", .type = "stdout", .queue_size = 4 << 20}};
    w->config.stdout_.format = format;
    fflush(stdout);
    w->saved = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    w->reader = ends[0];
    assert_int_equal(scope_begin(&w->scope, &scope_root, "world"), 0);
    assert_int_equal(streams_begin(&w->scope), 0);
    assert_int_equal(pool_begin(&w->pool, &w->scope, 8 << 20), 0);
    assert_int_equal(sink_begin(&w->sink, &w->scope, 0, &w->config, NULL, &stdout_sink, &w->pool),
                     0);
    w->list[0] = &w->sink;
    w->dispatcher = (struct dispatcher){.sinks = w->list, .n_sinks = 1, .pool = &w->pool};
    sources_begin(&w->scope, w->list, 1);
    w->source = source_obtain(SOURCE_FILE, "file:1", "/var/log/a");
    w->stream = stream_get(&(struct label){"unit", "ssh"}, 1);
    assert_int_equal(sink_start(&w->sink), 0);
}

/* Returns how long the sink took to let go of everything. */
static int64_t end(struct world *w, int64_t grace)
{
    int64_t before = clock_mono();
    sink_stop(&w->sink, before + grace);
    sink_join(&w->sink);
    int64_t took = clock_mono() - before;
    dup2(w->saved, STDOUT_FILENO);
    close(w->saved);
    if (w->reader >= 0)
        close(w->reader);
    source_unref(w->source);
    stream_unref(w->stream);
    sink_end(&w->sink);
    sources_end();
    pool_end(&w->pool);
    streams_end();
    scope_end(&w->scope);
    return took;
}

static void say(struct world *w, size_t bytes, bool more)
{
    struct batch *b = batch_new(&w->pool, w->source, (uint32_t)bytes, 2);
    assert_non_null(b);
    batch_stream(b, w->stream);
    memset(b->data, 'x', bytes);
    b->used = (uint32_t)bytes;
    uint32_t half = (uint32_t)bytes / 2;
    int64_t time = 1795237678 * SECOND + 1001;
    batch_mark(b, (struct mark){.off = 0, .len = half, .end = half, .more = more, .time = time});
    batch_mark(b, (struct mark){.off = half, .len = half, .end = 2 * half, .time = time});
    b->from = w->at;
    b->to = w->at += bytes;
    dispatch(&w->dispatcher, b);
}

static uint64_t secured(struct world *w)
{
    return source_lowest(w->source).offset;
}

static void read_text(struct world *w, char *text, size_t len)
{
    for (size_t n = 0; n < len;) {
        ssize_t r = read(w->reader, text + n, len - n);
        assert_true(r > 0);
        n += (size_t)r;
    }
    text[len] = 0;
}

static void text_is_readable(void **state)
{
    static const char line[] = "2026-11-21T05:07:58.000001Z {unit=\"ssh\"} xx\n";
    char text[200];
    struct world w;
    begin(&w, FORMAT_TEXT);
    say(&w, 4, false);
    read_text(&w, text, 2 * strlen(line));
    end(&w, SECOND);
    assert_memory_equal(text, line, strlen(line));
    assert_memory_equal(text + strlen(line), line, strlen(line));
}

static void joined_records_are_one_json_line(void **state)
{
    static const char line[] = "{\"time\":\"2026-11-21T05:07:58.000001001Z\",\"labels\":{\"unit\":"
                               "\"ssh\"},\"line\":\"xxxx\"}\n";
    char text[200];
    struct world w;
    begin(&w, FORMAT_JSON);
    say(&w, 4, true);
    read_text(&w, text, strlen(line));
    end(&w, SECOND);
    assert_string_equal(text, line);
}

static void a_slow_reader_holds_up_nothing_but_its_sink(void **state)
{
    static char text[400000];
    struct world w;
    begin(&w, FORMAT_TEXT);
    say(&w, 300000, true);
    usleep(50000);
    assert_int_equal(secured(&w), 0); /* a pipe takes 64 KiB */
    read_text(&w, text, 300000 + strlen("2026-11-21T05:07:58.000001Z {unit=\"ssh\"} \n"));
    for (int i = 0; i < 5000 && secured(&w) < w.at; i++)
        usleep(1000);
    assert_int_equal(secured(&w), 300000);
    end(&w, SECOND);
}

static void a_reader_that_never_reads_does_not_delay_the_end(void **state)
{
    struct world w;
    begin(&w, FORMAT_TEXT);
    say(&w, 300000, true);
    assert_true(end(&w, SECOND / 5) < SECOND);
}

static void a_reader_that_has_gone_is_said_once(void **state)
{
    struct world w;
    uint64_t before = log_count(LOG_LEVEL_ERROR);
    begin(&w, FORMAT_TEXT);
    close(w.reader);
    w.reader = -1;
    say(&w, 4, false);
    say(&w, 4, false);
    for (int i = 0; i < 5000 && !atomic_load(&w.sink.stats.failing); i++)
        usleep(1000);
    assert_true(atomic_load(&w.sink.stats.failing));
    assert_int_equal(secured(&w), 0);
    assert_true(end(&w, SECOND) < SECOND);
    assert_int_equal(log_count(LOG_LEVEL_ERROR), before + 1);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(text_is_readable),
        TEST(joined_records_are_one_json_line),
        TEST(a_slow_reader_holds_up_nothing_but_its_sink),
        TEST(a_reader_that_never_reads_does_not_delay_the_end),
        TEST(a_reader_that_has_gone_is_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
