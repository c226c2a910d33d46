/* `logcap top`: the running agent on one screen, refreshed: rates, sinks, tasks, descriptors, memory, verdicts. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "main/commands/args.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"
#include "main/commands/reply.h"
#include "main/commands/screen.h"

enum { ANSWER_BYTES = 8 << 20, SINKS_SHOWN = 32, INTERVAL_MS = 2000, ONCE_MS = 1000, WORDS_LINES = 3, LINE = 1024, TEXT_WRAP = 80 };
enum { ERROR_INDENT = 4, ERROR_LINES = 3, ERROR_LEAST_WIDTH = 4 };

static const char help[] = "usage: logcap top [-c FILE] [--once]\n"
                           "\n"
                           "Shows the running agent, refreshed every two seconds: what its sinks deliver, its tasks, descriptors and\n"
                           "memory, and what the leak detector says. q quits, any other key refreshes.\n"
                           "\n"
                           "  -c, --config FILE  the agent's configuration, which says where it listens\n"
                           "      --once         one picture, as text; also when the output is no terminal\n"
                           "\n"
                           "Exit code: 0 done, 1 no agent answered, 2 wrong usage or configuration.\n";

/* What the picture before had, for rates. */
struct seen {
    int64_t at; /* clock_mono(); 0: nothing */
    double cpu, delivered[SINKS_SHOWN];
};

struct top {
    struct scope scope;
    const struct config *config;
    struct screen screen;
    struct buf answer;
    struct seen before, now;
    struct reply stats, leaks;
};

/* ---- numbers ---- */

static const char *amount(double bytes, char text[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned u = 0;
    for (; bytes >= 1024 && u < 4; u++)
        bytes /= 1024;
    snprintf(text, 32, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return text;
}

static const char *duration(double seconds, char text[32])
{
    unsigned long s = (unsigned long)seconds;
    if (s >= 86400)
        snprintf(text, 32, "%lud %luh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(text, 32, "%luh %lum", s / 3600, s / 60 % 60);
    else
        snprintf(text, 32, "%lum %lus", s / 60, s % 60);
    return text;
}

static unsigned width_of(const struct top *t)
{
    return t->screen.open ? t->screen.width : TEXT_WRAP;
}

static double rate(const struct top *t, double now, double before)
{
    double seconds = (double)(t->now.at - t->before.at) / SECOND;
    return t->before.at && seconds > 0 && now >= before ? (now - before) / seconds : 0;
}

/* ---- the picture ---- */

static void show_head(struct top *t)
{
    const struct reply *s = &t->stats, *l = &t->leaks;
    char clock[16], up[32], rss[32], heap[32], pool[32], limit[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &tm));
    t->now.cpu = reply_number(s, "process.cpu_seconds");
    screen_bold_line(&t->screen, "logcap %s on %s   up %s   leaks: %s   %s", reply_text(s, "version"), reply_text(l, "host"),
                     duration(reply_number(s, "uptime_seconds"), up), reply_text(l, "status"), clock);
    screen_line(&t->screen, "cpu %.1f %%   resident %s   heap %s   records %s of %s", 100 * rate(t, t->now.cpu, t->before.cpu),
                amount(reply_number(s, "process.resident_bytes"), rss), amount(reply_number(l, "totals.heap_bytes"), heap),
                amount(reply_number(s, "pool.used_bytes"), pool), amount(reply_number(s, "pool.limit_bytes"), limit));
    screen_line(&t->screen, "sources %s   tasks %s (%s unexpected, %s hang)   threads %s", reply_text(s, "sources"),
                reply_text(s, "process.tasks"), reply_text(l, "totals.unexpected_tasks"), reply_text(l, "totals.hanging_tasks"),
                reply_text(s, "process.threads"));
    screen_line(&t->screen, "descriptors %s of %s (%s unowned)", reply_text(s, "process.fds"), reply_text(s, "process.fd_limit"),
                reply_text(l, "totals.fds_unowned"));
    screen_line(&t->screen, "%s", "");
}

/* How much of a text a line takes, which ends with a word where it can, and never within a character. */
static int fitting_words(const char *text, int wide)
{
    int n = wide;
    if ((int)strlen(text) <= wide)
        return (int)strlen(text);
    while (n > wide / 2 && text[n] != ' ')
        n--;
    if (text[n] == ' ')
        return n;
    for (n = wide; n > 1 && (text[n] & 0xc0) == 0x80; n--)
        ;
    return n;
}

/* Why the i-th sink fails. */
static void show_error(struct top *t, unsigned i)
{
    const char *error = reply_text(&t->stats, "sinks.%u.error", i);
    int wide = (int)width_of(t) - ERROR_INDENT;
    for (unsigned n = 0; *error && n < ERROR_LINES; n++) {
        int fits = fitting_words(error, wide > ERROR_LEAST_WIDTH ? wide : ERROR_LEAST_WIDTH);
        screen_line(&t->screen, "%*s%.*s", ERROR_INDENT, "", fits, error);
        error += fits;
        error += *error == ' ';
    }
}

static void show_sinks(struct top *t)
{
    const struct reply *s = &t->stats;
    unsigned n = (unsigned)reply_number(s, "sinks.#");
    screen_bold_line(&t->screen, "%-14s %9s %11s %9s %10s %7s  %s", "SINK", "records/s", "delivered", "in flight", "queue",
                     "retries", "state");
    for (unsigned i = 0; i < n && i < SINKS_SHOWN; i++) {
        char queue[32];
        double delivered = reply_number(s, "sinks.%u.since_start.delivered.records", i);
        t->now.delivered[i] = delivered;
        screen_line(&t->screen, "%-14.14s %9.0f %11.0f %9.0f %10s %7s  %s", reply_text(s, "sinks.%u.name", i),
                    rate(t, delivered, t->before.delivered[i]), delivered, reply_number(s, "sinks.%u.since_start.in_flight.records", i),
                    amount(reply_number(s, "sinks.%u.queue_bytes", i), queue), reply_text(s, "sinks.%u.retries", i),
                    strcmp(reply_text(s, "sinks.%u.failing", i), "true") == 0   ? "failing"
                    : strcmp(reply_text(s, "sinks.%u.lagging", i), "true") == 0 ? "lagging"
                                                                                : "ok");
        show_error(t, i);
    }
    screen_line(&t->screen, "%s", "");
}

/* The groups of one kind of series in a few lines: "file_reader 3  thread 5". */
static void show_groups(struct top *t, const char *title, const char *kind)
{
    const struct reply *l = &t->leaks;
    char line[LINE];
    size_t used = (size_t)snprintf(line, sizeof line, "%-12s", title);
    unsigned n = (unsigned)reply_number(l, "series.#"), lines = 1, wide = width_of(t);
    for (unsigned i = 0; i < n; i++) {
        char word[128];
        const char *group = reply_text(l, "series.%u.group", i);
        if (strcmp(reply_text(l, "series.%u.kind", i), kind) != 0 || !*group || reply_number(l, "series.%u.current", i) == 0)
            continue;
        snprintf(word, sizeof word, " %s %s ", group, reply_text(l, "series.%u.current", i));
        if (used + strlen(word) > wide && lines < WORDS_LINES) {
            screen_line(&t->screen, "%s", line);
            used = (size_t)snprintf(line, sizeof line, "%-12s", "");
            lines++;
        }
        if (used + strlen(word) < sizeof line)
            used += (size_t)snprintf(line + used, sizeof line - used, "%s", word);
    }
    screen_line(&t->screen, "%s", line);
}

static bool is_still(const struct reply *l, unsigned i)
{
    const char *verdict = reply_text(l, "series.%u.verdict", i);
    return strcmp(reply_text(l, "series.%u.severity", i), "none") == 0 &&
           (strcmp(verdict, "steady") == 0 || strcmp(verdict, "undetermined") == 0);
}

static void show_verdicts(struct top *t)
{
    const struct reply *l = &t->leaks;
    unsigned n = (unsigned)reply_number(l, "series.#"), still = 0, findings = (unsigned)reply_number(l, "findings.#");
    for (unsigned i = 0; i < n; i++)
        still += is_still(l, i);
    screen_line(&t->screen, "%s", "");
    screen_bold_line(&t->screen, "FOUND: %u   series: %u, %u stand still or are not seen long enough", findings, n, still);
    for (unsigned i = 0; i < findings && screen_room(&t->screen) > 1; i++)
        screen_line(&t->screen, "%-8s %s", reply_text(l, "findings.%u.severity", i), reply_text(l, "findings.%u.text", i));
    for (unsigned i = 0; i < n && screen_room(&t->screen) > 1; i++)
        if (!is_still(l, i))
            screen_line(&t->screen, "%-8s %-28s %10s  %+.3g a minute", reply_text(l, "series.%u.verdict", i),
                        reply_text(l, "series.%u.name", i), reply_text(l, "series.%u.current", i),
                        reply_number(l, "series.%u.slope_per_min", i));
}

/* 0, or an exit code. What the answers take is given back with their scope. */
static int picture(struct top *t, bool show)
{
    struct scope scratch;
    if (scope_begin(&scratch, &t->scope, "answers") < 0)
        return EXIT_FAILED;
    int code = reply_ask(&t->stats, &scratch, t->config, "/stats", &t->answer);
    t->now.at = clock_mono();
    if (code == EXIT_DONE)
        code = reply_ask(&t->leaks, &scratch, t->config, "/leaks", &t->answer);
    if (code == EXIT_DONE) {
        screen_clear(&t->screen);
        show_head(t);
        show_sinks(t);
        show_groups(t, "TASKS", "tasks");
        show_groups(t, "DESCRIPTORS", "fds");
        show_verdicts(t);
        if (show)
            screen_show(&t->screen);
        t->before = t->now;
    }
    scope_end(&scratch);
    return code;
}

/* Two pictures, so that there are rates; the second is shown. */
static int once(struct top *t)
{
    int code = picture(t, false);
    if (code != EXIT_DONE)
        return code;
    (void)poll(NULL, 0, ONCE_MS);
    return picture(t, true);
}

static int refresh(struct top *t)
{
    int code = picture(t, true);
    while (code == EXIT_DONE && screen_key(INTERVAL_MS) != 'q')
        code = picture(t, true);
    screen_close(&t->screen);
    return code;
}

static int work(struct top *t, const char *file, bool one)
{
    t->config = load_place_or_say(&t->scope, file);
    if (!t->config)
        return EXIT_USAGE;
    if (buf_begin(&t->answer, &t->scope, "answer", ANSWER_BYTES) < 0 || screen_begin(&t->screen, &t->scope) < 0)
        return EXIT_FAILED;
    return one || !screen_open(&t->screen) ? once(t) : refresh(t);
}

int cmd_top(int argc, char **argv)
{
    const char *file = NULL;
    bool one = false;
    char **words;
    static struct top top;
    const struct arg args[] = {{"config", 'c', &file, NULL}, {"once", 0, NULL, &one}, {0}};
    int n = args_parse(argc, argv, help, args, 0, 0, &words);
    if (n < 0)
        return args_code(n);
    if (scope_begin(&top.scope, &scope_root, "top") < 0)
        return EXIT_FAILED;
    int code = work(&top, file, one);
    scope_end(&top.scope);
    return code;
}
