#include "main/commands/dlq_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/utf8.h"
#include "core/letters/letter_json.h"
#include "main/commands/cell.h"

enum { TABLE_LINE = 100, JSON_MOST = 1 << 30 };

struct showing {
    const struct letter_ask *ask;
    enum dlq_form form;
    uint64_t limit, printed;
    struct buf json;
    int result;
};

/* Bytes of the character at `text` that may be printed as they are; 0: it is none, or a terminal would act on it. */
static size_t printable(const unsigned char *text, size_t n)
{
    size_t length = *text < 0x80 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
    if (length > n || !utf8_valid((const char *)text, length) || *text < 0x20 || *text == 0x7f)
        return 0;
    return length == 2 && text[0] == 0xc2 && text[1] < 0xa0 ? 0 : length; /* C1 controls */
}

static void print_text(const void *data, size_t n, size_t most)
{
    const unsigned char *text = data;
    size_t i = 0;
    for (size_t length; i < n && i < most; i += length ? length : 1) {
        length = printable(text + i, n - i);
        if (length)
            fwrite(text + i, 1, length, stdout);
        else if (text[i] == '\t' || text[i] == '\n')
            fputs(text[i] == '\t' ? "\\t" : "\\n", stdout);
        else
            printf("\\x%02x", text[i]);
    }
    if (i < n)
        printf("... (%zu bytes)", n);
}

static void print_string(const char *text)
{
    print_text(text, strlen(text), SIZE_MAX);
}

static void print_row(struct showing *s, const struct store_letter *l)
{
    char time[LETTER_TIME];
    letter_time(l->refused_at, time);
    if (s->printed == 0)
        printf("%8s  %-20s %-11s %5s  %-12s %s\n", "ID", "REFUSED", "REASON", "TRIES", "SINK", "SOURCE: LINE");
    printf("%8" PRId64 "  %.19sZ %-11.11s %5" PRIu64 "  ", l->id, time, l->code, l->attempts);
    print_string(l->sink);
    printf("%*s ", (int)(strlen(l->sink) < 12 ? 12 - strlen(l->sink) : 0), "");
    print_string(l->source_name);
    printf(": ");
    print_text(l->line, l->line_n, TABLE_LINE);
    putchar('\n');
}

static void print_field(const char *name, const char *value)
{
    printf("%-11s ", name);
    print_string(value);
    putchar('\n');
}

static void print_time(const char *name, int64_t ns)
{
    char text[LETTER_TIME];
    print_field(name, ns ? letter_time(ns, text) : "-");
}

static void print_long(struct showing *s, const struct store_letter *l)
{
    printf("%s%-11s %" PRId64 "\n", s->printed ? "\n" : "", "id", l->id);
    print_field("sink", l->sink);
    print_field("source", l->source_name);
    print_field("source key", l->source_key);
    printf("%-11s %" PRIu64 "\n", "place", l->place);
    print_field("reason", l->code);
    print_field("the server", l->says);
    print_time("refused", l->refused_at);
    print_time("last tried", l->tried_at);
    printf("%-11s %" PRIu64 "\n", "tries", l->attempts);
    print_time("next try", l->next_try);
    print_time("time", l->time);
    print_field("labels", l->labels);
    printf("%-11s %zu\n%-11s ", "bytes", l->line_n, "line");
    print_text(l->line, l->line_n, SIZE_MAX);
    putchar('\n');
}

static bool show(const struct store_letter *l, void *arg)
{
    struct showing *s = arg;
    if (!letter_filter_takes(&s->ask->filter, l))
        return true;
    if (s->printed == s->limit)
        return false;
    if (s->form == DLQ_TABLE) {
        print_row(s, l);
    } else if (s->form == DLQ_LONG) {
        print_long(s, l);
    } else {
        buf_clear(&s->json);
        s->result = letter_json(&s->json, l);
        if (s->result < 0)
            return false;
        buf_puts(&s->json, "\n");
        fwrite(s->json.data, 1, s->json.len, stdout);
    }
    s->printed++;
    if (!ferror(stdout))
        return true;
    s->result = -EIO; /* nobody reads, or the disk is full */
    return false;
}

int dlq_show(struct scope *scope, struct store *store, const struct letter_ask *ask, enum dlq_form form, uint64_t limit,
             uint64_t *printed)
{
    struct showing s = {.ask = ask, .form = form, .limit = limit};
    struct store_letter_query q = letter_filter_query(&ask->filter, clock_real());
    q.limit = INT64_MAX;
    q.whole = true;
    int r = buf_begin(&s.json, scope, "letter as JSON", JSON_MOST);
    if (r == 0)
        r = store_each_letter(store, &q, show, &s);
    buf_end(&s.json);
    *printed = s.printed;
    return r < 0 ? r : s.result;
}
