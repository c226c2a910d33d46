#include "main/commands/leaks_show.h"

#include <stdio.h>
#include <string.h>

#include "main/commands/args.h"
#include "main/commands/cell.h"
#include "main/commands/commands.h"
#include "main/commands/reply.h"

static const char help[] = "usage: logcap leaks [-c FILE] [--all] [--json]\n"
                           "       logcap leaks replay FILE.csv [--kind KIND] [--limit N] [--json]\n"
                           "\n"
                           "Asks the running agent what leaks: what was found, and each series that does not stand still.\n"
                           "replay judges a recorded series; logcap leaks replay --help says more.\n"
                           "\n"
                           "  -c, --config FILE  the agent's configuration, which says where it listens\n"
                           "      --all          every series\n"
                           "      --json         the answer of GET /leaks as it came\n"
                           "\n"
                           "Exit code: 0 there was an answer, 1 there was none, 2 wrong usage or configuration.\n";

static void print_findings(const struct reply *r)
{
    unsigned n = (unsigned)reply_number(r, "findings.#");
    for (unsigned i = 0; i < n; i++) {
        printf("%-8s ", reply_text(r, "findings.%u.severity", i));
        cell_print(reply_text(r, "findings.%u.text", i));
        printf("\n         since %s\n", reply_text(r, "findings.%u.since", i));
        for (unsigned f = 0; f < (unsigned)reply_number(r, "findings.%u.born.stack.#", i); f++) {
            fputs("           ", stdout);
            cell_print(reply_text(r, "findings.%u.born.stack.%u", i, f));
            putchar('\n');
        }
    }
}

static void print_amount(double value, bool bytes, int width)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char text[32];
    unsigned u = 0;
    while (bytes && (value >= 1024 || value <= -1024) && u < 4) {
        value /= 1024;
        u++;
    }
    snprintf(text, sizeof text, bytes ? "%.1f %s" : "%.6g%s", value, bytes ? units[u] : "");
    printf(" %*s", width, text);
}

static bool is_still(const struct reply *r, unsigned i)
{
    const char *verdict = reply_text(r, "series.%u.verdict", i);
    return strcmp(reply_text(r, "series.%u.severity", i), "none") == 0 &&
           (strcmp(verdict, "steady") == 0 || strcmp(verdict, "undetermined") == 0);
}

static void print_series(const struct reply *r, bool all)
{
    unsigned n = (unsigned)reply_number(r, "series.#"), shown = 0;
    for (unsigned i = 0; i < n; i++) {
        bool bytes = strcmp(reply_text(r, "series.%u.unit", i), "bytes") == 0;
        if (!all && is_still(r, i))
            continue;
        if (shown++ == 0)
            printf("%-28s %12s %12s %12s %-12s %s\n", "series", "current", "baseline", "a minute", "verdict", "severity");
        printf("%-28s", reply_text(r, "series.%u.name", i));
        print_amount(reply_number(r, "series.%u.current", i), bytes, 12);
        if (*reply_text(r, "series.%u.baseline", i))
            print_amount(reply_number(r, "series.%u.baseline", i), bytes, 12);
        else
            printf(" %12s", "-");
        print_amount(reply_number(r, "series.%u.slope_per_min", i), bytes, 12);
        printf(" %-12s %s\n", reply_text(r, "series.%u.verdict", i), reply_text(r, "series.%u.severity", i));
    }
    printf("%s%u series, %u of them stand still or are not seen long enough%s\n", shown ? "\n" : "", n, all ? 0 : n - shown,
           all || n == shown ? "" : " (--all shows them)");
}

static void print(const struct reply *r, bool all)
{
    printf("%s: %s tasks (%s unexpected), %s descriptors (%s unowned), %s threads, last check %s\n\n", reply_text(r, "status"),
           reply_text(r, "totals.tasks"), reply_text(r, "totals.unexpected_tasks"), reply_text(r, "totals.fds"),
           reply_text(r, "totals.fds_unowned"), reply_text(r, "totals.threads"), reply_text(r, "totals.last_check"));
    print_findings(r);
    print_series(r, all);
}

int leaks_show(int argc, char **argv)
{
    const char *file = NULL;
    bool all = false, json = false;
    char **words;
    const struct arg args[] = {{"config", 'c', &file, NULL}, {"all", 0, NULL, &all}, {"json", 0, NULL, &json}, {0}};
    int n = args_parse(argc, argv, help, args, 0, 0, &words);
    return n < 0 ? args_code(n) : reply_show(file, "/leaks", json, print, all);
}
