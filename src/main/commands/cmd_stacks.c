/* `logcap stacks [PROFILE]`: asks the running agent what it does and holds, by stack. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/commands/args.h"
#include "main/commands/ask.h"
#include "main/commands/commands.h"
#include "main/commands/load.h"
#include "main/commands/reply.h"

enum { ANSWER_BYTES = 8 << 20, ERROR_BYTES = 200, SECONDS_MOST = 8 };

static const char help[] = "usage: logcap stacks [-c FILE] [--each | --json] [--seconds N] [PROFILE]\n"
                           "\n"
                           "Asks the running agent what it does and holds, by stack, with files and lines; equal stacks are\n"
                           "one group, the oldest first. PROFILE is one of these:\n"
                           "\n"
                           "  goroutine     threads where they are now, stuck ones too, and activities on loops by the stack\n"
                           "                that began them (without PROFILE)\n"
                           "  threadcreate  threads by the stack that began them\n"
                           "  fds           descriptors by the stack that opened them\n"
                           "  things        leases, batches, timers, watches and handles of libraries by the stack that took them\n"
                           "  blocks        memory that logcap itself holds, by the stack that took it\n"
                           "  heap, allocs  memory of libraries too, sampled: in use, and ever allocated\n"
                           "\n"
                           "  -c, --config FILE  the agent's configuration, which says where it listens\n"
                           "      --each         of goroutine: each task by itself\n"
                           "      --json         the groups as JSON\n"
                           "      --seconds N    only what grew in N seconds (up to 8)\n"
                           "\n"
                           "Exit code: 0 there was an answer, 1 there was none, 2 wrong usage or configuration.\n";

/* The agent is asked with a deadline of ten seconds (ask.h). */
static bool is_short(const char *seconds)
{
    char *end;
    long n = strtol(seconds, &end, 10);
    return *end == 0 && n >= 1 && n <= SECONDS_MOST;
}

struct wish {
    const char *profile, *seconds;
    bool each, json;
};

static int ask(struct scope *scope, struct buf *answer, const char *file, const struct wish *w)
{
    char error[ERROR_BYTES];
    long status = 0;
    struct config *c = load_place_or_say(scope, file);
    if (!c)
        return EXIT_USAGE;
    char *name = ask_escape(scope, w->profile), *seconds = ask_escape(scope, w->seconds ? w->seconds : "0");
    char *query = name && seconds ? scope_printf(scope, "/debug/pprof/%s?%s&seconds=%s", name,
                                                 w->each ? "debug=2" : w->json ? "format=json" : "format=text", seconds)
                                  : NULL;
    int r = -ENOMEM;
    if (query && buf_begin(answer, scope, "answer", ANSWER_BYTES) == 0)
        r = ask_agent(scope, c, query, answer, &status, error, sizeof error);
    ask_complain(r, c, error);
    if (r < 0)
        return EXIT_FAILED;
    if (status < 400)
        fwrite(answer->data, 1, answer->len, stdout);
    else
        reply_complain(scope, answer);
    return status < 400 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_stacks(int argc, char **argv)
{
    const char *file = NULL;
    struct wish w = {.profile = "goroutine"};
    char **words;
    const struct arg args[] = {
        {"config", 'c', &file, NULL}, {"each", 0, NULL, &w.each}, {"json", 0, NULL, &w.json}, {"seconds", 0, &w.seconds, NULL}, {0},
    };
    struct scope scope;
    struct buf answer;

    int n = args_parse(argc, argv, help, args, 0, 1, &words);
    if (n < 0)
        return args_code(n);
    if (n == 1)
        w.profile = words[0];
    if (w.seconds && !is_short(w.seconds)) {
        fprintf(stderr, "logcap stacks: --seconds takes a number from 1 to %d, not '%s'\n", SECONDS_MOST, w.seconds);
        return EXIT_USAGE;
    }
    if (scope_begin(&scope, &scope_root, "stacks command") < 0)
        return EXIT_FAILED;
    int code = ask(&scope, &answer, file, &w);
    scope_end(&scope);
    return code;
}
