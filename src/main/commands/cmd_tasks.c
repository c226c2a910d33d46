/* `logcap tasks`: what the running agent runs, grouped by the stack that began it, or one by one. */
#include <stdio.h>
#include <string.h>

#include "main/commands/args.h"
#include "main/commands/cell.h"
#include "main/commands/commands.h"
#include "main/commands/reply.h"

static const char help[] = "usage: logcap tasks [-c FILE] [--full] [--json]\n"
                           "\n"
                           "Asks the running agent which tasks and threads it runs: how many of each kind, the oldest, and where they\n"
                           "were begun; and what is done about those that miss their heartbeat.\n"
                           "\n"
                           "  -c, --config FILE  the agent's configuration, which says where it listens\n"
                           "      --full         each task, with its owner, age and last sign of life\n"
                           "      --json         the answer of GET /tasks as it came\n"
                           "\n"
                           "Exit code: 0 there was an answer, 1 there was none, 2 wrong usage or configuration.\n";

static void print_groups(const struct reply *r)
{
    unsigned n = (unsigned)reply_number(r, "groups.#");
    printf("%6s %-16s %12s\n", "count", "kind", "oldest");
    for (unsigned i = 0; i < n; i++) {
        printf("%6s %-16s %10.1f s\n", reply_text(r, "groups.%u.count", i), reply_text(r, "groups.%u.kind", i),
               reply_number(r, "groups.%u.oldest_age_seconds", i));
        for (unsigned f = 0; f < (unsigned)reply_number(r, "groups.%u.stack.#", i); f++)
            printf("           %s\n", reply_text(r, "groups.%u.stack.%u", i, f));
    }
}

static void print_each(const struct reply *r)
{
    unsigned n = (unsigned)reply_number(r, "tasks.#");
    printf("%8s %-16s %-24s %-8s %12s %12s  %s\n", "id", "kind", "name", "state", "age", "last sign", "owner");
    for (unsigned i = 0; i < n; i++) {
        printf("%8s %-16s ", reply_text(r, "tasks.%u.id", i), reply_text(r, "tasks.%u.kind", i));
        cell_print(reply_text(r, "tasks.%u.name", i));
        printf("%*s %-8s %10.1f s %10.1f s  ", 24 - (int)strlen(reply_text(r, "tasks.%u.name", i)), "",
               reply_text(r, "tasks.%u.state", i), reply_number(r, "tasks.%u.age_seconds", i),
               reply_number(r, "tasks.%u.last_beat_seconds", i));
        cell_print(reply_text(r, "tasks.%u.owner", i));
        putchar('\n');
    }
}

static void print_heartbeats(const struct reply *r)
{
    unsigned n = (unsigned)reply_number(r, "heartbeats.#");
    if (n)
        printf("\n%-16s %12s %-14s %9s\n", "kind", "heartbeat", "when missed", "restarts");
    for (unsigned i = 0; i < n; i++)
        printf("%-16s %10.0f s %-14s %9s\n", reply_text(r, "heartbeats.%u.kind", i), reply_number(r, "heartbeats.%u.heartbeat_seconds", i),
               reply_text(r, "heartbeats.%u.when_missed", i), reply_text(r, "heartbeats.%u.restarts", i));
}

static void print(const struct reply *r, bool full)
{
    if (full)
        print_each(r);
    else
        print_groups(r);
    print_heartbeats(r);
    printf("\n%s tasks; %s were refused at max_tasks\n", reply_text(r, "count"), reply_text(r, "refused"));
}

int cmd_tasks(int argc, char **argv)
{
    const char *file = NULL;
    bool full = false, json = false;
    char **words;
    const struct arg args[] = {{"config", 'c', &file, NULL}, {"full", 0, NULL, &full}, {"json", 0, NULL, &json}, {0}};
    int n = args_parse(argc, argv, help, args, 0, 0, &words);
    return n < 0 ? args_code(n) : reply_show(file, full ? "/tasks?full=1" : "/tasks", json, print, full);
}
