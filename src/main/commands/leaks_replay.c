#include "main/commands/leaks_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "codec/doc.h"
#include "leak/judge/alarm.h"
#include "leak/judge/csv.h"
#include "leak/judge/judge.h"
#include "main/commands/args.h"
#include "main/commands/commands.h"

enum { EVENTS_MOST = 10000, READ_BYTES = 64 << 10, JSON_BYTES = 16 << 20, SPAN_TEXT = 32, TIME_TEXT = 32 };

static const char help[] =
    "usage: logcap leaks replay FILE.csv [--kind KIND] [--limit N] [--json]\n"
    "\n"
    "Judges a recorded series as the agent would have judged it while it was recorded: what the verdict is at\n"
    "the end, and when each alert would have come. The file has a header line, 'time,value', and a sample a\n"
    "line: Unix seconds and a number, at any interval. The trend decides, and a limit that is met or near; fixed\n"
    "thresholds are not applied.\n"
    "\n"
    "      --kind KIND  what was counted: tasks, fds, threads (growth by less than 3 is none) or memory\n"
    "      --limit N    what the value cannot pass, in its unit: how long until then is said\n"
    "      --json       one object: verdict, severity, since, first_alert, slope_per_min, confidence,\n"
    "                   limit_in_s, alerts (time, severity, reason); times in Unix seconds\n"
    "\n"
    "Exit code: 0 judged (whatever the verdict), 1 the file cannot be read, 2 wrong usage or a line that is wrong.\n";

struct event {
    struct event *next;
    int64_t time;
    enum alarm_event what;
    enum leak_severity severity;
    char reason[LEAK_REASON];
};

struct replay {
    struct scope scope;
    const char *file, *kind, *limit;
    bool json;
    struct judge *judge;
    struct alarm alarm;
    struct event *first, **end;
    unsigned events;
    bool failed; /* out of memory */
};

static void remember(struct replay *r, int64_t time, enum alarm_event what)
{
    if (r->events == EVENTS_MOST)
        return;
    struct event *e = scope_alloc(&r->scope, sizeof *e);
    if (!e) {
        r->failed = true;
        return;
    }
    e->time = time;
    e->what = what;
    e->severity = r->alarm.raised;
    snprintf(e->reason, sizeof e->reason, "%s", judge_verdict(r->judge)->reason);
    *r->end = e;
    r->end = &e->next;
    r->events++;
}

static void take(void *arg, int64_t time, double value)
{
    struct replay *r = arg;
    judge_add(r->judge, time, value, 0);
    enum alarm_event what = alarm_step(&r->alarm, &alarm_defaults, time, judge_verdict(r->judge)->severity);
    if (what != ALARM_NOTHING)
        remember(r, time, what);
}

/* The exit code; what was wrong has been said. */
static int read_all(struct replay *r, struct csv *csv)
{
    struct fd f;
    ssize_t n;
    char *piece = scope_alloc(&r->scope, READ_BYTES);
    int e = piece ? fd_open(&f, &r->scope, r->file, O_RDONLY | O_CLOEXEC, 0) : -ENOMEM;
    if (e < 0) {
        fprintf(stderr, "logcap: cannot open %s: %s\n", r->file, strerror(-e));
        return EXIT_FAILED;
    }
    csv_begin(csv);
    while ((n = fd_read(f.n, piece, READ_BYTES)) > 0 && e == 0)
        e = csv_feed(csv, piece, (size_t)n, take, r);
    fd_close(&f);
    if (n < 0) {
        fprintf(stderr, "logcap: cannot read %s: %s\n", r->file, strerror((int)-n));
        return EXIT_FAILED;
    }
    if (e == 0)
        e = csv_end(csv, take, r);
    if (e < 0) {
        fprintf(stderr, "%s:%" PRIu64 ": %s\n", r->file, csv->line, csv->error);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

/* Unix seconds; whole ones, as they nearly always are, without an exponent. */
static void add_time(struct doc *d, const char *key, int64_t ns)
{
    if (ns == LEAK_NEVER)
        doc_real(d, key, NAN);
    else if (ns % SECOND == 0)
        doc_int(d, key, ns / SECOND);
    else
        doc_real(d, key, (double)(ns / MILLISECOND) / 1000);
}

static int print_json(struct replay *r)
{
    const struct verdict *v = judge_verdict(r->judge);
    struct buf out;
    if (buf_begin(&out, &r->scope, "replay as JSON", JSON_BYTES) < 0)
        return EXIT_FAILED;
    struct doc d = {.out = &out};
    doc_object(&d, NULL);
    doc_string(&d, "verdict", leak_state_name(v->state));
    doc_string(&d, "severity", leak_severity_name(v->severity));
    add_time(&d, "since", v->since);
    add_time(&d, "first_alert", r->first ? r->first->time : LEAK_NEVER);
    doc_real(&d, "slope_per_min", v->slope);
    doc_real(&d, "confidence", v->confidence);
    doc_real(&d, "limit_in_s", v->limit_in < 0 ? NAN : v->limit_in);
    doc_array(&d, "alerts");
    for (const struct event *e = r->first; e; e = e->next) {
        if (e->what == ALARM_RESOLVED)
            continue;
        doc_object(&d, NULL);
        add_time(&d, "time", e->time);
        doc_string(&d, "severity", leak_severity_name(e->severity));
        doc_string(&d, "reason", e->reason);
        doc_object_end(&d);
    }
    doc_array_end(&d);
    doc_object_end(&d);
    bool failed = out.failed;
    if (!failed)
        printf("%s\n", out.data);
    buf_end(&out);
    return failed ? EXIT_FAILED : EXIT_DONE;
}

static const char *time_text(int64_t ns, char text[TIME_TEXT])
{
    struct tm tm;
    time_t at = (time_t)(ns / SECOND);
    strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
    return text;
}

/* Two units at most: "2 d 3 h", "4 min". */
static const char *span_text(double s, char text[SPAN_TEXT])
{
    if (s >= 1000 * 86400.0)
        snprintf(text, SPAN_TEXT, "more than 1000 d");
    else if (s >= 86400)
        snprintf(text, SPAN_TEXT, "%d d %d h", (int)(s / 86400), (int)(fmod(s, 86400) / 3600));
    else if (s >= 3600)
        snprintf(text, SPAN_TEXT, "%d h %d min", (int)(s / 3600), (int)(fmod(s, 3600) / 60));
    else
        snprintf(text, SPAN_TEXT, "%d min", (int)(s / 60));
    return text;
}

static int print_text(const struct replay *r, const struct csv *csv)
{
    static const char *const words[] = {"", "raised", "worse", "resolved"};
    const struct verdict *v = judge_verdict(r->judge);
    char text[TIME_TEXT], span[SPAN_TEXT];

    printf("%s: %s, severity %s, confidence %.2f; %" PRIu64 " samples over %s\n", r->file, leak_state_name(v->state),
           leak_severity_name(v->severity), v->confidence, csv->samples,
           span_text((double)(r->judge->last - r->judge->first) / SECOND, span));
    if (v->since != LEAK_NEVER)
        printf("It grows since %s by %.4g a minute (%.4g to %.4g).\n", time_text(v->since, text), v->slope, v->slope_low,
               v->slope_high);
    if (v->limit_in >= 0)
        printf("The limit of %s is reached in %s.\n", r->limit, span_text(v->limit_in, span));
    if (!r->first)
        printf("There would have been no alert.\n");
    for (const struct event *e = r->first; e; e = e->next) {
        printf("%s  %-8s  ", time_text(e->time, text), words[e->what]);
        if (e->what == ALARM_RESOLVED)
            printf("\n");
        else
            printf("%-8s  %s\n", leak_severity_name(e->severity), e->reason);
    }
    if (r->events == EVENTS_MOST)
        printf("(no more than %d are shown)\n", EVENTS_MOST);
    return EXIT_DONE;
}

static int replay(struct replay *r, const struct judge_settings *settings)
{
    struct csv *csv = scope_alloc(&r->scope, sizeof *csv);
    r->judge = scope_alloc(&r->scope, sizeof *r->judge);
    r->end = &r->first;
    if (!csv || !r->judge) {
        fputs("logcap: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    judge_begin(r->judge, settings);
    int code = read_all(r, csv);
    if (code == EXIT_DONE && r->failed)
        code = EXIT_FAILED;
    if (code == EXIT_DONE)
        code = r->json ? print_json(r) : print_text(r, csv);
    return code;
}

/* false: it was said what is wrong. */
static bool understand(const struct replay *r, struct judge_settings *settings)
{
    static const char *const counts[] = {"tasks", "fds", "threads"};
    bool known = !r->kind || strcmp(r->kind, "memory") == 0;
    for (unsigned i = 0; r->kind && i < 3; i++)
        if (strcmp(r->kind, counts[i]) == 0) {
            known = true;
            settings->least = 3;
        }
    if (!known) {
        fprintf(stderr, "logcap leaks replay: --kind is tasks, fds, threads or memory, not '%s'\n", r->kind);
        return false;
    }
    if (r->limit) {
        char *end;
        settings->limit = strtod(r->limit, &end);
        if (*end || !(settings->limit > 0) || !isfinite(settings->limit)) {
            fprintf(stderr, "logcap leaks replay: --limit is a number above 0, not '%s'\n", r->limit);
            return false;
        }
    }
    return true;
}

int leaks_replay(int argc, char **argv)
{
    struct replay r = {0};
    struct judge_settings settings = judge_defaults;
    char **words;
    const struct arg args[] = {{"kind", 0, &r.kind, NULL}, {"limit", 0, &r.limit, NULL}, {"json", 0, NULL, &r.json}, {0}};
    int n = args_parse(argc, argv, help, args, 1, 1, &words);
    if (n < 0)
        return args_code(n);
    r.file = words[0];
    if (!understand(&r, &settings))
        return EXIT_USAGE;
    if (scope_begin(&r.scope, &scope_root, "leaks replay") < 0)
        return EXIT_FAILED;
    int code = replay(&r, &settings);
    scope_end(&r.scope);
    return code;
}
