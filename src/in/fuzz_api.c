/* A body as it may come: read twice it says the same, and what is good is taken whole. */
#include <stdlib.h>
#include <string.h>

#include "in/api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pool pool;
static struct dispatcher dispatcher = {.pool = &pool};
static struct api api;

static void begin(void)
{
    static const struct config config = {.host = "here", .api = {.enabled = true, .rate = 100000000}};
    streams_begin(&scope_root);
    pool_begin(&pool, &scope_root, 64 << 20);
    sources_begin(&scope_root, NULL, 0);
    api_begin(&api, &scope_root, &config, &dispatcher, NULL);
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct entries e;
    struct api_answer answer;
    uint64_t n = 0;
    const char *body = size ? (const char *)data : "";

    if (!api.source)
        begin();
    entries_begin(&e, body, size, 1795233240 * SECOND);
    while (entries_next(&e)) {
        char *message = malloc(e.message.len + 1);
        check(message && json_unescape(&e.message, message) <= e.message.len);
        free(message);
        for (unsigned i = 0; i < e.text.n; i++)
            check(e.text.labels[i].name[0] && strlen(e.text.labels[i].value) <= STREAM_LABEL_VALUE);
        n++;
    }
    check(!e.error || e.error_at <= size);
    api.owed_until = 0;
    api_take(&api, body, size, &answer);
    check(answer.outcome == API_TAKEN ? !e.error && answer.entries == n : answer.why[0] && answer.at <= size);
    check(!e.error || answer.outcome == API_INVALID);
    check(pool.used == 0);
    /* So that the limit on streams is met within a run, and left again. */
    if (answer.outcome == API_INVALID && !e.error) {
        api_end(&api);
        sources_end();
        pool_end(&pool);
        streams_end();
        begin();
    }
    return 0;
}
