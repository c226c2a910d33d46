/* `logcap leaks`: what the leak detector says. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "main/commands.h"
#include "main/leaks_replay.h"

static const char help[] = "usage: logcap leaks replay FILE.csv [--kind KIND] [--limit N] [--json]\n"
                           "\n"
                           "replay  judge a recorded series as the agent would have judged it while it was recorded\n"
                           "\n"
                           "logcap leaks replay --help says more.\n";

int cmd_leaks(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "replay") == 0) {
        argv[1] = (char[]){"logcap leaks replay"};
        return leaks_replay(argc - 1, argv + 1);
    }
    bool asked = strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0;
    fputs(help, asked ? stdout : stderr);
    return asked ? EXIT_DONE : EXIT_USAGE;
}
