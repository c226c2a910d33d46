#include <stddef.h>

#include "main/agent.h"
#include "main/commands/args.h"
#include "main/commands/commands.h"

static const char help[] =
    "usage: logcap run [-c FILE] [--dry-run]\n"
    "\n"
    "Captures logs until SIGTERM or SIGINT.\n"
    "\n"
    "  -c, --config FILE  configuration; without it /etc/logcap/logcap.yaml, and without that the defaults:\n"
    "                     this host's logs into local files (and to LOKI_URL, if that is set)\n"
    "      --dry-run      shows on standard output what would be sent; positions stay untouched\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit codes: 0 stopped as asked, 1 could not go on, 2 wrong usage or configuration,\n"
    "3 something was not given back at the end (the list is on standard error).\n";

int cmd_run(int argc, char **argv)
{
    const char *config = NULL;
    bool dry_run = false;
    char **words;
    const struct arg args[] = {{"config", 'c', &config, NULL}, {"dry-run", 0, NULL, &dry_run}, {0}};

    int n = args_parse(argc, argv, help, args, 0, 0, &words);
    return n < 0 ? args_code(n) : agent_run(config, dry_run);
}
