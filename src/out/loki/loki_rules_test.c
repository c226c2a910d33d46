#include "out/loki/loki_rules.h"

#include <stdlib.h>

#include "unit.h"

static struct label own[] = {{"host", "here"}}, old_own[] = {{"host", "there"}, {"tier", "b"}};
static const char *metadata[] = {"path"}, *old_metadata[] = {"job"};
static const struct loki_config now = {
    .labels = {own, 1}, .structured_metadata = {metadata, 1}, .max_labels = 15, .max_line_bytes = 100, .max_streams = 2};
static const struct loki_config old = {
    .labels = {old_own, 2}, .structured_metadata = {old_metadata, 1}, .max_labels = 3, .max_line_bytes = 50};

struct world {
    struct scope scope;
    struct sink sink;
    struct lease lease;
    struct stream *stream;
    struct loki_rulebook book;
};

static struct stream *stream_of(const char *path)
{
    return stream_get((struct label[]){{"job", "x"}, {"path", path}}, 2);
}

static bool begin(struct world *w, const struct loki_config *config)
{
    *w = (struct world){.sink.name = "loki"};
    bool good = scope_begin(&w->scope, &scope_root, "test") == 0;
    if (!good || streams_begin(&w->scope) < 0) {
        scope_end(&w->scope);
        return false;
    }
    return (w->stream = stream_of("/a")) && loki_rules_begin(&w->book, &w->scope, config, &w->sink) == 0;
}

static void end(struct world *w)
{
    if (!thing_alive(&w->scope.thing))
        return;
    thing_end(&w->book.thing);
    settings_unref(w->lease.sent_with);
    stream_unref(w->stream);
    streams_end();
    scope_end(&w->scope);
}

/* The labels of the lease's stream, and how long its lines may be. */
static const char *labels(struct world *w, uint64_t *most)
{
    static char text[400];
    struct loki_rules *rules = loki_rules_of(&w->book, &w->lease);
    const struct loki_labels *l = rules ? loki_streams_get(&rules->streams, w->stream) : NULL;
    if (!l)
        return NULL;
    snprintf(text, sizeof text, "%.*s", (int)l->labels_n, l->bytes);
    *most = rules->config->max_line_bytes;
    return text;
}

/* To be freed. */
static char *text_of(const struct loki_config *config)
{
    struct world w;
    assert_true(begin(&w, config));
    struct settings *s = loki_rules_settings(&w.book);
    char *copy = s ? strdup(s->text) : NULL;
    end(&w);
    assert_non_null(copy);
    return copy;
}

static void what_was_sent_is_encoded_by_the_rules_of_then(void **state)
{
    static const char few[] = "{\"max_labels\":\"1\",\"max_line_bytes\":\"9\"}";
    struct world w;
    uint64_t most;
    char *text = text_of(&old);
    assert_true(begin(&w, &now));
    assert_string_equal(labels(&w, &most), "{host=\"here\", job=\"x\"}");
    assert_int_equal(most, 100);
    w.lease.sent_with = settings_get(text, strlen(text));
    assert_string_equal(labels(&w, &most), "{host=\"there\", path=\"/a\", tier=\"b\"}");
    assert_int_equal(most, 50);
    struct settings *then = w.lease.sent_with;
    w.lease.sent_with = settings_ref(loki_rules_settings(&w.book));
    assert_string_equal(labels(&w, &most), "{host=\"here\", job=\"x\"}");
    settings_unref(w.lease.sent_with);
    w.lease.sent_with = settings_get(few, strlen(few));
    assert_string_equal(labels(&w, &most), "{job=\"x\"}");
    settings_unref(w.lease.sent_with);
    w.lease.sent_with = then;
    assert_string_equal(labels(&w, &most), "{host=\"there\", path=\"/a\", tier=\"b\"}");
    end(&w);
    free(text);
}

/* What max_streams demoted belongs to the rules by which it was sent. */
static void a_demoted_label_is_remembered(void **state)
{
    struct world w;
    struct loki_config config = now;
    uint64_t most;
    config.structured_metadata.n = 0;
    assert_true(begin(&w, &config));
    struct settings *before = settings_ref(loki_rules_settings(&w.book));
    assert_string_equal(labels(&w, &most), "{host=\"here\", job=\"x\", path=\"/a\"}");
    for (int i = 0; i < 4; i++) {
        char path[8];
        snprintf(path, sizeof path, "/%d", i);
        struct stream *s = stream_of(path);
        assert_non_null(loki_streams_get(&w.book.now.streams, s));
        stream_unref(s);
    }
    assert_string_equal(labels(&w, &most), "{host=\"here\", job=\"x\"}");
    struct settings *after = loki_rules_settings(&w.book);
    assert_ptr_not_equal(before, after);
    w.lease.sent_with = before;
    assert_string_equal(labels(&w, &most), "{host=\"here\", job=\"x\", path=\"/a\"}");
    char *text = strdup(after->text);
    end(&w);

    assert_true(begin(&w, &config)); /* another process, which demoted nothing */
    w.lease.sent_with = settings_get(text, strlen(text));
    assert_string_equal(labels(&w, &most), "{host=\"here\", job=\"x\"}");
    end(&w);
    free(text);
}

static void settings_that_are_not_understood_are_as_those_of_now(void **state)
{
    static const char *const texts[] = {"", "[", "{\"later\":\"x\"}", "{\"max_line_bytes\":\"0\"}", "{\"max_line_bytes\":\"9\"} x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct world w;
        uint64_t most;
        assert_true(begin(&w, &now));
        w.lease.sent_with = settings_get(texts[i], strlen(texts[i]));
        assert_string_equal(labels(&w, &most), "{host=\"here\", job=\"x\"}");
        end(&w);
    }
}

static char *old_text;

static void some_rules(void)
{
    struct world w;
    uint64_t most;
    if (begin(&w, &now)) {
        w.lease.sent_with = settings_get(old_text, strlen(old_text));
        const char *text = labels(&w, &most);
        if (text && w.lease.sent_with)
            assert_string_equal(text, "{host=\"there\", path=\"/a\", tier=\"b\"}");
        (void)loki_rules_settings(&w.book);
    }
    end(&w);
}

static void torture(void **state)
{
    old_text = text_of(&old);
    TORTURE(some_rules);
    free(old_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_sent_is_encoded_by_the_rules_of_then),
        TEST(a_demoted_label_is_remembered),
        TEST(settings_that_are_not_understood_are_as_those_of_now),
        TEST(torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
